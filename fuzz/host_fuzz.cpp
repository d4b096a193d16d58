// The files of /proc, /sys and /etc, profiles and descriptions of hosts: text that anybody may have
// written. What comes out must be printable, and a profile must survive being written and read.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "base/numbers.h"
#include "base/version_numbers.h"
#include "host/gpu_models.h"
#include "host/host_argument.h"
#include "host/profile_json.h"
#include "host/text_formats.h"
#include "knowledge/testing_tables.h"
#include "text/json.h"

namespace {

using namespace flense::host;

void expect(bool holds) {
  if (!holds) std::abort();
}

void formats(std::string_view text) {
  for (const auto& pairs : {colon_pairs(text), blank_pairs(text), assignments(text)})
    for (const auto& [name, value] : pairs)
      expect(name.size() <= 256 && value.size() < text.size());
  expect(clean(text).size() <= 256 && clean(text).find('\n') == std::string::npos);
  if (const auto module = parse_nvidia_version(text)) expect(is_driver_version(module->version));
  if (const auto address = pci_address(text)) expect(pci_address(*address) == address);
  if (const auto speed = link_speed(text)) expect(link_speed(*speed) == speed);
  if (const auto number = flense::parse_number(text)) {
    if (const auto name = gfx_name(*number)) expect(name->starts_with("gfx"));
    expect(pci_address(pci_address_of_location(*number >> 32, *number)).has_value());
  }
  if (const auto release = parse_tegra_release(text)) expect(release->size() < 24);
  expect(glibc_version(text).size() <= 200);
  static_cast<void>(tegra_architecture(text));
  static_cast<void>(memory_in_name(text));
  static_cast<void>(dpkg_version(text, "docker-ce"));
  static_cast<void>(apk_version(text, "podman"));
  static_cast<void>(mentions(text, "nvidia"));
  if (const auto value = toml_value(text, "enable_cdi")) expect(value->size() <= 256);
  if (const auto architecture = architecture_of_model(flense::knowledge::test_tables().gpus, text))
    expect(!architecture->empty());
  expect(flense::version_at_least(text, text));
}

void round_trip(const Profile& profile) {
  const auto json = flense::text::parse_json(flense::text::dump_json(to_json(profile)), "written");
  expect(json.has_value());
  const auto again = from_json(*json, "again");
  // Bytes that are no UTF-8 are replaced once, so the second writing must be the first.
  expect(again.has_value() && to_json(*again) == *json);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  formats(text);
  if (const auto profile = parse_profile(text, "fuzz.json")) round_trip(*profile);
  if (const auto profile = described_profile(text, flense::knowledge::test_tables()))
    round_trip(*profile);
  return 0;
}

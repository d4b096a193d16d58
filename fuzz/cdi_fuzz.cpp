// CDI specifications: what is valid is written and read as the same in both forms, and is applied
// to a configuration or refused.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "cdi/spec/apply.h"
#include "cdi/spec/spec.h"

namespace {

using flense::text::Json;

void expect(bool condition) {
  if (!condition) std::abort();
}

void round_trip(const flense::cdi::Spec& spec, flense::cdi::Format format) {
  const auto again = flense::cdi::read_spec(flense::cdi::spec_text(spec, format), "again");
  expect(again.has_value());
  flense::cdi::Spec expected = spec;
  expected.version = flense::cdi::least_version(spec);
  expect(*again == expected);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto document = flense::cdi::read_document(text, "fuzz");
  if (!document) return 0;
  const flense::cdi::ExaminedSpec examined = flense::cdi::examine_spec(*document);
  const auto spec = flense::cdi::read_spec(text, "fuzz");
  expect(spec.has_value() ==
         (examined.violations.empty() && flense::cdi::hazards_of(examined.spec).empty()));
  if (!spec) return 0;
  round_trip(*spec, flense::cdi::Format::kJson);
  round_trip(*spec, flense::cdi::Format::kYaml);
  const flense::host::Tree nothing("/nonexistent", "/dev", true);
  for (const flense::cdi::Device& device : spec->devices)
    for (const bool rootless : {false, true}) {
      Json config = Json::object();
      if (!flense::cdi::apply(device.edits, nothing, {rootless}, config))
        expect(config == Json::object());
    }
  return 0;
}

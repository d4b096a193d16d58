// Node lists of clusters (Kubernetes, Slurm) as profiles, and what is compared between them.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "host/fleet.h"
#include "host/host_argument.h"
#include "host/hostlist.h"
#include "host/node_facts.h"
#include "host/profile_json.h"
#include "knowledge/testing_tables.h"
#include "text/json.h"

namespace {

using namespace flense::host;

void expect(bool holds) {
  if (!holds) std::abort();
}

void host_list(std::string_view text) {
  constexpr std::size_t kMost = 1000;
  const auto names = expand_hostlist(text, kMost);
  if (names) expect(names->size() <= kMost);
}

void profiles(std::string_view text) {
  const auto read = parse_profiles(text, "fuzz", flense::knowledge::test_tables());
  if (!read) return;
  expect(!read->empty() && read->size() <= kMaxNodes);
  // Lists of many nodes repeat themselves, and each is a page of JSON.
  for (std::size_t i = 0; i < std::min<std::size_t>(read->size(), 8); ++i) {
    const auto json = flense::text::parse_json(flense::text::dump_json(to_json((*read)[i])), "it");
    expect(json.has_value());
    const auto again = from_json(*json, "again");
    expect(again.has_value() && to_json(*again) == *json);
  }
  if (read->size() > 64) return;
  const Fleet fleet = compare(*read);
  std::size_t hosts = 0;
  for (const auto& group : fleet.groups) hosts += group.size();
  expect(hosts == read->size());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  host_list(text);
  profiles(text);
  static_cast<void>(parse_quantity(text));
  static_cast<void>(kernel_of_os(text));
  return 0;
}

// glibc's loader cache as images bring it, and what the loader of an image reads of ELF files: what
// was read is written again and read back the same.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "elf/abi_facts.h"
#include "elf/loader_cache.h"
#include "launch/inject/loader_cache_writer.h"

namespace {

using namespace flense;

void expect(bool holds) {
  if (!holds) std::abort();
}

void cache(Bytes bytes) {
  const auto entries = elf::read_loader_cache(bytes);
  if (!entries) return;
  const auto kept = launch::merge_cache_entries({}, *entries);
  expect(kept.size() <= entries->size());
  const auto written = launch::write_loader_cache(kept);
  if (!written) return;  // entries that share long texts can be too large together
  const auto again = elf::read_loader_cache(as_bytes(*written));
  expect(again.has_value() && again->size() == kept.size());
  for (std::size_t i = 1; i < again->size(); ++i)
    expect(launch::compare_cached_names((*again)[i - 1].name, (*again)[i].name) >= 0);
  expect(launch::write_loader_cache(*again) == *written);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const Bytes bytes = std::as_bytes(std::span(data, size));
  cache(bytes);
  if (const auto facts = elf::read_abi_facts(bytes, "input"))
    expect(facts->needs.size() <= 4096 && facts->defines.size() <= 4096);
  return 0;
}

// AMD offload bundles and code objects from hostile bytes: alone, and inside an ELF file. Whatever
// the input, bundles lie in it, in order and apart, and their targets are of canonical form.
#include <cstdint>
#include <cstdlib>

#include "codec/compression.h"
#include "device/amd_bundle.h"
#include "device/amd_code.h"
#include "device/amd_target.h"
#include "elf/file.h"
#include "elf/notes.h"

namespace {

using namespace flense;

void require(bool condition) {
  if (!condition) std::abort();
}

void check_target(const std::string& target) {
  require(target == "unknown" || device::canonical_amd_target(target) == target);
}

void check_bundles(const std::vector<device::AmdBundle>& bundles, std::uint64_t size) {
  std::uint64_t end = 0;
  for (const device::AmdBundle& bundle : bundles) {
    require(bundle.offset >= end && bundle.size > 0);
    require(bundle.offset <= size && bundle.size <= size - bundle.offset);
    end = bundle.offset + bundle.size;
    require(bundle.unread.empty() || (bundle.compressed != 0 && bundle.entries.empty()));
    for (const device::AmdEntry& entry : bundle.entries) {
      check_target(entry.target);
      require(bundle.compressed != 0 ||
              (entry.offset <= bundle.size && entry.size <= bundle.size - entry.offset));
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const Bytes bytes = std::as_bytes(std::span(data, size));
  (void)device::looks_like_amd_bundle(bytes);
  if (const auto bundles = device::read_amd_bundles(bytes)) check_bundles(*bundles, size);
  const auto file = elf::File::parse(bytes, "input");
  if (!file) return 0;
  (void)elf::x86_isa_needed(*file);
  for (const elf::Section& section : file->sections())
    (void)elf::find_note(file->section_bytes(section), section.alignment, "NVIDIA Corporation",
                         std::nullopt);
  if (const auto target = device::amd_target_of_code_object(*file)) check_target(*target);
  if (const auto code = device::find_amd_code(*file))
    for (const device::AmdBundle& bundle : code->bundles)
      require(bundle.offset <= size && bundle.size <= size - bundle.offset);
  return 0;
}

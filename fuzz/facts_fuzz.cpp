// What a scan keeps of one file: an ELF file's facts with its notes and device code, a stand-alone
// offload bundle, the first line of a script. What is kept must also survive the cache.
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>

#include "inventory/describe/links.h"
#include "inventory/scan/elf_facts.h"
#include "inventory/scan/scan_format.h"

namespace {

using namespace flense;
using inventory::ArchCount;

void require(bool condition) {
  if (!condition) std::abort();
}

void check_code(const std::vector<ArchCount>& code) {
  for (const ArchCount& count : code) {
    require(!count.vendor.empty() && !count.kind.empty() && !count.arch.empty());
    require(count.count > 0 && count.zstd <= count.count);
    require(count.version.empty() == (count.kind != "ptx"));
  }
}

void check_kept(std::optional<inventory::ElfFacts> facts, std::optional<inventory::BareCode> bare) {
  auto listing = std::make_shared<image::LayerListing>();
  require(listing->add({"file", "", 1, 0, 0644, 0, 0, codec::MemberType::kFile}).has_value());
  inventory::LayerScan scan;
  scan.listing = std::move(listing);
  if (facts) scan.elf.emplace(0, std::move(*facts));
  if (bare) scan.bare_code.emplace(0, std::move(*bare));
  const std::string bytes = inventory::encode_scan(scan);
  const auto again = inventory::decode_scan(as_bytes(bytes));
  require(again.has_value() && inventory::encode_scan(*again) == bytes);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const Bytes bytes = std::as_bytes(std::span(data, size));
  device::PruneOptions prune;
  prune.targets.cuda = {{90, device::CudaArch::Variant::kPlain}};
  prune.drop_debug = true;
  for (const char* name : {"usr/lib/libc.so.6", "usr/lib/libtorch.so"})
    static_cast<void>(inventory::read_elf_facts(bytes, name, nullptr));
  auto facts = inventory::read_elf_facts(bytes, "usr/lib/libtorch.so", &prune);
  auto bare = inventory::read_bare_code(bytes);
  if (facts) check_code(facts->code);
  if (bare) check_code(bare->code);
  if (facts || bare) check_kept(std::move(facts), std::move(bare));
  const inventory::Interpreter interpreter = inventory::parse_interpreter(as_text(bytes));
  require(!interpreter.path.starts_with('/') && interpreter.program.size() <= size);
  return 0;
}

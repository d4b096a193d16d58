// Fat binaries from hostile bytes: alone, and inside an ELF file that is then planned and edited.
// Whatever the input, every byte of a section is attributed once, and what a plan keeps is found in
// its output.
#include <cstdint>
#include <cstdlib>

#include "base/stream.h"
#include "device/fatbin.h"
#include "device/prune.h"
#include "elf/edit.h"
#include "elf/file.h"

namespace {

using namespace flense;

void require(bool condition) {
  if (!condition) std::abort();
}

void check_accounting(const device::SectionCode& code) {
  std::uint64_t at = code.offset;
  auto gap = code.gaps.begin();
  const auto pass_gap = [&] {
    if (gap == code.gaps.end() || gap->offset != at) return;
    at += gap->size;
    ++gap;
  };
  for (const device::Region& region : code.regions) {
    pass_gap();
    require(region.offset == at);
    std::uint64_t end = device::kRegionHeaderSize;
    for (const device::Entry& entry : region.entries) {
      require(entry.offset == end);
      end += entry.size();
    }
    require(end == region.size);
    at += region.size;
  }
  pass_gap();
  require(gap == code.gaps.end() && at == code.offset + code.size);
}

void check_edit(const elf::File& file, const device::FileCode& code) {
  for (const auto level : {device::Level::kSafe, device::Level::kAggressive}) {
    device::PruneOptions options;
    options.targets.cuda = {{90, device::CudaArch::Variant::kPlain}};
    options.level = level;
    const auto plan = device::plan_prune(file, code, options);
    if (!plan || !plan->left_alone.empty() || plan->edit.sections.empty()) continue;
    (void)device::bolder_gains(code, *plan, options);
    StringSink output;
    // plan_prune has measured the edit, so it must succeed.
    require(elf::apply(file, plan->edit, output).has_value());
    const auto after = elf::File::parse(as_bytes(output.text()), "output");
    require(after.has_value());
    for (const elf::SectionEdit& section : plan->edit.sections)
      for (const elf::Piece& piece : section.pieces)
        require(piece.new_size == 0 || after->offset_of(piece.new_address).has_value());
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const Bytes bytes = std::as_bytes(std::span(data, size));
  if (const auto alone = device::find_standalone_fatbin(bytes))
    check_accounting(alone->sections.front());
  const auto file = elf::File::parse(bytes, "input");
  if (!file) return 0;
  (void)device::cubin_arch(*file);
  const auto code = device::find_device_code(*file);
  if (!code) return 0;
  for (const device::SectionCode& section : code->sections) check_accounting(section);
  check_edit(*file, *code);
  return 0;
}

// Fat binaries from hostile bytes: alone, and inside an ELF file that is then planned and edited.
// Whatever the input, every byte of a section is attributed once, what a plan keeps is found in its
// output, and an entry that is packed anew is smaller and holds the same.
#include <cstdint>
#include <cstdlib>
#include <filesystem>

#include "base/stream.h"
#include "device/entry_content.h"
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

constexpr std::uint64_t kMostToPack = 1U << 20;

void check_recompressed(Bytes bytes, const device::FileCode& code) {
  const auto scratch = std::filesystem::temp_directory_path();
  std::vector<device::EntryPlace> places;
  std::uint64_t content = 0;
  for (std::size_t s = 0; s < code.sections.size(); ++s)
    for (std::size_t r = 0; r < code.sections[s].regions.size(); ++r)
      for (std::size_t e = 0; e < code.sections[s].regions[r].entries.size(); ++e) {
        const device::Region& region = code.sections[s].regions[r];
        const device::Entry& entry = region.entries[e];
        const auto form =
            device::stored_form(bytes.subspan(region.offset + entry.offset, entry.size()), entry);
        if (!form || form->unpacked > kMostToPack - content) continue;
        content += form->unpacked;
        places.push_back({s, r, e});
      }
  for (const auto mode : {device::CodeCompression::kBalance, device::CodeCompression::kSize}) {
    const auto packed = device::recompress(bytes, code, places, {mode, nullptr, scratch});
    require(packed.has_value() && packed->entries.size() == places.size());
    for (std::size_t i = 0; i < places.size(); ++i) {
      const Bytes after = packed->entries[i];
      if (after.empty()) continue;
      const device::Region& region = code.sections[places[i].section].regions[places[i].region];
      const device::Entry& entry = region.entries[places[i].entry];
      require(after.size() < entry.size());
      std::vector<std::byte> alone = device::region_header(after.size());
      alone.insert(alone.end(), after.begin(), after.end());
      const auto read = device::parse_region(alone, 0);
      require(read.has_value() && read->entries.size() == 1);
      const Bytes before = bytes.subspan(region.offset + entry.offset, entry.size());
      require(device::same_entry(before, entry, after, read->entries[0], scratch).has_value());
    }
  }
}

void check_edit(const elf::File& file, const device::FileCode& code) {
  for (const auto level : {device::Level::kSafe, device::Level::kAggressive}) {
    device::PruneOptions options;
    options.targets.cuda = {{90, device::CudaArch::Variant::kPlain}};
    options.level = level;
    options.scratch_directory = std::filesystem::temp_directory_path();
    if (level == device::Level::kAggressive) options.recompress = device::CodeCompression::kBalance;
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
  if (const auto alone = device::find_standalone_fatbin(bytes)) {
    check_accounting(alone->sections.front());
    check_recompressed(bytes, *alone);
  }
  const auto file = elf::File::parse(bytes, "input");
  if (!file) return 0;
  (void)device::cubin_arch(*file);
  const auto code = device::find_device_code(*file);
  if (!code) return 0;
  for (const device::SectionCode& section : code->sections) check_accounting(section);
  check_recompressed(bytes, *code);
  check_edit(*file, *code);
  return 0;
}

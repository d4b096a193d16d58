// Offload bundles from hostile bytes, pruned: alone, and inside an ELF file that is planned and
// edited. Whatever the input, a bundle packed anew is read back with exactly what was to stay, byte
// for byte, and is smaller or left alone.
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <optional>

#include "base/stream.h"
#include "device/amd_repack.h"
#include "device/amd_target.h"
#include "device/prune.h"
#include "elf/edit.h"
#include "elf/file.h"

namespace {

using namespace flense;

void require(bool condition) {
  if (!condition) std::abort();
}

using Content = std::vector<std::pair<std::string, std::string>>;

std::optional<Content> content_of(Bytes bytes, const device::AmdBundle& bundle,
                                  device::BundleHash hash) {
  Content out;
  const auto status = device::with_plain_bundle(
      bytes.subspan(bundle.offset), bundle, std::filesystem::temp_directory_path(), hash,
      [&](const device::PlainBundle& plain) -> Result<void> {
        for (const device::AmdRow& row : plain.table.rows)
          out.emplace_back(row.id, as_text(plain.bytes.subspan(row.offset, row.size)));
        return {};
      });
  if (!status) return std::nullopt;
  return out;
}

std::string assembled(Bytes bytes, const device::Repacked& repacked) {
  if (!repacked.packed.empty()) return std::string(as_text(repacked.packed));
  std::string out;
  for (const elf::PiecePart& part : repacked.parts)
    out += as_text(part.from_input() ? bytes.subspan(part.file_offset, part.size)
                                     : Bytes(part.literal));
  return out;
}

/// Every second entry goes.
void check_repack(Bytes bytes, const device::AmdBundle& bundle) {
  std::vector<bool> keep(bundle.entries.size());
  for (std::size_t i = 0; i < keep.size(); ++i) keep[i] = i % 2 == 0;
  const auto scratch = std::filesystem::temp_directory_path();
  const auto before = content_of(bytes, bundle, device::BundleHash::kSkip);
  const auto repacked = device::repack(bytes, bundle, keep, 1u << 30, scratch);
  require(!repacked.has_value() || before.has_value());
  if (!repacked) return;
  const auto measured = device::repack(bytes, bundle, keep, 0, scratch);
  require(measured.has_value() && measured->size == repacked->size);
  const std::string text = assembled(bytes, *repacked);
  require(text.size() == repacked->size);
  const auto again = device::read_amd_bundles(as_bytes(text));
  require(again.has_value() && !again->empty() && again->front().offset == 0);
  const auto after = content_of(as_bytes(text), again->front(), device::BundleHash::kCompare);
  require(after.has_value());
  Content kept;
  std::size_t entry = 0;
  for (const auto& row : *before) {
    const bool code = !device::amd_target_of_entry(row.first).empty();
    if (!code || keep[entry]) kept.push_back(row);
    if (code) ++entry;
  }
  require(kept == *after);
}

void check_edit(const elf::File& file) {
  const auto amd = device::find_amd_code(file);
  if (!amd || !amd->places.any()) return;
  const auto code = device::find_device_code(file);
  if (!code) return;
  for (const bool by_vendor : {false, true}) {
    device::PruneOptions options;
    if (by_vendor)
      options.targets.cuda = {{90, device::CudaArch::Variant::kPlain}};
    else
      options.targets.amd = {"gfx942"};
    options.drop_vendor = by_vendor;
    options.scratch_directory = std::filesystem::temp_directory_path();
    const auto plan = device::plan_prune(file, *code, *amd, options);
    if (!plan || !plan->left_alone.empty() || plan->edit.sections.empty()) continue;
    (void)device::bolder_gains(*code, *plan, options);
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
  if (const auto bundles = device::read_amd_bundles(bytes))
    for (const device::AmdBundle& bundle : *bundles)
      if (bundle.unread.empty()) check_repack(bytes, bundle);
  if (const auto file = elf::File::parse(bytes, "input")) check_edit(*file);
  return 0;
}

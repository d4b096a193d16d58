// A hostile ELF file: parsed, searched for references, and, where the editor accepts it, edited.
// The output must parse, be deterministic, and hold the kept bytes at their addresses.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "base/stream.h"
#include "elf/edit.h"
#include "elf/editable.h"
#include "elf/file.h"
#include "elf/references.h"

namespace {

using namespace flense;

void require(bool condition) {
  if (!condition) std::abort();
}

/// The biggest section of loaded, constant data; 0 when there is none.
std::size_t biggest_data(const elf::File& file) {
  std::size_t best = 0;
  for (std::size_t i = 1; i < file.sections().size(); ++i) {
    const elf::Section& section = file.sections()[i];
    const bool data = section.type == SHT_PROGBITS && (section.flags & SHF_ALLOC) != 0 &&
                      (section.flags & (SHF_EXECINSTR | SHF_WRITE)) == 0;
    if (data && section.size > (best == 0 ? 0 : file.sections()[best].size)) best = i;
  }
  return best;
}

/// Moves the second quarter of the section to its begin, or leaves only the first, as `kind` says.
elf::EditPlan make_plan(const elf::File& file, std::size_t index, unsigned kind) {
  elf::EditPlan plan;
  plan.drop_debug = true;
  plan.drop_symtab = (kind & 1) != 0;
  if (index == 0) return plan;
  const elf::Section& section = file.sections()[index];
  const std::uint64_t quarter = section.size / 4;
  elf::SectionEdit edit;
  edit.section = index;
  elf::Piece piece{.old_address = section.address + ((kind & 2) != 0 ? quarter : 0),
                   .old_size = quarter,
                   .new_address = section.address,
                   .new_size = quarter,
                   .parts = {}};
  piece.parts.push_back({.file_offset = section.offset + (piece.old_address - section.address),
                         .size = quarter,
                         .literal = {}});
  edit.pieces.push_back(std::move(piece));
  plan.sections.push_back(std::move(edit));
  return plan;
}

/// All that was mapped is mapped, and can be written where it could.
void check_memory(const elf::File& before, const elf::File& after) {
  for (const std::size_t i : elf::load_indices(before)) {
    const elf::Segment& load = before.segments()[i];
    const std::uint64_t end = load.address + load.memory_size;
    for (std::uint64_t at = load.address; at < end;) {
      const elf::Segment* now = nullptr;
      for (const elf::Segment& segment : after.segments())
        if (segment.type == PT_LOAD && at - segment.address < segment.memory_size) now = &segment;
      require(now != nullptr && (now->flags & PF_W) == (load.flags & PF_W));
      at = now->address + now->memory_size;
    }
  }
}

void check_output(const elf::File& before, const elf::EditPlan& plan, const std::string& bytes) {
  const auto after = elf::File::parse(as_bytes(bytes), "edited");
  require(after.has_value());
  std::uint64_t end = 0;
  for (const std::size_t i : elf::load_indices(*after)) {
    const elf::Segment& load = after->segments()[i];
    require(load.address >= end && (load.offset - load.address) % load.alignment == 0);
    require(load.offset + load.file_size <= bytes.size());
    end = load.address + load.memory_size;
  }
  check_memory(before, *after);
  for (const elf::SectionEdit& edit : plan.sections) {
    for (const elf::Piece& piece : edit.pieces) {
      if (piece.new_size == 0) continue;
      const auto offset = after->offset_of(piece.new_address);
      require(offset.has_value() && range_fits(*offset, piece.new_size, bytes.size()));
      const Bytes old = before.bytes().subspan(piece.parts[0].file_offset, piece.new_size);
      require(as_text(as_bytes(bytes).subspan(*offset, piece.new_size)) == as_text(old));
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const Bytes bytes = std::as_bytes(std::span(data, size));
  const auto file = elf::File::parse(bytes, "fuzz");
  if (!file) return 0;
  (void)file->soname();
  (void)file->needed();
  (void)file->rpath();
  (void)file->runpath();
  (void)file->interpreter();
  (void)file->build_id();
  (void)file->version_needs();

  StringSink copy;
  require(elf::apply(*file, {}, copy).has_value() && copy.text() == as_text(bytes));

  const std::size_t index = biggest_data(*file);
  if (index != 0) {
    const elf::Section& section = file->sections()[index];
    (void)elf::find_references(*file, {{section.address, section.address + section.size}});
  }
  // The padding of e_ident means nothing to the parser: it selects the plan.
  const unsigned kind = data[EI_NIDENT - 1];
  const elf::EditPlan plan = make_plan(*file, index, kind);
  StringSink first;
  const auto result = elf::apply(*file, plan, first);
  const auto measured = elf::measure(*file, plan);
  require(measured.has_value() == result.has_value());
  if (!result) {
    require(first.text().empty());
    return 0;
  }
  require(result->output_size == first.text().size() &&
          measured->output_size == result->output_size);
  // A plan that changes nothing copies the file, whatever its segments are like.
  if (first.text() != as_text(bytes)) check_output(*file, plan, first.text());
  StringSink second;
  require(elf::apply(*file, plan, second).has_value() && second.text() == first.text());
  return 0;
}

// Which edits of an ELF file are possible without changing any virtual address, and applying them.
// The plan is a value; apply() is the only function that produces bytes. See docs/elf-editing.md.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "base/stream.h"
#include "elf/file.h"

namespace flense::elf {

/// Where the bytes of a piece come from: a range of the input file, literal bytes (a rewritten
/// region header), or bytes that whoever made the plan holds (a bundle packed anew).
struct PiecePart {
  std::uint64_t file_offset = 0;  ///< used when neither of the others holds anything
  std::uint64_t size = 0;
  std::vector<std::byte> literal = {};
  Bytes held = {};  ///< must outlive the plan
  bool from_input() const { return literal.empty() && held.empty(); }
};

/// One region of a section: where it was, where it goes, what it now holds. `pinned` pieces have
/// new_address == old_address and the same size and parts. A moved piece carries every reference
/// that targets exactly `old_address` with it.
struct Piece {
  std::uint64_t old_address = 0;
  std::uint64_t old_size = 0;
  std::uint64_t new_address = 0;
  std::uint64_t new_size = 0;
  std::vector<PiecePart> parts;
};

/// Compaction of one section: `pieces` in address order of new_address, not overlapping, each
/// within the section. The section's bytes outside every new piece are zero, and the whole pages
/// after the last piece (and between far-apart pinned pieces where worthwhile) leave the file.
struct SectionEdit {
  std::size_t section = 0;  ///< index in File::sections()
  std::vector<Piece> pieces;
};

struct EditPlan {
  std::vector<SectionEdit> sections;
  bool drop_debug = false;   ///< .debug_*, .zdebug_*, .gnu_debugaltlink-free debug data
  bool drop_symtab = false;  ///< .symtab and .strtab (never .dynsym)
};

struct EditResult {
  std::uint64_t input_size = 0;
  std::uint64_t output_size = 0;
  std::uint64_t device_bytes_removed = 0;
  std::uint64_t debug_bytes_removed = 0;
  unsigned load_segments = 0;
  /// Edited sections of which no page leaves the file, as indices in File::sections().
  std::vector<std::size_t> in_vain = {};
};

/// What drop_debug and drop_symtab would take, in bytes of sections.
struct Strippable {
  std::uint64_t debug = 0;
  std::uint64_t symbols = 0;
};
Strippable strippable(const File& file);

/// Computes the layout without writing: sizes, segment count, or the reason why the file cannot be
/// rewritten with certainty (bad-input error whose message is that reason).
Result<EditResult> measure(const File& file, const EditPlan& plan);

/// Writes the edited file. Deterministic.
Result<EditResult> apply(const File& file, const EditPlan& plan, Sink& to);

}  // namespace flense::elf

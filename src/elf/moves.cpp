#include "elf/moves.h"

#include <algorithm>

#include "base/checked.h"

namespace flense::elf {
namespace {

Result<Move> check_piece(const File& file, const Section& section, const Piece& piece) {
  const bool old_fits =
      piece.old_address >= section.address &&
      range_fits(piece.old_address - section.address, piece.old_size, section.size);
  const bool new_fits =
      piece.new_address >= section.address &&
      range_fits(piece.new_address - section.address, piece.new_size, section.size);
  if (!old_fits || !new_fits)
    return fail(Code::kInternal, "the piece at {:#x} leaves section {}", piece.old_address,
                section.name);
  std::uint64_t size = 0;
  for (const PiecePart& part : piece.parts) {
    const bool sound = part.from_input()
                           ? range_fits(part.file_offset, part.size, file.bytes().size())
                           : part.literal.size() + part.held.size() == part.size &&
                                 (part.literal.empty() || part.held.empty());
    const auto sum = checked_add(size, part.size);
    if (!sound || !sum)
      return fail(Code::kInternal, "a part of the piece at {:#x} is out of bounds",
                  piece.old_address);
    size = *sum;
  }
  if (size != piece.new_size)
    return fail(Code::kInternal, "the parts of the piece at {:#x} are {} bytes, not {}",
                piece.old_address, size, piece.new_size);
  const std::uint64_t offset = section.offset + (piece.old_address - section.address);
  const bool identical = piece.old_address == piece.new_address &&
                         piece.old_size == piece.new_size && piece.parts.size() == 1 &&
                         piece.parts[0].from_input() && piece.parts[0].file_offset == offset;
  return Move{piece.old_address, piece.old_size, piece.new_address, piece.new_size, identical};
}

}  // namespace

Result<Moves> Moves::make(const File& file, const EditPlan& plan) {
  Moves result;
  for (const SectionEdit& edit : plan.sections) {
    if (edit.section >= file.sections().size())
      return fail(Code::kInternal, "section {} of the plan does not exist", edit.section);
    const Section& section = file.sections()[edit.section];
    if (section.type != SHT_PROGBITS || (section.flags & SHF_ALLOC) == 0 || section.size == 0)
      return bad_input("section {} holds no loaded data", section.name);
    result.sections_.push_back({section.address, section.address + section.size});
    std::uint64_t free_from = section.address;
    for (const Piece& piece : edit.pieces) {
      TRY(const Move move, check_piece(file, section, piece));
      if (move.new_address < free_from)
        return fail(Code::kInternal, "the pieces of section {} overlap at {:#x}", section.name,
                    move.new_address);
      free_from = move.new_address + move.new_size;
      result.moves_.push_back(move);
    }
  }
  std::ranges::sort(result.sections_, {}, &Range::begin);
  for (std::size_t i = 1; i < result.sections_.size(); ++i)
    if (result.sections_[i].begin < result.sections_[i - 1].end)
      return bad_input("two edited sections overlap at address {:#x}", result.sections_[i].begin);
  std::ranges::sort(result.moves_, {}, &Move::old_address);
  for (std::size_t i = 1; i < result.moves_.size(); ++i) {
    const Move& before = result.moves_[i - 1];
    if (result.moves_[i].old_address - before.old_address <
        std::max<std::uint64_t>(before.old_size, 1))
      return fail(Code::kInternal, "two pieces come from address {:#x}",
                  result.moves_[i].old_address);
  }
  return result;
}

bool Moves::edits(std::uint64_t address) const {
  const auto after = std::ranges::upper_bound(sections_, address, {}, &Range::begin);
  return after != sections_.begin() && std::prev(after)->contains(address);
}

const Move* Moves::at(std::uint64_t address) const {
  const auto found = std::ranges::lower_bound(moves_, address, {}, &Move::old_address);
  return found != moves_.end() && found->old_address == address ? &*found : nullptr;
}

bool Moves::keeps(std::uint64_t address) const {
  if (!edits(address)) return true;
  const auto after = std::ranges::upper_bound(moves_, address, {}, &Move::old_address);
  if (after == moves_.begin()) return false;
  const Move& move = *std::prev(after);
  return move.identical && address - move.old_address < move.old_size;
}

}  // namespace flense::elf

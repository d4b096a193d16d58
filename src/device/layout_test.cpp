#include "device/layout.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <rapidcheck.h>

#include "device/scan.h"
#include "support/fatbin_builder.h"

namespace flense::device {
namespace {

using flense::testing::region;

constexpr std::uint64_t kAddress = 0x7000;
constexpr std::uint64_t kOffset = 0x1000;

SectionCode section_code(const std::string& bytes) {
  SectionCode code;
  code.section = ".nv_fatbin";
  code.section_index = 5;
  code.address = kAddress;
  code.offset = kOffset;
  code.size = bytes.size();
  ScanBudget budget;
  EXPECT_TRUE(scan_section(as_bytes(bytes), code, budget));
  return code;
}

/// The section as elf::apply would write it: zero outside the pieces.
std::string rendered(const std::string& bytes, const elf::SectionEdit& edit) {
  std::string out(bytes.size(), '\0');
  for (const elf::Piece& piece : edit.pieces) {
    std::string content;
    for (const elf::PiecePart& part : piece.parts) {
      if (part.literal.empty())
        content += bytes.substr(part.file_offset - kOffset, part.size);
      else
        content += as_text(part.literal);
    }
    EXPECT_EQ(content.size(), piece.new_size);
    out.replace(piece.new_address - kAddress, content.size(), content);
  }
  return out;
}

std::vector<RegionStanding> standings_of(const SectionCode& code, std::set<std::size_t> fixed) {
  std::vector<RegionStanding> out;
  for (std::size_t j = 0; j < code.regions.size(); ++j)
    out.push_back({.standing = fixed.contains(j) ? Standing::kPinned : Standing::kRegistered,
                   .movable = !fixed.contains(j)});
  return out;
}

std::vector<std::vector<bool>> keep_all(const SectionCode& code) {
  std::vector<std::vector<bool>> kept;
  for (const Region& r : code.regions) kept.emplace_back(r.entries.size(), true);
  return kept;
}

TEST(Compact, MovesKeptEntriesTogetherUnderACorrectHeader) {
  const std::string bytes = region("sm80:64 sm86:64 sm90:64") + region("sm80:64 sm90:32");
  const SectionCode code = section_code(bytes);
  auto kept = keep_all(code);
  kept[0] = {true, false, true};
  kept[1] = {false, true};
  const auto edit = compact(code, standings_of(code, {}), {}, kept);
  EXPECT_EQ(edit.section, 5U);
  ASSERT_EQ(edit.pieces.size(), 2U);
  EXPECT_EQ(edit.pieces[0].old_address, kAddress);
  EXPECT_EQ(edit.pieces[0].new_size, 16U + 128 + 128);
  EXPECT_EQ(edit.pieces[1].old_address, kAddress + 400);
  EXPECT_GE(edit.pieces[1].new_address, kAddress + 272);
  EXPECT_LT(edit.pieces[1].new_address, kAddress + 272 + 64);
  const std::string out = rendered(bytes, edit);
  const SectionCode again = section_code(out);
  ASSERT_EQ(again.regions.size(), 2U);
  EXPECT_EQ(out.substr(again.regions[0].offset - kOffset, 272), region("sm80:64 sm90:64"));
  EXPECT_EQ(out.substr(again.regions[1].offset - kOffset, 112), region("sm90:32"));
  for (const Gap& gap : again.gaps) EXPECT_TRUE(gap.zero);
}

TEST(Compact, AdjacentKeptEntriesAreOneRange) {
  const std::string bytes = region("sm75:64 sm80:64 sm86:64 sm90:64");
  const SectionCode code = section_code(bytes);
  const auto edit = compact(code, standings_of(code, {}), {}, {{false, true, true, false}});
  ASSERT_EQ(edit.pieces[0].parts.size(), 2U);
  EXPECT_EQ(edit.pieces[0].parts[1].size, 256U);
}

TEST(Compact, RegionsWithoutDropsStillMove) {
  const std::string bytes = region("sm80:640 sm90:64") + region("sm90:64");
  const SectionCode code = section_code(bytes);
  auto kept = keep_all(code);
  kept[0] = {false, true};
  const auto edit = compact(code, standings_of(code, {}), {}, kept);
  ASSERT_EQ(edit.pieces.size(), 2U);
  EXPECT_LT(edit.pieces[1].new_address, edit.pieces[1].old_address);
  ASSERT_EQ(edit.pieces[1].parts.size(), 1U);
  EXPECT_EQ(edit.pieces[1].parts[0].file_offset, kOffset + 16 + 704 + 128);
}

TEST(Compact, PacksAroundPinnedRegionsAndOpaqueBytes) {
  const std::string bytes = region("sm80:64") + region("sm80:960 sm90:64") + std::string(24, 'o') +
                            region("sm80:64 sm90:64") + std::string(8, '\0') + region("sm90:640");
  const SectionCode code = section_code(bytes);
  ASSERT_EQ(code.regions.size(), 4U);
  auto kept = keep_all(code);
  kept[1] = {false, true};
  kept[2] = {false, true};
  const auto edit = compact(code, standings_of(code, {0}), {}, kept);
  ASSERT_EQ(edit.pieces.size(), 5U);
  EXPECT_EQ(edit.pieces[0].new_address, kAddress);
  EXPECT_EQ(edit.pieces[0].old_address, kAddress);
  const auto last =
      std::ranges::find(edit.pieces, code.regions[3].address, &elf::Piece::old_address);
  ASSERT_NE(last, edit.pieces.end());
  EXPECT_LT(last->new_address, code.regions[2].address) << "fits before the opaque bytes";
  const std::string out = rendered(bytes, edit);
  EXPECT_EQ(out.find(std::string(24, 'o')), bytes.find(std::string(24, 'o')));
}

TEST(Compact, ZeroGapsThatSomethingPointsAtStay) {
  const std::string bytes = region("sm80:64 sm90:64") + std::string(16, '\0') + region("sm90:8");
  const SectionCode code = section_code(bytes);
  auto kept = keep_all(code);
  kept[0] = {false, true};
  EXPECT_EQ(compact(code, standings_of(code, {}), {}, kept).pieces.size(), 2U);
  EXPECT_EQ(compact(code, standings_of(code, {}), {0}, kept).pieces.size(), 3U);
}

TEST(Compact, InvariantsHoldForAnySection) {
  rc::check([] {
    std::string bytes;
    const auto regions = *rc::gen::inRange(1, 12);
    for (int r = 0; r < regions; ++r) {
      std::string text;
      const auto entries = *rc::gen::inRange(0, 5);
      for (int e = 0; e < entries; ++e)
        text += fmt::format("sm{}:{} ", *rc::gen::inRange(70, 121), *rc::gen::inRange(0, 40) * 8);
      bytes += region(text);
      bytes += std::string(static_cast<std::size_t>(*rc::gen::inRange(0, 4)) * 8,
                           *rc::gen::element('\0', 'o'));
    }
    const SectionCode code = section_code(bytes);
    std::set<std::size_t> fixed;
    std::vector<std::vector<bool>> kept;
    for (std::size_t j = 0; j < code.regions.size(); ++j) {
      if (*rc::gen::inRange(0, 4) == 0) fixed.insert(j);
      std::vector<bool> flags;
      for (std::size_t k = 0; k < code.regions[j].entries.size(); ++k)
        flags.push_back(fixed.contains(j) || *rc::gen::arbitrary<bool>());
      kept.push_back(flags);
    }
    const auto edit = compact(code, standings_of(code, fixed), {}, kept);
    std::uint64_t end = kAddress;
    for (const elf::Piece& piece : edit.pieces) {
      RC_ASSERT(piece.new_address >= end);
      end = piece.new_address + piece.new_size;
      RC_ASSERT(piece.new_address <= piece.old_address);
      RC_ASSERT(piece.new_size <= piece.old_size);
      RC_ASSERT(piece.new_address % 8 == piece.old_address % 8);
    }
    RC_ASSERT(end <= kAddress + code.size);
    const std::string out = rendered(bytes, edit);
    for (std::size_t j = 0; j < code.regions.size(); ++j) {
      const auto piece =
          std::ranges::find(edit.pieces, code.regions[j].address, &elf::Piece::old_address);
      RC_ASSERT(piece != edit.pieces.end());
      if (fixed.contains(j)) RC_ASSERT(piece->new_address == piece->old_address);
      auto parsed = parse_region(as_bytes(out), piece->new_address - kAddress);
      RC_ASSERT(parsed.has_value());
      std::size_t next = 0;
      for (std::size_t k = 0; k < kept[j].size(); ++k) {
        if (!kept[j][k]) continue;
        const Entry& before = code.regions[j].entries[k];
        const Entry& after = parsed->entries.at(next++);
        RC_ASSERT(bytes.substr(code.regions[j].offset - kOffset + before.offset, before.size()) ==
                  out.substr(parsed->offset + after.offset, after.size()));
      }
      RC_ASSERT(next == parsed->entries.size());
    }
  });
}

}  // namespace
}  // namespace flense::device

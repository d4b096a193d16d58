#include "device/fatbin.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <rapidcheck.h>

#include "device/scan.h"
#include "support/fatbin_builder.h"

namespace flense::device {
namespace {

using flense::testing::entry_bytes;
using flense::testing::EntrySpec;
using flense::testing::put;
using flense::testing::region;
using flense::testing::region_of;
using ::testing::HasSubstr;

std::string entry_text(const Entry& entry) {
  return fmt::format("{} {}", to_string(entry.kind), to_string(entry.arch));
}

std::string failure(const std::string& bytes, std::uint64_t offset = 0) {
  auto parsed = parse_region(as_bytes(bytes), offset);
  return parsed ? "parsed" : parsed.error().message;
}

SectionCode scan(const std::string& bytes, std::uint64_t address = 0x1000,
                 std::uint64_t offset = 0) {
  SectionCode code;
  code.address = address;
  code.offset = offset;
  code.size = bytes.size();
  ScanBudget budget;
  EXPECT_TRUE(scan_section(as_bytes(bytes), code, budget));
  return code;
}

/// Regions and gaps cover the section once, in order.
void expect_accounted(const SectionCode& code) {
  std::vector<std::pair<std::uint64_t, std::uint64_t>> parts;
  for (const Region& r : code.regions) {
    parts.emplace_back(r.offset, r.size);
    std::uint64_t end = kRegionHeaderSize;
    for (const Entry& entry : r.entries) {
      EXPECT_EQ(entry.offset, end);
      end += entry.size();
    }
    EXPECT_EQ(end, r.size);
  }
  for (const Gap& gap : code.gaps) parts.emplace_back(gap.offset, gap.size);
  std::ranges::sort(parts);
  std::uint64_t at = code.offset;
  for (const auto& [offset, size] : parts) {
    EXPECT_EQ(offset, at);
    at = offset + size;
  }
  EXPECT_EQ(at, code.offset + code.size);
}

TEST(ParseRegion, ReadsEveryField) {
  const std::string bytes = region("ptx75:96 sm90:200 sm90a:64 sm100f:8 lto75:16 kind16/80:24");
  auto parsed = parse_region(as_bytes(bytes), 0);
  ASSERT_TRUE(parsed) << parsed.error().message;
  EXPECT_EQ(parsed->size, bytes.size());
  std::vector<std::string> texts;
  for (const Entry& entry : parsed->entries) texts.push_back(entry_text(entry));
  EXPECT_THAT(texts, ::testing::ElementsAre("ptx sm_75", "cubin sm_90", "cubin sm_90a",
                                            "cubin sm_100f", "ltoir sm_75", "unknown sm_80"));
  EXPECT_EQ(parsed->entries[0].offset, 16U);
  EXPECT_EQ(parsed->entries[0].size(), 160U);
  EXPECT_EQ(parsed->entries[0].version_major, 8);
  EXPECT_EQ(parsed->entries[0].version_minor, 1);
}

TEST(ParseRegion, AnEmptyRegionIsOne) {
  auto parsed = parse_region(as_bytes(region("")), 0);
  ASSERT_TRUE(parsed);
  EXPECT_EQ(parsed->size, 16U);
  EXPECT_TRUE(parsed->entries.empty());
}

TEST(ParseRegion, LongHeadersBelongToTheEntry) {
  const std::string bytes = region_of(entry_bytes({.header_size = 112, .payload_size = 40}));
  auto parsed = parse_region(as_bytes(bytes), 0);
  ASSERT_TRUE(parsed);
  EXPECT_EQ(parsed->entries[0].size(), 152U);
}

TEST(ParseRegion, BothVariantFlagsAreUnknown) {
  const std::string bytes = region_of(entry_bytes({.flags = 0x300011}));
  auto parsed = parse_region(as_bytes(bytes), 0);
  ASSERT_TRUE(parsed);
  EXPECT_EQ(parsed->entries[0].kind, EntryKind::kUnknown);
}

TEST(ParseRegion, AbsurdArchitecturesAreUnknown) {
  for (std::uint32_t number : {0U, 9U, 1000U, 0xffffffffU}) {
    auto parsed = parse_region(as_bytes(region_of(entry_bytes({.architecture = number}))), 0);
    ASSERT_TRUE(parsed);
    EXPECT_EQ(parsed->entries[0].kind, EntryKind::kUnknown) << number;
  }
}

TEST(ParseRegion, NamesWhatIsWrongAndWhere) {
  EXPECT_THAT(failure(""), HasSubstr("region header"));
  EXPECT_THAT(failure(std::string(16, '\0')), HasSubstr("wrong magic"));
  EXPECT_THAT(failure(region("sm90:64"), 1U << 20), HasSubstr("region header"));

  std::string version = region("sm90:64");
  put(version, 4, std::uint16_t{2});
  EXPECT_THAT(failure(version), HasSubstr("unknown version"));
  std::string header = region("sm90:64");
  put(header, 6, std::uint16_t{24});
  EXPECT_THAT(failure(header), HasSubstr("unknown version"));

  for (std::uint64_t size : {std::uint64_t{129}, std::uint64_t{1} << 40, ~std::uint64_t{0}}) {
    std::string past_file = region("sm90:64");
    put(past_file, 8, size);
    EXPECT_NE(failure(past_file), "parsed") << size;
  }
  std::string cut_entry = region("sm90:64");
  put(cut_entry, 8, std::uint64_t{127});
  EXPECT_THAT(failure(cut_entry), HasSubstr("past its region"));
  EXPECT_THAT(failure(region_of(std::string(63, '\0'))), HasSubstr("cut short"));

  EXPECT_THAT(failure(region_of(entry_bytes({.header_size = 63}))), HasSubstr("header of 63"));
  EXPECT_THAT(failure(region_of(entry_bytes({.header_size = 0}))), HasSubstr("header of 0"));
  EXPECT_THAT(failure(region_of(entry_bytes({.version = 0x0102}))), HasSubstr("unknown version"));
  std::string wide = region("sm90:64");
  put(wide, 16 + 4, std::uint32_t{0xfffffff8});
  EXPECT_NE(failure(wide), "parsed");
  for (std::uint64_t size :
       {std::uint64_t{65}, std::uint64_t{1} << 63, ~std::uint64_t{0}, ~std::uint64_t{0} - 63}) {
    std::string past_region = region("sm90:64");
    put(past_region, 16 + 8, size);
    EXPECT_THAT(failure(past_region), HasSubstr("past its region")) << size;
  }
}

TEST(ParseRegion, EntriesMustFillTheRegion) {
  std::string short_entry = region("sm90:64");
  put(short_entry, 16 + 8, std::uint64_t{56});
  EXPECT_THAT(failure(short_entry), HasSubstr("cut short"));
}

TEST(ParseRegion, NeverReadsOutOfBounds) {
  const std::string valid = region("ptx75:96 sm90:200 lto75:16");
  rc::check([&] {
    std::string bytes = valid;
    const auto flips = *rc::gen::inRange(1, 6);
    for (int i = 0; i < flips; ++i) {
      const auto at = *rc::gen::inRange<std::size_t>(0, bytes.size());
      bytes[at] = static_cast<char>(*rc::gen::inRange(0, 256));
    }
    bytes.resize(*rc::gen::inRange<std::size_t>(0, bytes.size() + 1));
    auto parsed = parse_region(as_bytes(bytes), 0);
    if (!parsed) return;
    RC_ASSERT(parsed->size <= bytes.size());
    std::uint64_t end = kRegionHeaderSize;
    for (const Entry& entry : parsed->entries) {
      RC_ASSERT(entry.offset == end);
      end += entry.size();
    }
    RC_ASSERT(end == parsed->size);
  });
}

TEST(RegionHeader, RoundTrips) {
  const auto header = region_header(0);
  auto parsed = parse_region(header, 0);
  ASSERT_TRUE(parsed);
  EXPECT_EQ(parsed->size, kRegionHeaderSize);
}

TEST(Scan, FindsHeadersAtEveryPosition) {
  // Longer than the blocks compared at once, so that hits fall both in blocks and in the tail.
  for (std::size_t size : {16U, 72U, 160U, 168U}) {
    for (std::size_t at = 0; at + 8 <= size; at += 8) {
      std::string bytes(size, '\x50');
      bytes.replace(at, 8, region("").substr(0, 8));
      EXPECT_EQ(find_region_header(as_bytes(bytes), 0), at);
      EXPECT_EQ(find_region_header(as_bytes(bytes), at), at);
      EXPECT_EQ(find_region_header(as_bytes(bytes), at + 8), bytes.size());
    }
  }
  EXPECT_EQ(find_region_header(Bytes{}, 0), 0U);
  EXPECT_EQ(find_region_header(as_bytes("short"), 8), 5U);
}

TEST(Scan, AttributesEveryByte) {
  const std::string bytes = region("sm80:64") + region("ptx80:24 sm90:8") + std::string(8, '\0') +
                            region("") + std::string(24, 'o') + region("lto75:8") +
                            std::string(5, '\0');
  const SectionCode code = scan(bytes, 0x2000, 0x400);
  expect_accounted(code);
  ASSERT_EQ(code.regions.size(), 4U);
  EXPECT_EQ(code.regions[1].offset, 0x400U + 144);
  EXPECT_EQ(code.regions[1].address, 0x2000U + 144);
  ASSERT_EQ(code.gaps.size(), 3U);
  EXPECT_TRUE(code.gaps[0].zero);
  EXPECT_FALSE(code.gaps[1].zero);
  EXPECT_EQ(code.gaps[1].size, 24U);
  EXPECT_TRUE(code.gaps[2].zero);
}

TEST(Scan, AlignmentIsOfTheAddress) {
  const std::string bytes = std::string(4, '\0') + region("sm80:64");
  EXPECT_EQ(scan(bytes, 0x1004).regions.size(), 1U);
  EXPECT_EQ(scan(bytes, 0x1000).regions.size(), 0U);
}

TEST(Scan, MagicByChanceIsNoRegion) {
  std::string broken = region("sm90:64");
  put(broken, 16 + 4, std::uint32_t{8});
  const std::string bytes = broken + region("sm80:8") + region("").substr(0, 12);
  const SectionCode code = scan(bytes);
  expect_accounted(code);
  ASSERT_EQ(code.regions.size(), 1U);
  EXPECT_EQ(code.regions[0].entries[0].arch.number, 80U);
}

TEST(Scan, MagicInsideAnEntryIsNotLookedAt) {
  const std::string inner = region("sm75:8");
  const std::string outer = region_of(entry_bytes({.payload_size = 0}).replace(8, 8, [&] {
    std::string size(8, '\0');
    put(size, 0, std::uint64_t{inner.size()});
    return size;
  }()) + inner);
  const SectionCode code = scan(outer);
  ASSERT_EQ(code.regions.size(), 1U);
  EXPECT_EQ(code.regions[0].size, outer.size());
}

TEST(Scan, RefusesFilesMadeToExhaustIt) {
  std::string bytes;
  for (int i = 0; i < 40; ++i) bytes += region("");
  SectionCode code;
  code.size = bytes.size();
  ScanBudget regions{.regions = 39};
  EXPECT_FALSE(scan_section(as_bytes(bytes), code, regions));
  ScanBudget entries{.entries = 1};
  SectionCode two;
  EXPECT_FALSE(scan_section(as_bytes(region("sm80:8 sm90:8")), two, entries));
  ScanBudget false_hits{.false_hits = 1};
  std::string broken = region("sm90:64");
  put(broken, 16 + 4, std::uint32_t{8});
  SectionCode three;
  EXPECT_FALSE(scan_section(as_bytes(broken + broken), three, false_hits));
  ScanBudget overlapping;
  overlapping.bytes = 2 * bytes.size() - 1;
  SectionCode four, five;
  EXPECT_TRUE(scan_section(as_bytes(bytes), four, overlapping));
  EXPECT_FALSE(scan_section(as_bytes(bytes), five, overlapping));
}

TEST(Standalone, AFatbinFileIsOneSection) {
  const std::string bytes = region("ptx75:96 sm90:200");
  auto code = find_standalone_fatbin(as_bytes(bytes));
  ASSERT_TRUE(code);
  ASSERT_EQ(code->sections.size(), 1U);
  EXPECT_EQ(code->sections[0].size, bytes.size());
  EXPECT_EQ(code->sections[0].regions[0].entries.size(), 2U);
  EXPECT_FALSE(find_standalone_fatbin(as_bytes("#!/bin/sh\n echo hello hello")));
  EXPECT_FALSE(find_standalone_fatbin(as_bytes(region(""))));
}

/// The start of a cubin as ptxas writes it.
std::string cubin_start(std::uint8_t abi, std::uint32_t e_version, std::string_view rest) {
  std::string out =
      "\x7f"
      "ELF"
      "\x02\x01\x01\x33";
  out.resize(64, '\0');
  out[8] = static_cast<char>(abi);
  put(out, 20, e_version);
  return out.append(rest);
}

TEST(Cubin, TellsTheToolkitOfItsCompiler) {
  const auto toolkit = [](const std::string& bytes) { return cubin_toolkit(as_bytes(bytes)); };
  EXPECT_EQ(toolkit(cubin_start(7, 118, "")), "11.8");
  EXPECT_EQ(toolkit(cubin_start(7, 124, "")), "12.4");
  EXPECT_EQ(toolkit(cubin_start(8, 1, "Cuda compilation tools, release 13.0, V13.0.88")), "13.0");
  EXPECT_EQ(toolkit(cubin_start(8, 1, "Cuda compilation tools, release 12.")), "");
  EXPECT_EQ(toolkit(cubin_start(8, 1, "Cuda compilation tools, release ")), "");
  for (const std::uint32_t other : {0U, 1U, 0xffffffffU})
    EXPECT_EQ(toolkit(cubin_start(7, other, "")), "") << other;
  EXPECT_EQ(toolkit(cubin_start(7, 124, "").substr(0, 63)), "");
  EXPECT_EQ(toolkit(std::string(64, '\0')), "");
}

}  // namespace
}  // namespace flense::device

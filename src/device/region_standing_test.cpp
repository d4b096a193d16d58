#include "device/region_standing.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "device/scan.h"
#include "support/fatbin_builder.h"

namespace flense::device {
namespace {

using elf::ReferenceKind;
using flense::testing::region;

constexpr std::uint64_t kWrappers = 0x90000;

/// Three regions of 144 bytes at 0x1000; the third follows a gap of 16 zero bytes.
class StandingTest : public ::testing::Test {
 protected:
  StandingTest() { code_.sections.push_back(section(".nv_fatbin", 0x1000)); }

  static SectionCode section(const std::string& name, std::uint64_t address) {
    const std::string bytes =
        region("sm80:64") + region("sm90:64") + std::string(16, '\0') + region("sm90:64");
    SectionCode code;
    code.section = name;
    code.address = code.offset = address;
    code.size = bytes.size();
    ScanBudget budget;
    EXPECT_TRUE(scan_section(as_bytes(bytes), code, budget));
    return code;
  }

  void wrap(std::uint64_t region_address, std::uint32_t version = 1, std::uint64_t extra = 0) {
    const std::uint64_t address = kWrappers + 24 * code_.wrappers.size();
    code_.wrappers.push_back({address, version, region_address, extra});
    references_.push_back({ReferenceKind::kRela, address + 8, region_address});
  }
  void wrap_all() {
    for (const Region& r : code_.sections[0].regions) wrap(r.address);
  }
  void refer(ReferenceKind kind, std::uint64_t target, std::uint64_t where = 0x500) {
    references_.push_back({kind, where, target});
  }
  std::string standings(std::size_t index = 0) {
    std::string out;
    const Classified classified = classify(code_, {references_, ends_});
    for (const RegionStanding& s : classified.standings[index])
      out += s.standing == Standing::kRegistered     ? 'R'
             : s.standing == Standing::kUnregistered ? (s.movable ? 'U' : 'u')
                                                     : 'P';
    return out;
  }
  std::uint64_t start(std::size_t index) { return code_.sections[0].regions[index].address; }
  std::uint64_t end() { return code_.sections[0].address + code_.sections[0].size; }

  FileCode code_;
  std::vector<elf::Reference> references_;
  std::set<std::uint64_t> ends_;
};

TEST_F(StandingTest, WrappedRegionsAreRegistered) {
  wrap_all();
  EXPECT_EQ(standings(), "RRR");
}

TEST_F(StandingTest, WhatNothingReferencesIsPinned) {
  wrap(start(1));
  EXPECT_EQ(standings(), "PRP");
}

TEST_F(StandingTest, ALabelAloneIsNoKnownReader) {
  wrap(start(1));
  refer(ReferenceKind::kSymbol, start(0));
  refer(ReferenceKind::kSymbol, start(1));
  EXPECT_EQ(standings(), "PRP");
}

TEST_F(StandingTest, OtherPointersMoveButDoNotRegister) {
  wrap(start(1));
  refer(ReferenceKind::kRela, start(0));
  refer(ReferenceKind::kRelr, start(2), 0x600);
  EXPECT_EQ(standings(), "URU");
}

TEST_F(StandingTest, CodeAndForeignRelocationsPin) {
  wrap_all();
  refer(ReferenceKind::kCode, start(0));
  refer(ReferenceKind::kOther, start(2));
  EXPECT_EQ(standings(), "PRP");
}

TEST_F(StandingTest, AnyReferenceToTheInsidePins) {
  for (ReferenceKind kind : {ReferenceKind::kRela, ReferenceKind::kRelr, ReferenceKind::kWord,
                             ReferenceKind::kSymbol, ReferenceKind::kOther}) {
    references_.clear();
    code_.wrappers.clear();
    wrap_all();
    refer(kind, start(1) + 8);
    EXPECT_EQ(standings(), "RPR");
  }
}

TEST_F(StandingTest, EndsPin) {
  wrap_all();
  refer(ReferenceKind::kRela, end());
  EXPECT_EQ(standings(), "RRR") << "the next section begins there";
  ends_ = {end()};
  EXPECT_EQ(standings(), "RRP") << "end of the section";
  refer(ReferenceKind::kSymbol, start(1) + 144);
  EXPECT_EQ(standings(), "RPP") << "end of a region before a gap";
}

TEST_F(StandingTest, TheEndOfOneRegionMayBeTheStartOfTheNext) {
  wrap_all();
  ASSERT_EQ(start(0) + code_.sections[0].regions[0].size, start(1));
  refer(ReferenceKind::kSymbol, start(1));
  EXPECT_EQ(standings(), "RRR");
}

TEST_F(StandingTest, PointedAtGapsStay) {
  wrap_all();
  refer(ReferenceKind::kRela, start(1) + 144 + 8);
  const Classified classified = classify(code_, {references_, ends_});
  EXPECT_THAT(classified.pinned_gaps[0], ::testing::ElementsAre(0));
}

TEST_F(StandingTest, AWrapperWhosePointerIsNotRewritablePins) {
  wrap_all();
  std::erase_if(references_, [&](const elf::Reference& r) { return r.target == start(1); });
  refer(ReferenceKind::kRela, start(1));
  EXPECT_EQ(standings(), "RPR");
}

TEST_F(StandingTest, OtherSectionsAreUnregisteredAndFixed) {
  code_.sections.push_back(section(".cask_resource", 0x20000));
  code_.sections.push_back(section(".rodata", 0x30000));
  refer(ReferenceKind::kRela, 0x20000);
  wrap(0x30000);
  EXPECT_EQ(standings(1), "uuu");
  EXPECT_EQ(standings(2), "uuu");
}

TEST_F(StandingTest, Version2WrappersFormAGroup) {
  code_.sections.push_back(section("__nv_relfatbin", 0x20000));
  wrap(start(0), 2, 0x80000);
  wrap(start(1));
  wrap(0x20000);
  const Classified classified = classify(code_, {references_, ends_});
  EXPECT_TRUE(classified.standings[0][0].linked);
  EXPECT_FALSE(classified.standings[0][1].in_group());
  EXPECT_TRUE(classified.standings[1][0].relocatable);
  EXPECT_EQ(standings(1), "RPP");
}

TEST_F(StandingTest, APrelinkedArrayRegistersWhatItLists) {
  wrap(start(0), 2, 0x80000);
  refer(ReferenceKind::kRela, start(1), 0x80000);
  refer(ReferenceKind::kRela, start(2), 0x80010);
  const Classified classified = classify(code_, {references_, ends_});
  EXPECT_EQ(standings(), "RRU") << "the array ends at the first word that is no pointer";
  EXPECT_TRUE(classified.standings[0][1].relocatable);
  EXPECT_FALSE(classified.standings[0][2].relocatable);
}

}  // namespace
}  // namespace flense::device

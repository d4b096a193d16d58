// Checks an edited file against the plan it came from: every kept entry byte for byte, found by the
// loader's own path (wrapper -> region -> entry), and nothing else in its region.
#pragma once

#include <gtest/gtest.h>

#include <map>
#include <string>
#include <vector>

#include "device/fatbin.h"
#include "device/prune.h"
#include "elf/file.h"

namespace flense::testing {

/// Old region address -> new one, for the regions that the plan's pieces name.
inline std::map<std::uint64_t, std::uint64_t> moved_addresses(const device::PrunePlan& plan) {
  std::map<std::uint64_t, std::uint64_t> moved;
  for (const elf::SectionEdit& section : plan.edit.sections)
    for (const elf::Piece& piece : section.pieces) moved[piece.old_address] = piece.new_address;
  return moved;
}

inline void expect_pruned_as_planned(const elf::File& before, const device::FileCode& code,
                                     const device::PrunePlan& plan, const elf::File& after) {
  const auto moved = moved_addresses(plan);
  const auto now_at = [&](std::uint64_t address) {
    const auto found = moved.find(address);
    return found == moved.end() ? address : found->second;
  };

  std::size_t next = 0;
  for (std::size_t i = 0; i < code.sections.size(); ++i) {
    for (std::size_t j = 0; j < code.sections[i].regions.size(); ++j) {
      const device::Region& region = code.sections[i].regions[j];
      std::vector<const device::Entry*> kept;
      for (const device::Entry& entry : region.entries) {
        ASSERT_LT(next, plan.decisions.size());
        if (!device::is_drop(plan.decisions[next++].reason)) kept.push_back(&entry);
      }
      ASSERT_NE(region.address, 0U);
      const auto offset = after.offset_of(now_at(region.address));
      ASSERT_TRUE(offset) << "region at " << region.address << " is not in the output";
      const auto found = device::parse_region(after.bytes(), *offset);
      ASSERT_TRUE(found) << found.error().message;
      ASSERT_EQ(found->entries.size(), kept.size()) << "region at " << region.address;
      for (std::size_t k = 0; k < kept.size(); ++k) {
        const device::Entry& entry = found->entries[k];
        ASSERT_EQ(entry.size(), kept[k]->size());
        ASSERT_TRUE(std::ranges::equal(
            before.bytes().subspan(region.offset + kept[k]->offset, entry.size()),
            after.bytes().subspan(*offset + entry.offset, entry.size())))
            << "entry " << k << " of the region at " << region.address;
      }
    }
  }
  EXPECT_EQ(next, plan.decisions.size());

  const auto output = device::find_device_code(after);
  ASSERT_TRUE(output) << output.error().message;
  ASSERT_EQ(output->wrappers.size(), code.wrappers.size());
  for (std::size_t w = 0; w < code.wrappers.size(); ++w) {
    EXPECT_EQ(output->wrappers[w].address, code.wrappers[w].address);
    EXPECT_EQ(output->wrappers[w].version, code.wrappers[w].version);
    EXPECT_EQ(output->wrappers[w].data, now_at(code.wrappers[w].data));
    EXPECT_EQ(output->wrappers[w].extra, now_at(code.wrappers[w].extra));
  }
}

}  // namespace flense::testing

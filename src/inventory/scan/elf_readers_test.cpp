#include "inventory/scan/elf_readers.h"

#include <gtest/gtest.h>

#include "inventory/scan/testing_files.h"

namespace flense::inventory {
namespace {

/// More files than the readers let wait.
std::vector<std::string> many_files() {
  std::vector<std::string> out;
  for (int i = 0; i < 600; ++i)
    out.push_back(i % 7 == 3 ? std::string("\x7f"
                                           "ELF, it says")
                             : testing::elf_file({.soname = fmt::format("lib{}.so", i),
                                                  .needed = {"libc.so.6"}}));
  return out;
}

TEST(ElfReaders, TellEachFileByItsMember) {
  const std::vector<std::string> files = many_files();
  ElfReaders readers(2, nullptr);
  for (std::uint32_t i = 0; i < files.size(); ++i)
    readers.add(i, as_bytes(files[i]), fmt::format("lib/{}", i));
  const auto facts = readers.finish();
  for (std::uint32_t i = 0; i < files.size(); ++i) {
    ASSERT_EQ(facts.contains(i), i % 7 != 3) << i;
    if (facts.contains(i)) EXPECT_EQ(facts.at(i).soname, fmt::format("lib{}.so", i));
  }
}

TEST(ElfReaders, CanBeGivenUpAndNeedNoFiles) {
  const std::vector<std::string> files = many_files();
  {
    ElfReaders readers(2, nullptr);
    for (std::uint32_t i = 0; i < files.size(); ++i)
      readers.add(i, as_bytes(files[i]), fmt::format("lib/{}", i));
  }
  ElfReaders none(2, nullptr);
  EXPECT_TRUE(none.finish().empty());
  ElfReaders alone(0, nullptr);
  alone.add(7, as_bytes(files[0]), "lib/a");
  EXPECT_TRUE(alone.finish().contains(7));
}

}  // namespace
}  // namespace flense::inventory

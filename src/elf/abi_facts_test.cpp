// Against File, which reads the same tables with different code, on libraries of this machine.
#include "elf/abi_facts.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <elf.h>

#include <filesystem>

#include "base/file.h"
#include "elf/file.h"

namespace flense::elf {
namespace {

using ::testing::Contains;

std::vector<std::string> libraries() {
  std::vector<std::string> out;
  for (const char* path : {"/lib/x86_64-linux-gnu/libc.so.6", "/lib/x86_64-linux-gnu/libm.so.6",
                           "/usr/lib/x86_64-linux-gnu/libstdc++.so.6",
                           "/lib/aarch64-linux-gnu/libc.so.6", "/lib64/libc.so.6"})
    if (std::filesystem::exists(path)) out.emplace_back(path);
  return out;
}

TEST(AbiFacts, AgreeWithTheOtherReader) {
  ASSERT_FALSE(libraries().empty());
  for (const std::string& path : libraries()) {
    const auto mapped = MappedFile::open(path);
    ASSERT_TRUE(mapped);
    const auto facts = read_abi_facts(mapped->bytes(), path);
    const auto file = File::parse(mapped->bytes(), path);
    ASSERT_TRUE(facts && file) << path;
    EXPECT_EQ(facts->soname, file->soname());
    EXPECT_EQ(facts->needed, file->needed());
    EXPECT_EQ(facts->machine, file->machine());
    EXPECT_EQ(facts->type, ET_DYN);
    EXPECT_TRUE(facts->wide);
    std::vector<VersionNeed> needs;
    for (const auto& [library, version] : file->version_needs())
      needs.push_back({library, version});
    EXPECT_EQ(facts->needs, needs) << path;
  }
}

TEST(AbiFacts, VersionsThatTheCLibraryDefines) {
  const std::string path = libraries().front();
  const auto mapped = MappedFile::open(path);
  ASSERT_TRUE(mapped);
  const auto facts = read_abi_facts(mapped->bytes(), path);
  ASSERT_TRUE(facts);
  EXPECT_THAT(facts->defines, Contains("GLIBC_2.17"));
  EXPECT_THAT(facts->defines, Contains("GLIBC_PRIVATE"));
  EXPECT_THAT(facts->defines, ::testing::Not(Contains("libc.so.6"))) << "the file's own name";
}

TEST(AbiFacts, DamagedFilesEndWhereTheirBytesDo) {
  EXPECT_FALSE(read_abi_facts(as_bytes(""), "empty"));
  EXPECT_FALSE(read_abi_facts(as_bytes("\x7f"
                                       "ELF"),
                              "short"));
  const auto mapped = MappedFile::open(libraries().front());
  ASSERT_TRUE(mapped);
  const std::string whole(as_text(mapped->bytes()));
  std::string big_endian = whole;
  big_endian[EI_DATA] = ELFDATA2MSB;
  EXPECT_FALSE(read_abi_facts(as_bytes(big_endian), "big-endian"));
  std::string third = whole;
  third[EI_CLASS] = 3;
  EXPECT_FALSE(read_abi_facts(as_bytes(third), "class 3"));
  for (std::size_t size = 0; size < whole.size(); size += 997) {
    const std::string part = whole.substr(0, size);
    if (const auto facts = read_abi_facts(as_bytes(part), "part")) {
      EXPECT_LE(facts->defines.size(), 4096U);
    }
  }
}

}  // namespace
}  // namespace flense::elf

#include "elf/file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "elf/testing_library.h"

namespace flense::elf {
namespace {

using testing::Builder;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::make_library;
using testing::pack;
using ::testing::Pair;

std::string message_of(const std::string& bytes) {
  const auto file = File::parse(as_bytes(bytes), "broken.so");
  return file ? "parsed" : render(file.error());
}

TEST(ElfFile, ReadsSectionsSegmentsAndTheDynamicTable) {
  const std::string bytes = make_library().builder.build();
  const auto file = File::parse(as_bytes(bytes), "libtest.so");
  ASSERT_TRUE(file) << render(file.error());
  EXPECT_EQ(file->type(), ET_DYN);
  EXPECT_EQ(file->machine(), EM_X86_64);
  ASSERT_EQ(file->segments().size(), 4U);
  const Section* fatbin = file->find_section(".nv_fatbin");
  ASSERT_NE(fatbin, nullptr);
  EXPECT_EQ(as_text(file->section_bytes(*fatbin)).substr(0, 3), "AAA");
  EXPECT_EQ(file->soname(), "libtest.so");
  EXPECT_TRUE(file->needed().empty());
  EXPECT_EQ(file->interpreter(), "");
  EXPECT_EQ(file->find_section(".none"), nullptr);
}

TEST(ElfFile, MapsAddressesToOffsetsOnlyWhereTheFileHasBytes) {
  const auto library = make_library({.type = ET_EXEC, .base = 0x400000});
  const std::string bytes = library.builder.build();
  const auto file = File::parse(as_bytes(bytes), "program");
  ASSERT_TRUE(file);
  EXPECT_EQ(file->offset_of(library.fatbin), library.fatbin - 0x400000);
  EXPECT_EQ(file->address_of(library.fatbin - 0x400000), library.fatbin);
  EXPECT_EQ(file->offset_of(0x3fffff), std::nullopt);
  const Section* bss = file->find_section(".bss");
  EXPECT_EQ(file->offset_of(bss->address), std::nullopt);
  EXPECT_TRUE(file->section_bytes(*bss).empty());
}

TEST(ElfFile, ReadsNotesInterpreterAndVersions) {
  Builder b;
  const std::string note =
      pack(4U, 4U, std::uint32_t{NT_GNU_BUILD_ID}) + std::string("GNU\0", 4) + "\x01\x02\xab\xcd";
  const std::string needs = pack(std::uint16_t{1}, std::uint16_t{2}, 1U, 16U, 0U) +
                            pack(0U, std::uint16_t{0}, std::uint16_t{2}, 11U, 16U) +
                            pack(0U, std::uint16_t{0}, std::uint16_t{3}, 23U, 0U);
  const std::string strings("\0libc.so.6\0GLIBC_2.28\0\0GLIBC_2.34\0", 35);
  const std::string tags = pack(
      std::uint64_t{DT_NEEDED}, std::uint64_t{1}, std::uint64_t{DT_STRTAB}, std::uint64_t{0x400},
      std::uint64_t{DT_STRSZ}, std::uint64_t{35}, std::uint64_t{DT_VERNEED}, std::uint64_t{0x500},
      std::uint64_t{DT_VERNEEDNUM}, std::uint64_t{1}, std::uint64_t{DT_RUNPATH}, std::uint64_t{1});
  b.add({.name = ".note",
         .type = SHT_NOTE,
         .flags = SHF_ALLOC,
         .address = 0x300,
         .bytes = note,
         .alignment = 4});
  b.add({.name = ".interp",
         .flags = SHF_ALLOC,
         .address = 0x380,
         .bytes = std::string("/lib/ld.so\0", 11)});
  b.add({.name = ".dynstr",
         .type = SHT_STRTAB,
         .flags = SHF_ALLOC,
         .address = 0x400,
         .bytes = strings});
  b.add({.name = ".gnu.version_r",
         .type = SHT_GNU_verneed,
         .flags = SHF_ALLOC,
         .address = 0x500,
         .bytes = needs});
  b.add({.name = ".dynamic",
         .type = SHT_DYNAMIC,
         .flags = SHF_ALLOC,
         .address = 0x600,
         .bytes = tags});
  b.segment(PT_LOAD, PF_R, 0, 0x1000, 0x1000);
  b.segment(PT_INTERP, PF_R, 0x380, 0x380 + 11, 1);
  b.segment(PT_NOTE, PF_R, 0x300, 0x300 + note.size(), 4);
  b.segment(PT_DYNAMIC, PF_R, 0x600, 0x600 + tags.size(), 8);
  const std::string bytes = b.build();
  const auto file = File::parse(as_bytes(bytes), "program");
  ASSERT_TRUE(file) << render(file.error());
  EXPECT_EQ(file->build_id(), "0102abcd");
  EXPECT_EQ(file->interpreter(), "/lib/ld.so");
  EXPECT_THAT(file->needed(), ElementsAre("libc.so.6"));
  EXPECT_EQ(file->runpath(), "libc.so.6");
  EXPECT_THAT(file->version_needs(),
              ElementsAre(Pair("libc.so.6", "GLIBC_2.28"), Pair("libc.so.6", "GLIBC_2.34")));
}

TEST(ElfFile, NamesTheFaultOfAHostileFile) {
  const std::string good = make_library().builder.build();
  EXPECT_THAT(message_of("MZ"), HasSubstr("magic"));
  EXPECT_THAT(message_of(good.substr(0, 40)), HasSubstr("truncated"));
  EXPECT_THAT(message_of(good.substr(0, good.size() - 10)), HasSubstr("section header table"));
  const auto with = [&good](std::size_t at, const std::string& value) {
    std::string bytes = good;
    bytes.replace(at, value.size(), value);
    return message_of(bytes);
  };
  EXPECT_THAT(with(EI_CLASS, "\1"), HasSubstr("64-bit"));
  EXPECT_THAT(with(EI_DATA, "\2"), HasSubstr("little-endian"));
  EXPECT_THAT(with(54, pack(std::uint16_t{32})), HasSubstr("e_phentsize"));
  EXPECT_THAT(with(kHeaderPhoff, pack(~std::uint64_t{0})), HasSubstr("program header table"));
  EXPECT_THAT(with(kHeaderShoff, pack(~std::uint64_t{0} - 8)), HasSubstr("section header 0"));
  EXPECT_THAT(with(kHeaderShstrndx, pack(std::uint16_t{500})), HasSubstr("e_shstrndx"));
  EXPECT_THAT(with(kFileHeaderSize + 8, pack(~std::uint64_t{0})), HasSubstr("wraps"));
  const auto table = load_le<std::uint64_t>(as_bytes(good), kHeaderShoff);
  EXPECT_THAT(with(table + 64 + 24, pack(std::uint64_t{good.size()})),
              HasSubstr("beyond the file"));
  EXPECT_THAT(with(table + 64, pack(0x7fffffffU)), HasSubstr("name offset"));
}

TEST(ElfFile, SectionNamesCannotGrowBeyondTheFile) {
  Builder b;
  std::string name(4000, 'n');
  b.add({.name = name});
  for (int i = 0; i < 1000; ++i) b.add({.name = "x"});
  std::string bytes = b.build();
  const auto table = load_le<std::uint64_t>(as_bytes(bytes), kHeaderShoff);
  for (std::uint64_t i = 1; i <= 1000; ++i) bytes.replace(table + i * 64, 4, pack(1U));
  EXPECT_THAT(message_of(bytes), HasSubstr("longer than the file"));
}

}  // namespace
}  // namespace flense::elf

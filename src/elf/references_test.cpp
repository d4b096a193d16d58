#include "elf/references.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "elf/code_scan.h"
#include "elf/testing_library.h"

namespace flense::elf {
namespace {

using ::testing::IsEmpty;
using testing::kRegions;
using testing::Library;
using testing::LibraryOptions;
using testing::make_library;
using testing::pack;

std::vector<Reference> find(const Library& library, std::vector<AddressRange> ranges) {
  const std::string bytes = library.builder.build();
  const auto file = File::parse(as_bytes(bytes), "libtest.so");
  EXPECT_TRUE(file) << render(file.error());
  auto found = find_references(*file, ranges);
  EXPECT_TRUE(found) << render(found.error());
  return found ? *found : std::vector<Reference>();
}

AddressRange all_regions(const Library& library) {
  return {library.fatbin, library.fatbin + kRegions * testing::kRegionSize};
}

std::size_t count(const std::vector<Reference>& references, ReferenceKind kind) {
  return static_cast<std::size_t>(std::ranges::count(references, kind, &Reference::kind));
}

TEST(References, RelativeRelocationsAndExportedLabels) {
  for (const std::uint16_t machine : {std::uint16_t{EM_X86_64}, std::uint16_t{EM_AARCH64}}) {
    const Library library = make_library({.machine = machine, .alignment = 0x10000});
    const auto found = find(library, {all_regions(library)});
    EXPECT_EQ(count(found, ReferenceKind::kRela), kRegions);
    EXPECT_EQ(count(found, ReferenceKind::kSymbol), 1U);
    ASSERT_EQ(found.size(), kRegions + 1);
    EXPECT_EQ(found[0].target, library.region(0));
    EXPECT_EQ(found[0].where, library.wrapper_word(0));
    EXPECT_TRUE(std::ranges::is_sorted(found, {}, &Reference::target));
  }
}

TEST(CodeScan, AnOperandAtAnyPlaceOfAnyLengthIsFound) {
  constexpr std::uint64_t kAddress = 0x1000, kTarget = 0x900000;
  for (std::size_t size = 6; size < 40; ++size)
    for (std::size_t modrm = 1; modrm + 5 <= size; ++modrm) {
      std::string code(size, '\x90');
      code[modrm - 1] = '\x8d';  // lea
      code[modrm] = '\x3d';
      const std::size_t at = modrm + 1;
      code.replace(at, 4, pack(static_cast<std::uint32_t>(kTarget - (kAddress + at + 4))));
      std::vector<std::uint64_t> hits;
      scan_x86_64(as_bytes(code), kAddress, {{kTarget, kTarget + 1}},
                  [&](std::uint64_t where, std::uint64_t target) {
                    EXPECT_EQ(target, kTarget);
                    hits.push_back(where);
                  });
      EXPECT_THAT(hits, ::testing::ElementsAre(kAddress + at)) << size << " " << modrm;
    }
}

TEST(References, PackedRelativeRelocations) {
  Library library = make_library({.relr = true});
  const auto found = find(library, {{library.region(2), library.region(2) + 1}});
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(found[0].kind, ReferenceKind::kRelr);
  EXPECT_EQ(found[0].where, library.wrapper_word(2));
}

TEST(References, RelrBitmapsCoverTheWordsAfterAnAddress) {
  Library library = make_library({.relr = true});
  // Word 0 by address; a bitmap with the bits of the wrapper words 3, 6, 9 (24-byte records).
  std::uint64_t bitmap = 1;
  for (std::uint64_t i = 1; i < kRegions; ++i) bitmap |= std::uint64_t{1} << (i * 3);
  for (std::size_t i = 1;; ++i) {
    if (library.builder.section(i).name != ".relr.dyn") continue;
    library.builder.section(i).bytes = pack(library.wrapper_word(0), bitmap);
    break;
  }
  const auto found = find(library, {all_regions(library)});
  EXPECT_EQ(count(found, ReferenceKind::kRelr), kRegions);
}

TEST(References, SymbolicRelocationsCountAsOther) {
  Library library = make_library();
  auto& relocations = library.builder.section(3).bytes;
  relocations += testing::rela(library.wrappers, 1, R_X86_64_64, 0x10);
  relocations += testing::rela(library.wrappers, 1, R_X86_64_TPOFF64, 0);
  relocations += testing::rela(library.wrappers, 0, R_X86_64_IRELATIVE, library.region(4));
  const auto found = find(library, {all_regions(library)});
  ASSERT_EQ(count(found, ReferenceKind::kOther), 2U);
  const auto other = std::ranges::find(found, ReferenceKind::kOther, &Reference::kind);
  EXPECT_EQ(other->target, library.region(1) + 0x10);
}

TEST(References, FixedPointersOfAProgram) {
  Library library = make_library({.type = ET_EXEC, .base = 0x400000, .fixed_pointers = true});
  library.builder.section(7).bytes += pack(library.region(5) + 8);
  const auto found = find(library, {all_regions(library)});
  EXPECT_EQ(count(found, ReferenceKind::kWord), kRegions);
  ASSERT_EQ(count(found, ReferenceKind::kOther), 1U);
  EXPECT_EQ(std::ranges::find(found, ReferenceKind::kOther, &Reference::kind)->target,
            library.region(5) + 8);
}

TEST(References, CodeThatTakesAnAddress) {
  Library library = make_library();
  const std::uint64_t text = library.builder.section(library.text_section).address;
  // lea rax, [rip + x]: 48 8D 05 disp32, the target relative to the instruction's end.
  const auto displacement = static_cast<std::uint32_t>(library.region(3) - (text + 5 + 7));
  std::string code(64, '\x90');
  code.replace(5, 7, "\x48\x8d\x05" + pack(displacement));
  // cmp dword [rip + x], imm32: the immediate lies between displacement and target.
  const auto compared = static_cast<std::uint32_t>(library.region(6) - (text + 20 + 10));
  code.replace(20, 10, "\x81\x3d" + pack(compared) + pack(7U));
  library.builder.section(library.text_section).bytes = code;
  const auto found = find(library, {{library.region(3), library.region(3) + 1},
                                    {library.region(6), library.region(6) + 1}});
  ASSERT_EQ(count(found, ReferenceKind::kCode), 2U);
  const auto first = std::ranges::find(found, ReferenceKind::kCode, &Reference::kind);
  EXPECT_EQ(first->target, library.region(3));
  EXPECT_EQ(first->where, text + 5 + 3);
  EXPECT_EQ(found.back().kind, ReferenceKind::kCode);
  EXPECT_EQ(found.back().target, library.region(6));
}

TEST(References, NothingPointsElsewhere) {
  const Library library = make_library();
  EXPECT_THAT(find(library, {}), IsEmpty());
  EXPECT_THAT(find(library, {{library.region(2) + 8, library.region(3)}}), IsEmpty());
}

TEST(CodeScan, FindsEveryRipRelativeForm) {
  const std::vector<Range> ranges = {{0x100000, 0x100010}};
  struct Form {
    const char* name;
    std::string opcode;  // up to and with the ModRM byte
    std::size_t immediate;
  };
  const std::vector<Form> forms = {{"mov r8, [x]", "\x4c\x8b\x05", 0},
                                   {"cmp byte [x], 1", "\x80\x3d", 1},
                                   {"mov dword [x], i", "\xc7\x05", 4},
                                   {"movups xmm0, [x]", "\x0f\x10\x05", 0},
                                   {"palignr", "\x66\x0f\x3a\x0f\x05", 1},
                                   {"vmovups ymm", "\xc5\xfc\x10\x05", 0},
                                   {"vpermq imm8", std::string("\xc4\xe3\xfd\x00\x05", 5), 1},
                                   {"evex", std::string("\x62\xf1\x7c\x48\x10\x05"), 0},
                                   {"test word [x], i16", "\x66\xf7\x05", 2}};
  for (const Form& form : forms) {
    const std::uint64_t address = 0x4000;
    std::string code(32, '\xcc');
    const std::size_t end = 3 + form.opcode.size() + 4 + form.immediate;
    code.replace(3, form.opcode.size(), form.opcode);
    code.replace(3 + form.opcode.size(), 4,
                 pack(static_cast<std::uint32_t>(0x100008 - (address + end))));
    std::vector<std::uint64_t> targets;
    scan_x86_64(as_bytes(code), address, ranges,
                [&](std::uint64_t, std::uint64_t target) { targets.push_back(target); });
    EXPECT_FALSE(targets.empty()) << form.name;
  }
}

TEST(CodeScan, Aarch64PageAndLiteralOperands) {
  const std::vector<Range> ranges = {{0x21800, 0x21900}, {0x21a00, 0x23000}};
  const std::uint64_t address = 0x10004;
  std::vector<std::pair<std::uint64_t, std::uint64_t>> hits;
  const auto scan = [&](std::uint32_t word) {
    hits.clear();
    const std::string code = pack(word);
    scan_aarch64(as_bytes(code), address, ranges, [&](std::uint64_t where, std::uint64_t target) {
      hits.emplace_back(where, target);
    });
  };
  scan(0x90000000U | 1U << 29 | 4U << 5);  // adrp x0, +0x11 pages
  ASSERT_EQ(hits.size(), 2U);
  EXPECT_EQ(hits[0].second, 0x21800U);
  EXPECT_EQ(hits[1].second, 0x21a00U);
  scan(0x90000000U | 4U << 5);  // +0x10 pages: no range touches it
  EXPECT_TRUE(hits.empty());
  scan(0x58000000U | ((0x21a04U - 0x10004U) >> 2) << 5);  // ldr x0, literal
  ASSERT_EQ(hits.size(), 1U);
  EXPECT_EQ(hits[0].second, 0x21a04U);
  scan(0x10000000U | ((0x21804U - 0x10004U) >> 2) << 5);  // adr x0
  ASSERT_EQ(hits.size(), 1U);
  EXPECT_EQ(hits[0].second, 0x21804U);
}

}  // namespace
}  // namespace flense::elf

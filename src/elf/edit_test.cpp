#include "elf/edit.h"

#include <functional>
#include <optional>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "elf/editable.h"
#include "elf/relocations.h"
#include "elf/testing_library.h"

namespace flense::elf {
namespace {

using testing::add_debug;
using testing::compact_regions;
using ::testing::HasSubstr;
using testing::image_at;
using testing::kRegions;
using testing::kRegionSize;
using testing::Library;
using testing::LibraryOptions;
using testing::make_library;
using testing::pack;
using testing::word_at;

constexpr std::uint64_t kKept = 0x300;

struct Edited {
  std::string before, after;
  EditResult result;
  std::string error;  ///< of apply(), when it refused
  std::optional<File> old_parsed, parsed;
  const File& old_file() const { return *old_parsed; }
  const File& file() const { return *parsed; }
};

Edited edit(const std::string& bytes, const EditPlan& plan) {
  Edited edited;
  edited.before = bytes;
  const auto file = File::parse(as_bytes(edited.before), "test");
  EXPECT_TRUE(file) << render(file.error());
  edited.old_parsed = *file;
  StringSink sink;
  const auto measured = measure(*file, plan);
  const auto result = apply(*file, plan, sink);
  EXPECT_EQ(measured.has_value(), result.has_value());
  if (!result) {
    edited.error = result.error().message;
    EXPECT_EQ(sink.text(), "") << "a refused edit writes nothing";
    return edited;
  }
  edited.result = *result;
  edited.after = sink.take();
  EXPECT_EQ(result->output_size, edited.after.size());
  EXPECT_EQ(measured->output_size, edited.after.size());
  EXPECT_EQ(measured->load_segments, result->load_segments);
  auto reread = File::parse(as_bytes(edited.after), "after");
  EXPECT_TRUE(reread) << render(reread.error());
  edited.parsed = std::move(*reread);
  return edited;
}

Edited compact(const Library& library, bool drop_debug = false) {
  const std::string bytes = library.builder.build();
  const auto file = File::parse(as_bytes(bytes), "test");
  EXPECT_TRUE(file) << render(file.error());
  EditPlan plan = compact_regions(library, *file, kKept);
  plan.drop_debug = drop_debug;
  return edit(bytes, plan);
}

/// What a loader checks, and what keeps two mappings of the page size from colliding.
void expect_sound_segments(const File& file) {
  const std::uint64_t page = granule(file.machine());
  std::uint64_t end = 0;
  for (const std::size_t i : load_indices(file)) {
    const Segment& load = file.segments()[i];
    EXPECT_GE(load.address, end);
    EXPECT_LE(load.file_size, load.memory_size);
    EXPECT_EQ((load.offset - load.address) % load.alignment, 0U);
    EXPECT_EQ(load.alignment % 4096, 0U);
    EXPECT_LE(load.offset + load.file_size, file.bytes().size());
    if ((load.flags & PF_W) == 0 && load.memory_size > load.file_size) {
      EXPECT_EQ((load.address + load.file_size) % page, 0U) << "zero fill begins on a page";
    }
    end = load.address + load.memory_size;
  }
  for (const Section& section : file.sections()) {
    if ((section.flags & SHF_ALLOC) == 0 || section.type == SHT_NOBITS || section.size == 0)
      continue;
    EXPECT_EQ(file.offset_of(section.address), section.offset) << section.name;
    EXPECT_EQ(file.offset_of(section.address + section.size - 1), section.offset + section.size - 1)
        << section.name;
  }
}

/// Every byte that the loader mapped before is mapped after, with the same value, except in
/// `changed` addresses and the program header table.
void expect_same_image(const Edited& edited, const std::vector<Range>& changed) {
  const File& before = edited.old_file();
  const File& after = edited.file();
  for (const Segment& load : before.segments()) {
    if (load.type != PT_LOAD) continue;
    for (std::uint64_t address = load.address; address < load.address + load.file_size; ++address) {
      const std::uint64_t offset = load.offset + (address - load.address);
      if (offset < kFileHeaderSize + before.segments().size() * kProgramHeaderSize) continue;
      if (std::ranges::any_of(changed, [&](const Range& range) { return range.contains(address); }))
        continue;
      ASSERT_EQ(image_at(after, address, 1), image_at(before, address, 1)) << std::hex << address;
    }
  }
}

std::vector<Range> changed_by_compaction(const Library& library) {
  std::vector<Range> changed = {{library.fatbin, library.fatbin + kRegions * kRegionSize},
                                {library.wrappers, library.wrappers + kRegions * kWrapperSize},
                                {library.rela, library.rela + 9 * kRelaSize}};
  const std::string bytes = library.builder.build();
  const auto file = File::parse(as_bytes(bytes), "test");
  const Section* symbols = file->find_section(".dynsym");
  changed.push_back({symbols->address, symbols->address + symbols->size});
  return changed;
}

std::uint64_t new_region(const Library& library, std::uint64_t i) {
  return library.fatbin + i * kKept;
}

TEST(ElfEdit, AnEmptyPlanCopiesTheFile) {
  Library library = make_library();
  add_debug(library);
  const std::string bytes = library.builder.build();
  const Edited edited = edit(bytes, {});
  EXPECT_TRUE(edited.after == bytes);
  EXPECT_EQ(edited.result.load_segments, 2U);
  // With nothing to drop there is nothing to do, even where a rewrite would be refused.
  library.builder.trailer("payload");
  const Library plain = make_library();
  EXPECT_TRUE(edit(plain.builder.build(), {.sections = {}, .drop_debug = true, .drop_symtab = true})
                  .after == plain.builder.build());
}

TEST(ElfEdit, CompactionMovesRegionsAndTheirPointers) {
  const Library library = make_library();
  const Edited edited = compact(library);
  ASSERT_EQ(edited.error, "");
  const File& file = edited.file();
  expect_sound_segments(file);
  expect_same_image(edited, changed_by_compaction(library));
  for (std::uint64_t i = 0; i < kRegions; ++i) {
    const std::uint64_t place = word_at(file, library.rela + i * kRelaSize + 16);
    EXPECT_EQ(place, new_region(library, i));
    EXPECT_EQ(word_at(file, library.wrapper_word(i)), place);
    EXPECT_EQ(image_at(file, place, kKept), std::string(kKept, static_cast<char>('A' + i)));
  }
  // Symbol 1 labels region 1; symbol 2 is code and stays, both with valid section indices.
  const Section* table = file.find_section(".dynsym");
  const Symbol label = load_symbol(file.section_bytes(*table), 1);
  EXPECT_EQ(label.value, new_region(library, 1));
  EXPECT_EQ(label.size, kKept);
  EXPECT_EQ(file.sections()[label.section].name, ".nv_fatbin");
  EXPECT_EQ(file.sections()[load_symbol(file.section_bytes(*table), 2).section].name, ".text");
  EXPECT_GE(edited.before.size() - edited.after.size(), (kRegions - 1) * kRegionSize);
  EXPECT_EQ(edited.result.load_segments, 4U);
}

TEST(ElfEdit, SectionHeadersTellTheTruth) {
  const Library library = make_library();
  const Edited edited = compact(library);
  const File& file = edited.file();
  const Section* kept = file.find_section(".nv_fatbin");
  ASSERT_NE(kept, nullptr);
  EXPECT_EQ(kept->address, library.fatbin);
  EXPECT_EQ(kept->size, kRegions * kKept);
  const Section* freed = file.find_section(".nv_fatbin.freed");
  ASSERT_NE(freed, nullptr);
  EXPECT_EQ(freed->type, std::uint32_t{SHT_NOBITS});
  EXPECT_EQ(freed->size, edited.result.device_bytes_removed);
  const Section* table = file.find_section(".phdrs");
  ASSERT_NE(table, nullptr) << "tools zero what no section covers";
  EXPECT_EQ(table->offset, file.program_header_offset());
  EXPECT_EQ(table->size, file.segments().size() * kProgramHeaderSize);
  EXPECT_EQ(file.address_of(table->offset), table->address);
  const Section* dynamic = file.find_section(".dynamic");
  EXPECT_EQ(file.sections()[dynamic->link].name, ".dynstr");
  EXPECT_EQ(file.sections()[file.find_section(".rela.dyn")->link].name, ".dynsym");
}

TEST(ElfEdit, TheFreedPagesAreReadOnlyZeroes) {
  const Library library = make_library();
  const Edited edited = compact(library);
  const File& file = edited.file();
  const Section* freed = file.find_section(".nv_fatbin.freed");
  const auto hole = std::ranges::find(file.segments(), freed->address, &Segment::address);
  ASSERT_NE(hole, file.segments().end());
  EXPECT_EQ(hole->flags, std::uint32_t{PF_R});
  EXPECT_EQ(hole->file_size, 0U);
  EXPECT_EQ(hole->memory_size, freed->size);
}

TEST(ElfEdit, TheHeaderTableStaysWhereThereIsRoom) {
  const Library library = make_library({.slack = true});
  const Edited edited = compact(library);
  ASSERT_EQ(edited.error, "");
  EXPECT_EQ(edited.file().program_header_offset(), kFileHeaderSize);
  EXPECT_EQ(edited.file().segments().size(), 6U);
  EXPECT_EQ(edited.file().find_section(".phdrs"), nullptr);
  expect_sound_segments(edited.file());
}

TEST(ElfEdit, IsDeterministicAndCanBeRepeated) {
  const Library library = make_library();
  const Edited first = compact(library);
  EXPECT_TRUE(compact(library).after == first.after);
  // A second edit of the result: half of what was kept goes, the table moves again.
  const File& file = first.file();
  SectionEdit again;
  for (std::size_t i = 0; i < file.sections().size(); ++i)
    if (file.sections()[i].name == ".nv_fatbin") again.section = i;
  for (std::uint64_t i = 0; i < kRegions; ++i) {
    Piece piece{.old_address = new_region(library, i),
                .old_size = kKept,
                .new_address = library.fatbin + i * 0x80,
                .new_size = 0x80,
                .parts = {}};
    piece.parts.push_back(
        {.file_offset = *file.offset_of(new_region(library, i)), .size = 0x80, .literal = {}});
    again.pieces.push_back(piece);
  }
  EditPlan plan;
  plan.sections.push_back(again);
  const Edited second = edit(first.after, plan);
  ASSERT_EQ(second.error, "");
  expect_sound_segments(second.file());
  EXPECT_EQ(std::ranges::count(second.file().sections(), ".phdrs", &Section::name), 1);
  for (std::uint64_t i = 0; i < kRegions; ++i)
    EXPECT_EQ(image_at(second.file(), word_at(second.file(), library.wrapper_word(i)), 0x80),
              std::string(0x80, static_cast<char>('A' + i)));
  EXPECT_TRUE(edit(second.after, {}).after == second.after);
}

TEST(ElfEdit, RelrPointersChangeInPlace) {
  const Library library = make_library({.relr = true});
  const Edited edited = compact(library);
  ASSERT_EQ(edited.error, "");
  expect_same_image(edited, changed_by_compaction(library));
  for (std::uint64_t i = 0; i < kRegions; ++i)
    EXPECT_EQ(word_at(edited.file(), library.wrapper_word(i)), new_region(library, i));
}

TEST(ElfEdit, AWordThatDiffersFromItsAddendStays) {
  const Library library = make_library({.in_place = false});
  const Edited edited = compact(library);
  ASSERT_EQ(edited.error, "");
  EXPECT_EQ(word_at(edited.file(), library.wrapper_word(3)), 0U);
  EXPECT_EQ(word_at(edited.file(), library.rela + 3 * kRelaSize + 16), new_region(library, 3));
}

TEST(ElfEdit, AProgramLinkedAtAFixedAddressHasOnlyItsWrappers) {
  const Library library = make_library({.type = ET_EXEC, .base = 0x400000, .fixed_pointers = true});
  const Edited edited = compact(library);
  ASSERT_EQ(edited.error, "");
  expect_sound_segments(edited.file());
  for (std::uint64_t i = 0; i < kRegions; ++i)
    EXPECT_EQ(word_at(edited.file(), library.wrapper_word(i)), new_region(library, i));
}

TEST(ElfEdit, AKernelBefore518FindsTheHeadersOfAProgram) {
  const Library library = make_library({.type = ET_EXEC, .base = 0x400000, .fixed_pointers = true});
  const std::string bytes = library.builder.build();
  const auto file = File::parse(as_bytes(bytes), "test");
  EditPlan plan = compact_regions(library, *file, kKept);
  // Region 6 is pinned: a cut comes before it, and another gap after it.
  auto& pieces = plan.sections[0].pieces;
  pieces[6].new_address = pieces[6].old_address;
  pieces[6].new_size = kRegionSize;
  pieces[6].parts[0].size = kRegionSize;
  pieces[7].new_address = pieces[6].new_address + kRegionSize;
  const Edited edited = edit(bytes, plan);
  ASSERT_EQ(edited.error, "");
  expect_sound_segments(edited.file());
  EXPECT_GE(edited.result.device_bytes_removed, 4 * kRegionSize);
  // binfmt_elf.c: AT_PHDR = load address + e_phoff, counted from the first load segment.
  const Segment& first = edited.file().segments()[load_indices(edited.file()).front()];
  const std::uint64_t table = edited.file().program_header_offset();
  EXPECT_EQ(edited.file().address_of(table), first.address - first.offset + table);
}

TEST(ElfEdit, Aarch64KeepsPagesOf64KiB) {
  const Library library = make_library({.machine = EM_AARCH64, .alignment = 0x10000});
  const Edited edited = compact(library);
  ASSERT_EQ(edited.error, "");
  expect_sound_segments(edited.file());
  expect_same_image(edited, changed_by_compaction(library));
  const Section* freed = edited.file().find_section(".nv_fatbin.freed");
  EXPECT_EQ(edited.result.device_bytes_removed % 0x10000, 0U);
  EXPECT_GT(edited.result.device_bytes_removed, 0U);
  EXPECT_NE(freed, nullptr);
  for (const std::size_t i : load_indices(edited.file()))
    EXPECT_EQ(edited.file().segments()[i].alignment, 0x10000U);
}

TEST(ElfEdit, AlignmentIsLoweredOnlyWhereCongruenceBreaks) {
  Library library = make_library({.alignment = 0x1000});
  const std::string bytes = library.builder.build();
  std::string aligned = bytes;
  // 64 KiB alignment as far as the fixture's offsets allow: offset and address are equal.
  for (std::size_t i = 0; i < 2; ++i)
    aligned.replace(kFileHeaderSize + i * kProgramHeaderSize + 48, 8,
                    pack(std::uint64_t{0x200000}));
  const auto file = File::parse(as_bytes(aligned), "test");
  const Edited edited = edit(aligned, compact_regions(library, *file, kKept));
  ASSERT_EQ(edited.error, "");
  expect_sound_segments(edited.file());
  const auto loads = load_indices(edited.file());
  EXPECT_EQ(edited.file().segments()[loads.front()].alignment, 0x200000U);
  EXPECT_EQ(edited.file().segments()[loads.back()].alignment, 0x1000U);
}

TEST(ElfEdit, DebugSectionsAndSymbolsGoInTheSameEdit) {
  Library library = make_library();
  add_debug(library);
  const Edited kept = compact(library, true);
  ASSERT_EQ(kept.error, "");
  const File& file = kept.file();
  EXPECT_EQ(file.find_section(".debug_info"), nullptr);
  EXPECT_EQ(file.find_section(".debug_line"), nullptr);
  EXPECT_EQ(as_text(file.section_bytes(*file.find_section(".comment"))), "a compiler");
  EXPECT_EQ(kept.result.debug_bytes_removed, 5300U);
  const Section* symtab = file.find_section(".symtab");
  ASSERT_NE(symtab, nullptr);
  const Bytes symbols = file.section_bytes(*symtab);
  EXPECT_EQ(file.sections()[symtab->link].name, ".strtab");
  EXPECT_EQ(load_symbol(symbols, 1).section, SHN_UNDEF) << "it named a section that is gone";
  for (std::uint32_t i = 0; i < kRegions; ++i) {
    const Symbol label = load_symbol(symbols, i + 2);
    EXPECT_EQ(label.value, new_region(library, i));
    EXPECT_EQ(file.sections()[label.section].name, ".nv_fatbin");
  }
  EXPECT_EQ(file.sections()[load_symbol(symbols, kRegions + 2).section].name, ".after");

  const std::string bytes = library.builder.build();
  const Edited bare = edit(bytes, {.sections = {}, .drop_debug = true, .drop_symtab = true});
  ASSERT_EQ(bare.error, "");
  EXPECT_EQ(bare.file().find_section(".symtab"), nullptr);
  EXPECT_EQ(bare.file().find_section(".strtab"), nullptr);
  EXPECT_NE(bare.file().find_section(".dynsym"), nullptr);
  EXPECT_NE(bare.file().find_section(".shstrtab"), nullptr);
  expect_same_image(bare, {});
}

TEST(ElfEdit, LoadedDebugSectionsStay) {
  Library library = make_library();
  library.builder.add(
      {.name = ".debug_gdb_scripts", .flags = SHF_ALLOC, .address = 0x980, .bytes = "script"});
  const std::string bytes = library.builder.build();
  EXPECT_TRUE(edit(bytes, {.sections = {}, .drop_debug = true, .drop_symtab = false}).after ==
              bytes);
}

TEST(ElfEdit, PinnedRegionsStayWhereTheyAre) {
  const Library library = make_library();
  const std::string bytes = library.builder.build();
  const auto file = File::parse(as_bytes(bytes), "test");
  EditPlan plan = compact_regions(library, *file, kKept);
  auto& pieces = plan.sections[0].pieces;
  // Region 7 is pinned whole; the others compact before it.
  Piece& pinned = pieces[7];
  pinned.new_address = pinned.old_address;
  pinned.new_size = kRegionSize;
  pinned.parts[0].size = kRegionSize;
  const Edited edited = edit(bytes, plan);
  ASSERT_EQ(edited.error, "");
  expect_sound_segments(edited.file());
  EXPECT_EQ(image_at(edited.file(), library.region(7), kRegionSize), std::string(kRegionSize, 'H'));
  EXPECT_EQ(word_at(edited.file(), library.wrapper_word(7)), library.region(7));
  EXPECT_EQ(word_at(edited.file(), library.wrapper_word(6)), new_region(library, 6));
  EXPECT_EQ(std::ranges::count(edited.file().sections(), ".nv_fatbin", &Section::name), 2);
}

TEST(ElfEdit, LiteralPartsReplaceHeaders) {
  const Library library = make_library();
  const std::string bytes = library.builder.build();
  const auto file = File::parse(as_bytes(bytes), "test");
  EditPlan plan = compact_regions(library, *file, kKept);
  PiecePart header;
  header.literal.assign(16, std::byte{'#'});
  header.size = 16;
  plan.sections[0].pieces[2].parts[0].size = kKept - 16;
  plan.sections[0].pieces[2].parts.insert(plan.sections[0].pieces[2].parts.begin(), header);
  const Edited edited = edit(bytes, plan);
  ASSERT_EQ(edited.error, "");
  EXPECT_EQ(image_at(edited.file(), new_region(library, 2), kKept),
            std::string(16, '#') + std::string(kKept - 16, 'C'));
}

TEST(ElfEdit, ASharedLibraryHasAtMost64LoadSegments) {
  // 42 pages that stay, with 40 gaps of 64 KiB between them and a last one that is larger.
  constexpr std::uint64_t kPage = 0x1000, kGap = 0x10000, kBegin = 0x1000, kGaps = 41;
  std::vector<std::uint64_t> kept;
  for (std::uint64_t i = 0; i <= kGaps; ++i)
    kept.push_back(kBegin + i * (kPage + kGap) + (i == kGaps ? kGap : 0));
  const std::uint64_t end = kept.back() + kPage;
  testing::Builder b;
  b.add({.name = ".dynstr",
         .type = SHT_STRTAB,
         .flags = SHF_ALLOC,
         .address = 0x400,
         .bytes = std::string(1, '\0')});
  b.add({.name = ".nv_fatbin",
         .flags = SHF_ALLOC,
         .address = kBegin,
         .bytes = std::string(end - kBegin, 'c')});
  b.segment(PT_LOAD, PF_R | PF_X, 0, end, kPage);
  b.segment(PT_LOAD, PF_R | PF_W, end + kPage, end + kPage + 0x100, kPage);
  b.add({.name = ".data",
         .flags = SHF_ALLOC | SHF_WRITE,
         .address = end + kPage,
         .bytes = std::string(0x100, 'w')});
  const std::string bytes = b.build();
  const auto file = File::parse(as_bytes(bytes), "test");
  ASSERT_TRUE(file);
  const Section* section = file->find_section(".nv_fatbin");
  SectionEdit pinned;
  pinned.section = static_cast<std::size_t>(section - file->sections().data());
  for (const std::uint64_t at : kept)
    pinned.pieces.push_back({at, kPage, at, kPage, {{section->offset + (at - kBegin), kPage}}});
  const Edited edited = edit(bytes, {.sections = {pinned}});
  ASSERT_EQ(edited.error, "");
  EXPECT_LE(edited.result.load_segments, 64U);
  EXPECT_GE(edited.result.load_segments, 62U);
  EXPECT_FALSE(edited.file().offset_of(kept.back() - 2 * kPage)) << "the largest cut is left out";
  expect_sound_segments(edited.file());
}

struct Refusal {
  const char* name;
  std::function<void(Library&)> change;
  const char* reason;
};

TEST(ElfEdit, RefusesWhatItCannotRewriteWithCertainty) {
  const std::vector<Refusal> refusals = {
      {"appended data", [](Library& l) { l.builder.trailer("a payload"); },
       "no header accounts for"},
      {"pointer into a region",
       [](Library& l) {
         l.builder.section(3).bytes +=
             testing::rela(l.wrappers, 0, R_X86_64_RELATIVE, l.region(4) + 8);
       },
       "reaches into device code"},
      {"symbol plus offset",
       [](Library& l) {
         l.builder.section(3).bytes += testing::rela(l.wrappers, 1, R_X86_64_64, 8);
       },
       "by a symbol"},
      {"relocated device code",
       [](Library& l) {
         l.builder.section(3).bytes += testing::rela(l.region(4), 0, R_X86_64_RELATIVE, l.after);
       },
       "fills a word inside"},
      {"REL relocations",
       [](Library& l) {
         l.builder.add({.name = ".rel.dyn",
                        .type = SHT_REL,
                        .flags = SHF_ALLOC,
                        .address = 0x980,
                        .bytes = std::string(16, '\0')});
       },
       "REL"},
      {"link-time relocations",
       [](Library& l) {
         l.builder.add({.name = ".rela.text",
                        .type = SHT_RELA,
                        .bytes = std::string(24, '\0'),
                        .info = l.text_section});
       },
       "emit-relocs"},
      {"sections that share bytes",
       [](Library& l) {
         l.builder.add(
             {.name = ".twin", .flags = SHF_ALLOC, .address = l.fatbin + 16, .bytes = "A"});
       },
       "share bytes"},
      {"a note in the device code",
       [](Library& l) {
         l = make_library({.slack = true});
         l.builder.segment(PT_NOTE, PF_R, l.region(5), l.region(5) + 16, 4);
       },
       "covers device code"},
      {"a section outside all segments",
       [](Library& l) {
         l.builder.add({.name = ".far", .flags = SHF_ALLOC, .address = 0x60000, .bytes = "x"});
       },
       "in no load segment"},
      {"an exported label inside a region",
       [](Library& l) { l = make_library({.first_symbol_offset = 8}); }, "exported symbol"},
  };
  for (const Refusal& refusal : refusals) {
    Library library = make_library();
    refusal.change(library);
    EXPECT_THAT(compact(library).error, HasSubstr(refusal.reason)) << refusal.name;
  }
}

TEST(ElfEdit, RefusesOtherKindsOfFiles) {
  Library object = make_library({.type = ET_REL});
  EXPECT_THAT(compact(object).error, HasSubstr("neither a program nor a shared library"));
  Library other = make_library({.machine = EM_PPC64, .alignment = 0x10000});
  EXPECT_THAT(compact(other).error, HasSubstr("machine"));
}

TEST(ElfEdit, PlansThatContradictThemselvesAreOurFault) {
  const Library library = make_library();
  const std::string bytes = library.builder.build();
  const auto file = File::parse(as_bytes(bytes), "test");
  const EditPlan good = compact_regions(library, *file, kKept);
  const auto code_of = [&](const EditPlan& plan) {
    const auto result = measure(*file, plan);
    EXPECT_FALSE(result);
    return result ? Code::kUsage : result.error().code;
  };
  EditPlan plan = good;
  plan.sections[0].pieces[1].new_address = plan.sections[0].pieces[0].new_address + 8;
  EXPECT_EQ(code_of(plan), Code::kInternal);
  plan = good;
  plan.sections[0].pieces[1].new_size += 8;
  EXPECT_EQ(code_of(plan), Code::kInternal);
  plan = good;
  plan.sections[0].pieces[1].old_address = ~std::uint64_t{0} - 4;
  EXPECT_EQ(code_of(plan), Code::kInternal);
  plan = good;
  plan.sections[0].pieces[1].parts[0].file_offset = ~std::uint64_t{0} - 4;
  EXPECT_EQ(code_of(plan), Code::kInternal);
  plan = good;
  plan.sections[0].section = 1000;
  EXPECT_EQ(code_of(plan), Code::kInternal);
}

}  // namespace
}  // namespace flense::elf

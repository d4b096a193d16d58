// A shared library as NVIDIA links them: an R+E segment that begins with the headers and holds
// code and device code, and an RW segment with wrappers. For tests of references and edits.
#pragma once

#include <string>
#include <vector>

#include "elf/edit.h"
#include "elf/testing_builder.h"

namespace flense::elf::testing {

struct LibraryOptions {
  std::uint16_t type = ET_DYN;
  std::uint16_t machine = EM_X86_64;
  std::uint64_t base = 0;
  std::uint64_t alignment = 0x1000;
  bool relr = false;                      ///< pointers by DT_RELR instead of RELA
  bool in_place = true;                   ///< RELA pointers also stand in place
  bool fixed_pointers = false;            ///< no relocations at all (ET_EXEC)
  bool slack = false;                     ///< room after the program headers
  std::uint64_t first_symbol_offset = 0;  ///< shifts the exported label of region 1
};

/// Regions of device code: `kRegions` of `kRegionSize` bytes, region i filled with 'A' + i.
inline constexpr std::uint64_t kRegions = 8;
inline constexpr std::uint64_t kRegionSize = 0x8000;

struct Library {
  Builder builder;
  std::uint64_t fatbin = 0;    ///< address of .nv_fatbin
  std::uint64_t wrappers = 0;  ///< address of .nvFatBinSegment
  std::uint64_t rela = 0;      ///< address of .rela.dyn
  std::uint64_t after = 0;     ///< address of the data after the device code
  std::uint16_t fatbin_section = 0, text_section = 0, dynsym_section = 0;
  std::uint64_t region(std::uint64_t i) const { return fatbin + i * kRegionSize; }
  std::uint64_t wrapper_word(std::uint64_t i) const { return wrappers + i * kWrapperSize + 8; }
};

inline Library make_library(const LibraryOptions& options = {}) {
  Library library{.builder = Builder(options.type, options.machine, options.base)};
  Builder& b = library.builder;
  const std::uint64_t base = options.base;
  const std::uint64_t page = options.machine == EM_X86_64 ? 0x1000 : 0x10000;
  const std::uint32_t relative = options.machine == EM_X86_64 ? std::uint32_t{R_X86_64_RELATIVE}
                                                              : std::uint32_t{R_AARCH64_RELATIVE};
  library.rela = base + 0x600;
  library.fatbin = base + page + 0x428;
  library.after = library.fatbin + kRegions * kRegionSize + 8;
  const std::uint64_t text_end = library.after + 0x40;
  const std::uint64_t data = (text_end + page - 1) / page * page + page;
  library.wrappers = data + 0x40;
  const std::uint64_t dynamic = library.wrappers + 0x200;
  const std::uint64_t data_end = dynamic + 0x100;

  std::string relocations;
  std::string wrappers;
  std::string relr;
  std::string fatbin;
  for (std::uint64_t i = 0; i < kRegions; ++i) {
    fatbin += std::string(kRegionSize, static_cast<char>('A' + i));
    const bool in_place = options.in_place || options.relr || options.fixed_pointers;
    wrappers +=
        pack(kWrapperMagic, 1U, in_place ? library.region(i) : std::uint64_t{0}, std::uint64_t{0});
    relocations += rela(library.wrapper_word(i), 0, relative, library.region(i));
    relr += pack(library.wrapper_word(i));
  }
  if (options.relr || options.fixed_pointers) relocations = rela(data, 0, relative, library.after);

  library.dynsym_section =
      b.add({.name = ".dynsym",
             .type = SHT_DYNSYM,
             .flags = SHF_ALLOC,
             .address = base + 0x400,
             .bytes = symbol(0, 0, 0, 0, 0) +
                      symbol(1, STB_GLOBAL << 4 | STT_OBJECT, 5,
                             library.region(1) + options.first_symbol_offset, kRegionSize) +
                      symbol(1, STB_GLOBAL << 4 | STT_FUNC, 4, base + 0x900, 4),
             .link = 2,
             .info = 1,
             .alignment = 8,
             .entry_size = kSymbolSize});
  b.add({.name = ".dynstr",
         .type = SHT_STRTAB,
         .flags = SHF_ALLOC,
         .address = base + 0x500,
         .bytes = std::string("\0label\0libtest.so\0", 18)});
  b.add({.name = ".rela.dyn",
         .type = SHT_RELA,
         .flags = SHF_ALLOC,
         .address = library.rela,
         .bytes = relocations,
         .link = 1,
         .alignment = 8,
         .entry_size = kRelaSize});
  library.text_section = b.add({.name = ".text",
                                .flags = SHF_ALLOC | SHF_EXECINSTR,
                                .address = base + 0x900,
                                .bytes = std::string(64, '\x90'),
                                .alignment = 16});
  library.fatbin_section = b.add({.name = ".nv_fatbin",
                                  .flags = SHF_ALLOC,
                                  .address = library.fatbin,
                                  .bytes = fatbin,
                                  .alignment = 8});
  b.add({.name = ".after",
         .flags = SHF_ALLOC,
         .address = library.after,
         .bytes = std::string(0x40, 'z'),
         .alignment = 8});
  b.add({.name = ".data",
         .flags = SHF_ALLOC | SHF_WRITE,
         .address = data,
         .bytes = pack(library.after),
         .alignment = 8});
  b.add({.name = ".nvFatBinSegment",
         .flags = SHF_ALLOC | SHF_WRITE,
         .address = library.wrappers,
         .bytes = wrappers,
         .alignment = 8});
  std::string tags =
      pack(std::uint64_t{DT_SONAME}, std::uint64_t{7}, std::uint64_t{DT_STRTAB}, base + 0x500,
           std::uint64_t{DT_STRSZ}, std::uint64_t{18}, std::uint64_t{DT_SYMTAB}, base + 0x400,
           std::uint64_t{DT_RELA}, library.rela, std::uint64_t{DT_RELASZ},
           std::uint64_t{relocations.size()});
  if (options.relr) {
    b.add({.name = ".relr.dyn",
           .type = SHT_RELR,
           .flags = SHF_ALLOC,
           .address = base + 0x800,
           .bytes = relr,
           .alignment = 8,
           .entry_size = 8});
    tags += pack(std::uint64_t{DT_RELR}, base + 0x800, std::uint64_t{DT_RELRSZ},
                 std::uint64_t{relr.size()});
  }
  tags += pack(std::uint64_t{DT_NULL}, std::uint64_t{0});
  b.add({.name = ".dynamic",
         .type = SHT_DYNAMIC,
         .flags = SHF_ALLOC | SHF_WRITE,
         .address = dynamic,
         .bytes = tags,
         .link = 2,
         .alignment = 8,
         .entry_size = kDynamicSize});
  b.add({.name = ".bss",
         .type = SHT_NOBITS,
         .flags = SHF_ALLOC | SHF_WRITE,
         .address = data_end,
         .size = 0x1000,
         .alignment = 8});
  if (!options.slack)
    b.add({.name = ".filler",
           .flags = SHF_ALLOC,
           .address = base + kFileHeaderSize + 4 * kProgramHeaderSize,
           .bytes = std::string(0x400 - kFileHeaderSize - 4 * kProgramHeaderSize, 'f')});
  b.segment(PT_LOAD, PF_R | PF_X, base, text_end, options.alignment);
  b.segment(PT_LOAD, PF_R | PF_W, data, data_end, options.alignment, data_end - data + 0x1000);
  b.segment(options.fixed_pointers ? PT_NULL : PT_DYNAMIC, PF_R | PF_W, dynamic,
            dynamic + tags.size(), 8);
  b.raw_segment({.type = PT_GNU_STACK, .flags = PF_R | PF_W, .alignment = 16});
  return library;
}

/// Adds .comment, debug sections and a symbol table with a label at each region.
inline void add_debug(Library& library) {
  Builder& b = library.builder;
  b.add({.name = ".comment", .bytes = "a compiler"});
  const std::uint16_t info = b.add({.name = ".debug_info", .bytes = std::string(5000, 'd')});
  b.add({.name = ".debug_line", .bytes = std::string(300, 'l')});
  std::string symbols = symbol(0, 0, 0, 0, 0) + symbol(0, STT_SECTION, info, 0, 0);
  for (std::uint64_t i = 0; i < kRegions; ++i)
    symbols += symbol(1, STT_OBJECT, library.fatbin_section, library.region(i), kRegionSize);
  symbols += symbol(1, STT_OBJECT, static_cast<std::uint16_t>(library.fatbin_section + 1),
                    library.after, 8);
  const std::uint16_t strings =
      b.add({.name = ".strtab", .type = SHT_STRTAB, .bytes = std::string("\0label\0", 7)});
  b.add({.name = ".symtab",
         .type = SHT_SYMTAB,
         .bytes = symbols,
         .link = strings,
         .info = static_cast<std::uint32_t>(symbols.size() / kSymbolSize),
         .alignment = 8,
         .entry_size = kSymbolSize});
}

/// Keeps the first `kept` bytes of every region and moves them together.
inline EditPlan compact_regions(const Library& library, const File& file, std::uint64_t kept) {
  SectionEdit edit;
  edit.section = library.fatbin_section;
  std::uint64_t at = library.fatbin;
  for (std::uint64_t i = 0; i < kRegions; ++i) {
    Piece piece{.old_address = library.region(i),
                .old_size = kRegionSize,
                .new_address = at,
                .new_size = kept,
                .parts = {}};
    piece.parts.push_back(
        {.file_offset = *file.offset_of(library.region(i)), .size = kept, .literal = {}});
    edit.pieces.push_back(std::move(piece));
    at += kept;
  }
  EditPlan plan;
  plan.sections.push_back(std::move(edit));
  return plan;
}

}  // namespace flense::elf::testing

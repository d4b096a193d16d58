// Files as linkers write them, and an image of one layer on disk. For tests.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "elf/testing_builder.h"
#include "image/layers/testing_image.h"
#include "support/amd_builder.h"

namespace flense::inventory::testing {

using image::fixture::must;
using image::fixture::Tar;

/// What a linked file says of itself.
struct ElfText {
  std::string soname = {};
  std::vector<std::string> needed = {};
  std::string runpath = {};
  std::string interpreter = {};
  std::uint16_t machine = EM_X86_64;
  std::vector<std::string> versions = {};       ///< asked of the C and C++ libraries: "GLIBC_2.34"
  std::vector<std::string> weak_versions = {};  ///< the same, by weak references alone
  std::vector<std::string> own_versions = {};   ///< that it has symbols of
  /// Asked of other libraries: {"libgomp.so.1", "GOMP_4.0"}.
  std::vector<std::pair<std::string, std::string>> other_versions = {};
  std::string rpath = {};
  std::vector<std::string> functions = {};  ///< of .dynsym, that it has
  std::vector<std::string> calls = {};      ///< of .dynsym, that it asks for
  std::vector<std::string> weak_calls = {};
};

/// A shared library or program of these; more sections may be added.
inline elf::testing::Builder elf_builder(const ElfText& text) {
  using elf::testing::pack;
  constexpr std::uint64_t kStrings = 0x400, kDynamic = 0x1400, kInterpreter = 0x1800,
                          kAsked = 0x1a00, kOwn = 0x1c00, kSymbols = 0x1e00;
  std::string strings(1, '\0'), dynamic;
  const auto add = [&](std::uint64_t tag, const std::string& value) {
    dynamic += pack(tag, std::uint64_t{strings.size()});
    strings += value + '\0';
  };
  if (!text.soname.empty()) add(DT_SONAME, text.soname);
  for (const std::string& name : text.needed) add(DT_NEEDED, name);
  if (!text.runpath.empty()) add(DT_RUNPATH, text.runpath);
  if (!text.rpath.empty()) add(DT_RPATH, text.rpath);
  const auto string_of = [&](const std::string& value) {
    strings += value + '\0';
    return static_cast<std::uint32_t>(strings.size() - value.size() - 1);
  };
  std::string asked, own;
  const auto ask = [&](const std::string& library, const std::string& version, unsigned flags) {
    asked += pack(std::uint16_t{1}, std::uint16_t{1}, string_of(library), 16U, 32U) +
             pack(0U, static_cast<std::uint16_t>(flags), std::uint16_t{2}, string_of(version), 0U);
  };
  for (const std::string& version : text.versions) ask("libc.so.6", version, 0);
  for (const std::string& version : text.weak_versions) ask("libc.so.6", version, VER_FLG_WEAK);
  for (const auto& [library, version] : text.other_versions) ask(library, version, 0);
  for (const std::string& version : text.own_versions)
    own +=
        pack(std::uint16_t{1}, std::uint16_t{0}, std::uint16_t{2}, std::uint16_t{1}, 0U, 20U, 28U) +
        pack(string_of(version), 0U);
  std::string symbols;
  for (const auto& [names, bind, section] :
       {std::tuple(&text.functions, STB_GLOBAL, 1), std::tuple(&text.calls, STB_GLOBAL, SHN_UNDEF),
        std::tuple(&text.weak_calls, STB_WEAK, SHN_UNDEF)})
    for (const std::string& name : *names)
      symbols += elf::testing::symbol(string_of(name),
                                      static_cast<std::uint8_t>(ELF64_ST_INFO(bind, STT_FUNC)),
                                      static_cast<std::uint16_t>(section), 0, 0);
  if (!asked.empty())
    dynamic += pack(std::uint64_t{DT_VERNEED}, kAsked, std::uint64_t{DT_VERNEEDNUM},
                    std::uint64_t{asked.size() / 32});
  if (!own.empty())
    dynamic += pack(std::uint64_t{DT_VERDEF}, kOwn, std::uint64_t{DT_VERDEFNUM},
                    std::uint64_t{own.size() / 28});
  dynamic += pack(std::uint64_t{DT_STRTAB}, kStrings, std::uint64_t{DT_STRSZ},
                  std::uint64_t{strings.size()}, std::uint64_t{DT_NULL}, std::uint64_t{0});
  elf::testing::Builder builder(ET_DYN, text.machine);
  builder.add({.name = ".dynstr",
               .type = SHT_STRTAB,
               .flags = SHF_ALLOC,
               .address = kStrings,
               .bytes = strings});
  builder.add({.name = ".dynamic",
               .type = SHT_DYNAMIC,
               .flags = SHF_ALLOC | SHF_WRITE,
               .address = kDynamic,
               .bytes = dynamic,
               .link = 1,
               .alignment = 8,
               .entry_size = elf::kDynamicSize});
  if (!text.interpreter.empty())
    builder.add({.name = ".interp",
                 .flags = SHF_ALLOC,
                 .address = kInterpreter,
                 .bytes = text.interpreter + '\0'});
  if (!symbols.empty())
    builder.add({.name = ".dynsym",
                 .type = SHT_DYNSYM,
                 .flags = SHF_ALLOC,
                 .address = kSymbols,
                 .bytes = std::string(24, '\0') + symbols,
                 .link = 1,
                 .alignment = 8,
                 .entry_size = 24});
  for (const auto& [name, type, address, bytes] :
       {std::tuple(".gnu.version_r", SHT_GNU_verneed, kAsked, &asked),
        std::tuple(".gnu.version_d", SHT_GNU_verdef, kOwn, &own)})
    if (!bytes->empty())
      builder.add({.name = name,
                   .type = static_cast<std::uint32_t>(type),
                   .flags = SHF_ALLOC,
                   .address = address,
                   .bytes = *bytes});
  builder.segment(PT_LOAD, PF_R | PF_W, 0, 0x2000, 0x1000);
  builder.segment(PT_DYNAMIC, PF_R | PF_W, kDynamic, kDynamic + dynamic.size(), 8);
  if (!text.interpreter.empty())
    builder.segment(PT_INTERP, PF_R, kInterpreter, kInterpreter + text.interpreter.size() + 1, 1);
  return builder;
}
/// As FlashInfer ships them: ABI version 8; `arch` as in sm_100.
inline std::string stand_alone_cubin(std::uint8_t arch) {
  std::string out(64, '\0');
  out.replace(0, 9,
              std::string("\x7f"
                          "ELF\x02\x01\x01\x41\x08",
                          9));
  out[16] = 2;
  out[18] = static_cast<char>(190);
  out[20] = 1;
  out.replace(48, 4, std::string("\x02\x00\x00\x06", 4));
  out[49] = static_cast<char>(arch);
  out[52] = 64;
  return out;
}

inline std::string elf_file(const ElfText& text) {
  return elf_builder(text).build();
}

/// A note section as `readelf -n` shows it.
inline elf::testing::TestSection note_section(const std::string& name, const std::string& owner,
                                              std::uint32_t type, const std::string& descriptor,
                                              std::uint64_t address) {
  const auto padded = [](std::string text) {
    text.resize((text.size() + 7) / 8 * 8, '\0');
    return text;
  };
  const std::string head = elf::testing::pack(static_cast<std::uint32_t>(owner.size() + 1),
                                              static_cast<std::uint32_t>(descriptor.size()), type);
  return {.name = name,
          .type = SHT_NOTE,
          .flags = SHF_ALLOC,
          .address = address,
          .bytes = padded(head + owner + '\0') + padded(descriptor),
          .alignment = 8};
}

/// A library with something in nearly every member of its ElfFacts: device code of NVIDIA (PTX of
/// two ISA versions, of which one entry is compressed with Zstandard) and AMD, notes, names.
inline std::string rich_library() {
  using flense::testing::entry_bytes;
  constexpr std::uint64_t kZstdFlag = 0x8000;
  std::string older = entry_bytes({.kind = 1, .architecture = 80});
  std::string newer = entry_bytes({.kind = 1, .architecture = 80, .flags = 0x11 | kZstdFlag});
  // The minor and the major number of the ISA stand at 24 and 26 of the header.
  flense::testing::put(older, 24, std::uint16_t{4});
  flense::testing::put(newer, 24, std::uint16_t{10});
  const std::string regions =
      flense::testing::region_of(newer + older) +
      flense::testing::region_of(entry_bytes({.architecture = 90, .flags = 0x100011}) +
                                 entry_bytes({.architecture = 90, .flags = 0x100011 | kZstdFlag}));
  elf::testing::Builder builder = elf_builder({.soname = "librich.so.1",
                                               .needed = {"libc.so.6", "libcudart.so.12"},
                                               .runpath = "$ORIGIN/../lib",
                                               .interpreter = "/lib64/ld-linux-x86-64.so.2"});
  builder.add({.name = ".nv_fatbin",
               .flags = SHF_ALLOC,
               .address = 0x2000,
               .bytes = regions,
               .alignment = 8});
  builder.add({.name = ".hip_fatbin",
               .flags = SHF_ALLOC,
               .address = 0x4000,
               .bytes = flense::testing::amd_bundle(
                   {{"host-x86_64-unknown-linux--", ""},
                    {"hipv4-amdgcn-amd-amdhsa--gfx90a:xnack-", "code of gfx90a"},
                    {"hipv4-amdgcn-amd-amdhsa--gfx942", "code"}})});
  builder.add(note_section(
      ".note.gnu.property", "GNU", 5,
      elf::testing::pack(0xc0008002U, std::uint32_t{4}, std::uint32_t{7}, std::uint32_t{0}),
      0x5000));
  builder.add(note_section(".note.cuda.fwd_compatibility", "NVIDIA Corporation", 1,
                           R"({"CUDA version": "12.9", "driver": [535, 550], "device": [1, 2]})",
                           0x5100));
  return builder.build();
}

/// The configuration of the image's containers: "Env", "Labels", "User", "Entrypoint", …
using Container = text::Json;

class OpenedTest : public ::testing::Test {
 protected:
  std::unique_ptr<const image::Image> open(const std::string& tar, const Container& container,
                                           const std::string& instruction = "") {
    image::fixture::Oci oci;
    // The fixture writes the configuration when it makes the image; the container's part replaces
    // the fixture's own.
    oci.container = container;
    oci.add_image({{tar, codec::Compression::kNone, instruction}}, "app:1");
    const auto folder = dir_ / ("image" + std::to_string(count_++));
    image::fixture::write_files(folder, oci.all());
    image::OpenOptions options;
    options.platform = "linux/amd64";
    options.scratch_directory = dir_.path();
    return must(image::open_image(folder.string(), options));
  }

  image::fixture::TempDir dir_;
  int count_ = 0;
};

}  // namespace flense::inventory::testing

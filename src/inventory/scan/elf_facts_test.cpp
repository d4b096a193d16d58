#include "inventory/scan/elf_facts.h"

#include <gtest/gtest.h>

#include "elf/testing_library.h"
#include "inventory/scan/testing_files.h"
#include "support/fatbin_builder.h"

namespace flense::inventory {
namespace {

TEST(ElfFacts, WhatIsNoElfFileIsData) {
  EXPECT_FALSE(read_elf_facts(as_bytes("\x7f"
                                       "ELF but nothing more"),
                              "x", nullptr));
  EXPECT_FALSE(read_elf_facts({}, "x", nullptr));
}

TEST(ElfFacts, AStandAloneCubinTellsItsArchitecture) {
  const std::string cubin = testing::stand_alone_cubin(100);
  const auto facts = read_elf_facts(as_bytes(cubin), "k.cubin", nullptr);
  ASSERT_TRUE(facts);
  ASSERT_EQ(facts->code.size(), 1U);
  EXPECT_EQ(facts->code[0].arch, "sm_100");
  EXPECT_EQ(facts->code[0].kind, "cubin");
  EXPECT_EQ(facts->device_bytes, cubin.size());
  EXPECT_EQ(facts->regions, 1U);
}

TEST(ElfFacts, NamesAreReadBesideDeviceCodeAndNotInIt) {
  // A data section as cuFFT's: names before, between and behind two regions, and one within each.
  const auto padded = [](std::string text) {
    text.resize(64, '\0');
    return text;
  };
  std::string code = flense::testing::entry_bytes(flense::testing::entry_spec("sm90:64"));
  code.replace(64, 64, padded("libcudnn.so.9"));
  const std::string region = flense::testing::region_of(code);
  std::string data = padded("libcublas.so.12") + region + padded("libcudart.so.12") + region +
                     padded("libnvrtc.so.12");
  data.resize(8192, '\0');
  const auto mentions = [](std::string_view section, const std::string& bytes) {
    elf::testing::Builder builder = testing::elf_builder({.soname = "libk.so"});
    builder.add({.name = std::string(section),
                 .flags = SHF_ALLOC,
                 .address = 0x3000,
                 .bytes = bytes,
                 .alignment = 8});
    const std::string file = builder.build();
    return read_elf_facts(as_bytes(file), "libk.so", nullptr).value();
  };
  const ElfFacts facts = mentions(".ldata", data);
  EXPECT_EQ(facts.regions, 2U);
  EXPECT_EQ(facts.mentions,
            (std::vector<std::string>{"libcublas.so.12", "libcudart.so.12", "libnvrtc.so.12"}));
  // The same bytes where they are no device code.
  data.replace(64, 4, "none");
  EXPECT_EQ(mentions(".ldata", data).mentions,
            (std::vector<std::string>{"libcublas.so.12", "libcudart.so.12", "libcudnn.so.9",
                                      "libnvrtc.so.12"}));
  EXPECT_TRUE(mentions(".cask_resource", padded("libcublas.so.12")).mentions.empty());
}

TEST(ElfFacts, SumsDebugSections) {
  elf::testing::Library library = elf::testing::make_library();
  const std::string plain = library.builder.build();
  const auto before = read_elf_facts(as_bytes(plain), "x", nullptr);
  ASSERT_TRUE(before);
  EXPECT_EQ(before->debug_bytes, 0U);
  elf::testing::add_debug(library);
  const std::string debug = library.builder.build();
  const auto after = read_elf_facts(as_bytes(debug), "x", nullptr);
  ASSERT_TRUE(after);
  EXPECT_GT(after->debug_bytes, 0U);
  EXPECT_FALSE(after->prune);

  device::PruneOptions options;
  options.targets.cuda = {{90, device::CudaArch::Variant::kPlain}};
  options.drop_debug = true;
  const auto planned = read_elf_facts(as_bytes(debug), "x", &options);
  ASSERT_TRUE(planned && planned->prune);
  EXPECT_LT(planned->prune->output_size, debug.size()) << planned->prune->left_alone;
  EXPECT_GT(planned->prune->removed_debug_bytes, 0U);
}

TEST(ElfFacts, SymbolTablesGoFromStandardOnAndOnlyWhereTheyAreLarge) {
  const device::PruneOptions safe = device::prune_options({}, device::Level::kSafe, false);
  const device::PruneOptions standard = device::prune_options({}, device::Level::kStandard, false);
  const elf::Strippable large{0, 1u << 20}, small{0, 1u << 10}, debug{1, 0};
  EXPECT_TRUE(device::worth_stripping(large, standard));
  EXPECT_FALSE(device::worth_stripping(small, standard));
  EXPECT_TRUE(device::worth_stripping(debug, standard));
  EXPECT_FALSE(device::worth_stripping(large, safe));
  EXPECT_FALSE(device::worth_stripping(debug, safe));
}

TEST(ElfFacts, TheLoaderKeepsItsSymbols) {
  const device::PruneOptions standard = device::prune_options({}, device::Level::kStandard, false);
  EXPECT_TRUE(device::options_for_file(standard, "usr/lib/libtorch.so").drop_symtab);
  for (const char* path : {"usr/lib64/ld-linux-x86-64.so.2", "lib/libpthread.so.0", "libjvm.so"}) {
    EXPECT_FALSE(device::options_for_file(standard, path).drop_symtab) << path;
    EXPECT_TRUE(device::options_for_file(standard, path).drop_debug) << path;
  }
}

TEST(ElfFacts, CountsTheSymbolTableWithItsStrings) {
  elf::testing::Library library = elf::testing::make_library();
  elf::testing::add_debug(library);
  const std::string bytes = library.builder.build();
  const auto file = elf::File::parse(as_bytes(bytes), "x");
  ASSERT_TRUE(file);
  std::uint64_t expected = 0;
  for (const char* name : {".symtab", ".strtab"})
    if (const elf::Section* section = file->find_section(name)) expected += section->size;
  ASSERT_GT(expected, 0U);
  EXPECT_EQ(read_elf_facts(as_bytes(bytes), "x", nullptr)->symbol_bytes, expected);
}

/// One region with one cubin, an ELF file with one section of these flags.
std::string library_with(flense::testing::EntrySpec spec, std::string payload) {
  payload.resize((payload.size() + 7) / 8 * 8);
  spec.architecture = 75;
  spec.payload_size = payload.size();
  std::string entry = flense::testing::entry_bytes(spec);
  entry.replace(entry.size() - payload.size(), payload.size(), payload);
  elf::testing::Builder builder(ET_DYN, EM_X86_64);
  builder.add({.name = ".nv_fatbin",
               .flags = SHF_ALLOC,
               .address = 0x3000,
               .bytes = flense::testing::region_of(entry),
               .alignment = 8});
  return builder.build();
}

std::string cubin_with(std::string name, std::uint64_t flags) {
  elf::testing::Builder cubin(ET_EXEC, 190);
  cubin.add({.name = std::move(name), .flags = flags, .bytes = std::string(64, 'k')});
  return cubin.build();
}

std::uint64_t hollow_of(const std::string& bytes) {
  const auto facts = read_elf_facts(as_bytes(bytes), "usr/lib/libshell.so", nullptr);
  if (!facts || facts->code.size() != 1 || facts->code[0].count != 1) return 99;
  return facts->code[0].hollow;
}

TEST(ElfFacts, CodeWithoutKernelsIsHollow) {
  EXPECT_EQ(hollow_of(library_with({}, cubin_with(".text.kernel", SHF_ALLOC | SHF_EXECINSTR))), 0u);
  EXPECT_EQ(hollow_of(library_with({}, cubin_with(".nv.constant4", SHF_ALLOC))), 1u);
  EXPECT_EQ(hollow_of(library_with({}, cubin_with(".nv.callgraph", 0))), 1u);
  // Forms that nobody here knows are taken for code.
  EXPECT_EQ(hollow_of(library_with({}, std::string(64, 'x'))), 0u);
  flense::testing::EntrySpec ptx;
  ptx.kind = 1;
  const std::string head = "//\n\n.version 8.4\n.target sm_75\n.address_size 64\n";
  EXPECT_EQ(hollow_of(library_with(ptx, head + ".global .align 1 .b8 seq[1];\n")), 1u);
  EXPECT_EQ(hollow_of(library_with(ptx, head + ".visible .entry k()\n{\nret;\n}\n")), 0u);
}

TEST(ElfFacts, CountsDeviceCodeByKindAndArchitecture) {
  const std::string bytes = testing::rich_library();
  const auto facts = read_elf_facts(as_bytes(bytes), "usr/lib/librich.so", nullptr);
  ASSERT_TRUE(facts);
  EXPECT_EQ(facts->unreadable, "");
  // 8.10 is newer than 8.4, and the runtime needs a driver that unpacks Zstandard for one of two.
  const std::vector<ArchCount> expected = {
      {"nvidia", "ptx", "compute_80", 2, 256, "8.10", 1},
      {"nvidia", "cubin", "sm_90a", 2, 256, "", 1},
      {"amd", "code-object", "gfx90a:xnack-", 1, 14, "", 0},
      {"amd", "code-object", "gfx942", 1, 4, "", 0},
  };
  EXPECT_EQ(facts->code, expected);
  EXPECT_EQ(facts->regions, 3U);
  EXPECT_EQ(facts->x86_isa, 7U);
  EXPECT_EQ(facts->page, 0x1000U);
  EXPECT_EQ(facts->forward, (ForwardNote{"12.9", {535, 550}, {1, 2}}));
}

// The toolkit's reader takes the keys in any case.
TEST(ElfFacts, ANoteOfForwardCompatibilityInCapitals) {
  elf::testing::Builder builder;
  builder.add(testing::note_section(".note.cuda.fwd_compatibility", "NVIDIA Corporation", 19,
                                    R"({"Format": 1, "CUDA VERSION": "13.0", "Driver": [550]})",
                                    0x1000));
  const std::string bytes = builder.build();
  EXPECT_EQ(read_elf_facts(as_bytes(bytes), "usr/lib/libcuda.so.580.65.06", nullptr)->forward,
            (ForwardNote{"13.0", {550}, {}}));
}

TEST(ElfFacts, ReadsTheBannerOfGlibc) {
  elf::testing::Builder builder;
  const std::string banner = "GNU C Library (Debian GLIBC 2.36-9) stable release version 2.36.\n";
  builder.add({.name = ".rodata", .address = 0x1000, .bytes = banner});
  const std::string bytes = builder.build();
  EXPECT_EQ(read_elf_facts(as_bytes(bytes), "usr/lib/libc.so.6", nullptr)->libc_release, "2.36");
  EXPECT_EQ(read_elf_facts(as_bytes(bytes), "usr/lib/libm.so.6", nullptr)->libc_release, "");
}

}  // namespace
}  // namespace flense::inventory

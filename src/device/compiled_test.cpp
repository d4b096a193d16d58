// Files made by the C compiler at test time: regions as assembler text, and a program that walks
// wrapper -> region -> entry as the CUDA runtime does. The pruned file runs, and what it walks is
// compared with what should be left.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

#include "base/file.h"
#include "base/process.h"
#include "device/prune.h"
#include "support/compiled_for.h"
#include "support/fatbin_builder.h"
#include "support/prune_check.h"
#include "support/temp_dir.h"

namespace flense::device {
namespace {

using flense::testing::expect_pruned_as_planned;
using flense::testing::TempDir;

constexpr const char* kWalker = R"(
#include <stdio.h>
#include <string.h>
struct wrapper { unsigned magic, version; const unsigned char *data; const void *extra; };
extern const struct wrapper wrappers[], wrappers_end[];
static unsigned long long word(const unsigned char *at, unsigned size) {
  unsigned long long value = 0;
  memcpy(&value, at, size);
  return value;
}
void walk(void) {
  for (const struct wrapper *w = wrappers; w != wrappers_end; ++w) {
    const unsigned char *end = w->data + 16 + word(w->data + 8, 8);
    printf("%d%s:", (int)(w - wrappers), word(w->data, 4) == 0xBA55ED50 ? "" : " LOST");
    for (const unsigned char *entry = w->data + 16; entry < end;) {
      unsigned long long header = word(entry + 4, 4), payload = word(entry + 8, 8);
      printf(" %llu/%llu", word(entry, 2), word(entry + 28, 4));
      if (payload && (entry[header] != entry[header + payload - 1])) printf(" BROKEN");
      entry += header + payload;
    }
    printf("\n");
  }
}
#ifdef PROGRAM
int main(void) { walk(); return 0; }
#endif
)";

#ifdef __aarch64__
constexpr std::size_t kApart = 4096;  // ADRP names a page: what shares one with a string is pinned
#else
constexpr std::size_t kApart = 8;
#endif
constexpr std::uint64_t kLeastSaved = 600'000;  // in pages of 64 KiB, too

struct Fixture {
  std::string section = ".nv_fatbin";
  std::vector<std::string> regions;
  std::string extra_assembly = {};  ///< after the regions, which are labelled region0, region1, …
};

std::string assembly(const Fixture& fixture) {
  std::ostringstream out;
  out << ".section " << fixture.section << ",\"a\",@progbits\n.balign " << kApart << "\n";
  for (std::size_t i = 0; i < fixture.regions.size(); ++i) {
    out << "region" << i << ":\n";
    const std::string bytes = testing::region(fixture.regions[i]);
    // Long runs of one byte as .fill: the assembler text stays small.
    for (std::size_t at = 0; at < bytes.size();) {
      std::size_t end = at + 1;
      while (end < bytes.size() && bytes[end] == bytes[at]) ++end;
      out << ".fill " << end - at << ",1,"
          << static_cast<unsigned>(static_cast<unsigned char>(bytes[at])) << "\n";
      at = end;
    }
  }
  out << ".section .nvFatBinSegment,\"aw\",@progbits\n.balign 8\n"
      << ".globl wrappers\n.globl wrappers_end\n.hidden wrappers\n.hidden wrappers_end\n"
      << "wrappers:\n";
  for (std::size_t i = 0; i < fixture.regions.size(); ++i)
    out << ".long 0x466243b1\n.long 1\n.quad region" << i << "\n.quad 0\n";
  out << "wrappers_end:\n"
      << ".section .note.GNU-stack,\"\",@progbits\n"
      << fixture.extra_assembly << "\n";
  return out.str();
}

class Compiled : public ::testing::Test {
 protected:
  void write(const std::string& name, const std::string& text) {
    std::ofstream(dir_ / name) << text;
  }

  std::string run(const std::vector<std::string>& argv) {
    auto output = run_process(argv);
    EXPECT_TRUE(output) << argv[0];
    if (!output) return {};
    EXPECT_EQ(output->status, 0) << fmt::format("{}", fmt::join(argv, " ")) << "\n" << output->err;
    return output->out;
  }

  void compile(const Fixture& fixture, std::vector<std::string> options, const std::string& name) {
    const auto compiler = find_program(flense::testing::kCompiler);
    if (!compiler) GTEST_SKIP() << "no C compiler on PATH";
    write("walker.c", kWalker);
    write("fixture.s", assembly(fixture));
    std::vector<std::string> argv = {*compiler,         "-O1", "-o", dir_ / name, dir_ / "walker.c",
                                     dir_ / "fixture.s"};
    argv.insert(argv.end(), options.begin(), options.end());
    run(argv);
  }

  /// Prunes `name` in place for sm_90 and checks it against the plan.
  void prune(const std::string& name, const PruneOptions& with = {}) {
    PruneOptions options = with;
    options.targets = make_targets({"9.0"}).value();
    const std::string path = dir_ / name;
    auto mapped = MappedFile::open(path);
    ASSERT_TRUE(mapped) << mapped.error().message;
    auto file = elf::File::parse(mapped->bytes(), path);
    ASSERT_TRUE(file) << file.error().message;
    auto code = find_device_code(*file);
    ASSERT_TRUE(code) << code.error().message;
    code_ = *code;
    auto plan = plan_prune(*file, *code, options);
    ASSERT_TRUE(plan) << plan.error().message;
    plan_ = *plan;
    if (!plan->left_alone.empty() || plan->edit.sections.empty()) return;
    StringSink sink;
    auto result = elf::apply(*file, plan->edit, sink);
    ASSERT_TRUE(result) << result.error().message;
    result_ = *result;
    auto after = elf::File::parse(as_bytes(sink.text()), path);
    ASSERT_TRUE(after) << after.error().message;
    expect_pruned_as_planned(*file, *code, *plan, *after);
    std::filesystem::remove(path);
    write(name, sink.text());
    std::filesystem::permissions(path, std::filesystem::perms::owner_all);
  }

  TempDir dir_;
  FileCode code_;
  PrunePlan plan_;
  elf::EditResult result_;
};

const Fixture kThreeRegions = {
    .regions = {"sm80:262144 sm90:4096", "ptx75:262144 sm80:262144", "sm75:64 sm80:262144"}};
constexpr const char* kBefore = "0: 2/80 2/90\n1: 1/75 2/80\n2: 2/75 2/80\n";
constexpr const char* kAfter = "0: 2/90\n1: 1/75\n2: 2/75\n";

TEST_F(Compiled, PositionIndependentExecutable) {
  compile(kThreeRegions, {"-DPROGRAM", "-fPIE", "-pie"}, "program");
  EXPECT_EQ(run(flense::testing::start_words(dir_ / "program")), kBefore);
  prune("program");
  ASSERT_EQ(plan_.left_alone, "");
  EXPECT_LT(result_.output_size + kLeastSaved, result_.input_size);
  EXPECT_EQ(run(flense::testing::start_words(dir_ / "program")), kAfter);
}

TEST_F(Compiled, FixedAddressExecutable) {
  compile(kThreeRegions, {"-DPROGRAM", "-fno-pie", "-no-pie"}, "program");
  EXPECT_EQ(run(flense::testing::start_words(dir_ / "program")), kBefore);
  prune("program");
  ASSERT_EQ(plan_.left_alone, "");
  EXPECT_LT(result_.output_size + kLeastSaved, result_.input_size);
  EXPECT_EQ(run(flense::testing::start_words(dir_ / "program")), kAfter);
}

TEST_F(Compiled, PackedRelativeRelocations) {
  compile(kThreeRegions, {"-DPROGRAM", "-fPIE", "-pie", "-Wl,-z,pack-relative-relocs"}, "program");
  EXPECT_EQ(run(flense::testing::start_words(dir_ / "program")), kBefore);
  prune("program");
  ASSERT_EQ(plan_.left_alone, "");
  EXPECT_LT(result_.output_size + kLeastSaved, result_.input_size);
  EXPECT_EQ(run(flense::testing::start_words(dir_ / "program")), kAfter);
}

TEST_F(Compiled, SharedLibrary) {
  compile(kThreeRegions, {"-fPIC", "-shared"}, "libwalk.so");
  write("main.c", "void walk(void);\nint main(void) { walk(); return 0; }\n");
  run({flense::testing::kCompiler, "-o", dir_ / "program", dir_ / "main.c", "-L" + dir_.string(),
       "-lwalk", "-Wl,-rpath," + dir_.string()});
  EXPECT_EQ(run(flense::testing::start_words(dir_ / "program")), kBefore);
  prune("libwalk.so");
  ASSERT_EQ(plan_.left_alone, "");
  EXPECT_LT(result_.output_size + kLeastSaved, result_.input_size);
  EXPECT_EQ(run(flense::testing::start_words(dir_ / "program")), kAfter);
}

TEST_F(Compiled, ARegionThatCodeAddressesStays) {
  Fixture fixture = kThreeRegions;
  fixture.extra_assembly = ".text\n.globl address_of\naddress_of:\nlea region1(%rip), %rax\nret\n";
#if defined(__aarch64__)
  fixture.extra_assembly = ".text\n.globl address_of\naddress_of:\nadrp x0, region1\nret\n";
#endif
  compile(fixture, {"-DPROGRAM", "-fPIE", "-pie"}, "program");
  prune("program");
  EXPECT_EQ(plan_.decisions[2].reason, Reason::kPinned);
  EXPECT_EQ(plan_.decisions[3].reason, Reason::kPinned);
  EXPECT_EQ(run(flense::testing::start_words(dir_ / "program")),
            "0: 2/90\n1: 1/75 2/80\n2: 2/75\n");
}

TEST_F(Compiled, CodeThatOnlyReadsBesideARegionDoesNotPinIt) {
#if defined(__x86_64__)
  Fixture fixture = kThreeRegions;
  // An immediate after the operand must not be mistaken for the region that follows.
  fixture.extra_assembly = ".text\n.globl reads\nreads:\ncomiss region0-4(%rip), %xmm0\nret\n";
  compile(fixture, {"-DPROGRAM", "-fPIE", "-pie"}, "program");
  prune("program");
  EXPECT_EQ(run(flense::testing::start_words(dir_ / "program")), kAfter);
#else
  GTEST_SKIP() << "x86-64 only";
#endif
}

TEST_F(Compiled, APointerIntoARegionPinsIt) {
  Fixture fixture = kThreeRegions;
  fixture.extra_assembly = ".data\n.quad region1 + 16\n";
  compile(fixture, {"-DPROGRAM", "-fPIE", "-pie"}, "program");
  prune("program");
  EXPECT_EQ(plan_.decisions[2].reason, Reason::kPinned);
  EXPECT_EQ(run(flense::testing::start_words(dir_ / "program")),
            "0: 2/90\n1: 1/75 2/80\n2: 2/75\n");
}

TEST_F(Compiled, LabelsMoveWithTheirRegions) {
  Fixture fixture = kThreeRegions;
  fixture.extra_assembly = ".globl region1\n.globl region2\n.data\n.quad region2\n";
  compile(fixture, {"-fPIC", "-shared", "-Wl,-Bsymbolic"}, "libwalk.so");
  prune("libwalk.so");
  ASSERT_EQ(plan_.left_alone, "");
}

TEST_F(Compiled, TheEndLabelOfTheSectionPinsItsLastRegion) {
  Fixture fixture = kThreeRegions;
  fixture.section = "__nv_relfatbin";
  fixture.extra_assembly = ".data\n.quad __stop___nv_relfatbin\n";
  compile(fixture, {"-DPROGRAM", "-fPIE", "-pie"}, "program");
  prune("program");
  EXPECT_EQ(plan_.decisions[4].reason, Reason::kPinned);
  EXPECT_EQ(run(flense::testing::start_words(dir_ / "program")),
            "0: 2/90\n1: 1/75\n2: 2/75 2/80\n");
}

TEST_F(Compiled, RegionsInOtherSectionsAreUnregistered) {
  Fixture fixture = kThreeRegions;
  fixture.section = ".rodata";
  compile(fixture, {"-DPROGRAM", "-fPIE", "-pie"}, "program");
  prune("program");
  ASSERT_EQ(code_.sections.size(), 1U);
  EXPECT_EQ(code_.sections[0].regions.size(), 3U);
  EXPECT_TRUE(plan_.edit.sections.empty());
  for (const EntryDecision& decision : plan_.decisions)
    EXPECT_EQ(decision.reason, Reason::kUnregistered);
}

TEST_F(Compiled, ObjectFilesAndForeignTargetsAreLeftAlone) {
  compile(kThreeRegions, {"-DPROGRAM", "-r", "-nostdlib"}, "object.o");
  prune("object.o");
  EXPECT_THAT(plan_.left_alone, ::testing::HasSubstr("not a shared library"));
  EXPECT_TRUE(plan_.edit.sections.empty());
  EXPECT_TRUE(code_.wrappers.empty());
  for (const EntryDecision& decision : plan_.decisions)
    EXPECT_EQ(decision.reason, Reason::kFileLeft);
  EXPECT_GT(plan_.withheld, 150'000U) << "what would go, were it a library";
}

/// As RAPIDS links its libraries; aligned, so that the end of the wrappers is not its beginning.
constexpr const char* kBehindBss =
    "SECTIONS { .nvFatBinSegment : { *(.nvFatBinSegment) }\n"
    "__nv_relfatbin : { *(__nv_relfatbin) }\n.nv_fatbin : ALIGN(64) { *(.nv_fatbin) } } INSERT "
    "AFTER .bss;\n";

TEST_F(Compiled, DeviceCodeBehindBssLeavesTheFile) {
  write("behind.ld", kBehindBss);
  compile(kThreeRegions, {"-fPIC", "-shared", "-Wl,-T," + (dir_ / "behind.ld").string()},
          "libwalk.so");
  write("main.c", "void walk(void);\nint main(void) { walk(); return 0; }\n");
  run({flense::testing::kCompiler, "-o", dir_ / "program", dir_ / "main.c", "-L" + dir_.string(),
       "-lwalk", "-Wl,-rpath," + dir_.string()});
  EXPECT_EQ(run(flense::testing::start_words(dir_ / "program")), kBefore);
  prune("libwalk.so");
  ASSERT_EQ(plan_.left_alone, "");
  EXPECT_EQ(plan_.withheld, 0U);
  EXPECT_LT(result_.output_size + kLeastSaved, result_.input_size);
  EXPECT_EQ(run(flense::testing::start_words(dir_ / "program")), kAfter);
  prune("libwalk.so");
  EXPECT_TRUE(plan_.edit.sections.empty()) << "pruning twice changes nothing";
}

TEST_F(Compiled, WhatFreesNoPageStays) {
  compile({.regions = {"sm80:256 sm90:256"}}, {"-DPROGRAM", "-fPIE", "-pie"}, "program");
  prune("program", {.drop_debug = true});
  EXPECT_EQ(plan_.left_alone, "");
  EXPECT_EQ(plan_.decisions[0].reason, Reason::kFreesNothing);
  EXPECT_EQ(plan_.decisions[1].reason, Reason::kServesTarget);
  EXPECT_TRUE(plan_.edit.sections.empty());
  EXPECT_TRUE(plan_.edit.drop_debug);
  EXPECT_GT(plan_.withheld, 256U);
  EXPECT_EQ(plan_.withheld, plan_.bytes.at(Reason::kFreesNothing));
}

TEST_F(Compiled, ASectionInVainDoesNotHoldTheOthersBack) {
  Fixture fixture = kThreeRegions;
  fixture.section = "__nv_relfatbin";
  fixture.extra_assembly = ".section .nv_fatbin,\"a\",@progbits\n.balign 8\nsmall:\n";
  for (const char byte : testing::region("sm80:256 sm90:256"))
    fixture.extra_assembly += fmt::format(".byte {}\n", static_cast<unsigned char>(byte));
  fixture.extra_assembly +=
      ".section .nvFatBinSegment\n.long 0x466243b1\n.long 1\n.quad small\n.quad 0\n";
  compile(fixture, {"-DPROGRAM", "-fPIE", "-pie"}, "program");
  prune("program");
  ASSERT_EQ(plan_.left_alone, "");
  ASSERT_EQ(plan_.edit.sections.size(), 1U);
  EXPECT_GT(plan_.bytes.at(Reason::kDropOtherArch), 150'000U);
  EXPECT_LT(plan_.bytes.at(Reason::kFreesNothing), 1000U);
  EXPECT_EQ(run(flense::testing::start_words(dir_ / "program")), kAfter);
}

TEST_F(Compiled, AnAmdOnlyTargetLeavesCudaCodeAlone) {
  compile(kThreeRegions, {"-DPROGRAM", "-fPIE", "-pie"}, "program");
  const std::string path = dir_ / "program";
  auto mapped = MappedFile::open(path);
  ASSERT_TRUE(mapped);
  auto file = elf::File::parse(mapped->bytes(), path);
  ASSERT_TRUE(file);
  auto plan = plan_prune(*file, find_device_code(*file).value(),
                         {.targets = make_targets({"gfx942"}).value()});
  ASSERT_TRUE(plan);
  EXPECT_EQ(plan->left_alone, "");
  EXPECT_TRUE(plan->edit.sections.empty());
  ASSERT_FALSE(plan->decisions.empty());
  for (const EntryDecision& decision : plan->decisions)
    EXPECT_EQ(decision.reason, Reason::kOtherVendor);
  auto none = plan_prune(*file, find_device_code(*file).value(), {});
  ASSERT_TRUE(none);
  EXPECT_THAT(none->left_alone, ::testing::HasSubstr("no GPU is among the targets"));
  auto drop = plan_prune(*file, find_device_code(*file).value(),
                         {.targets = make_targets({"gfx942"}).value(), .drop_vendor = true});
  ASSERT_TRUE(drop);
  EXPECT_FALSE(drop->edit.sections.empty());
  EXPECT_GT(drop->bytes.at(Reason::kDropVendor), 0U);
  EXPECT_EQ(drop->bytes.count(Reason::kDropOtherArch), 0U);
  EXPECT_GT(drop->bytes.at(Reason::kLastEntry), 0U);
}

TEST_F(Compiled, KeptPtxAndNothingToDrop) {
  compile(kThreeRegions, {"-DPROGRAM", "-fPIE", "-pie"}, "program");
  prune("program", {.level = Level::kSafe, .keep_ptx = true});
  EXPECT_EQ(run(flense::testing::start_words(dir_ / "program")), kAfter);
  prune("program");
  EXPECT_TRUE(plan_.edit.sections.empty()) << "pruning twice changes nothing";
  EXPECT_EQ(plan_.left_alone, "");
}

}  // namespace
}  // namespace flense::device

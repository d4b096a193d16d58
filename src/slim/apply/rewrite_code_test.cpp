// Libraries with CUDA code, linked by the C compiler at test time, whose kept code is compressed
// anew: written, proved, loaded.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <random>

#include "base/process.h"
#include "device/entry_content.h"
#include "slim/apply/rewrite_elf.h"
#include "support/code_builder.h"
#include "support/temp_dir.h"

namespace flense::slim {
namespace {

using namespace flense::testing;
using ::testing::HasSubstr;

std::string code_of(unsigned seed, std::size_t size = 60'000) {
  return cubin_of(machine_code(size, seed));
}

class RewriteCode : public ::testing::Test {
 protected:
  /// A library with these regions in .nv_fatbin, each with its wrapper.
  std::string link(const std::vector<std::string>& regions, const std::string& more = {}) {
    const auto compiler = find_program("cc");
    EXPECT_TRUE(compiler) << "no C compiler (cc) on PATH";
    std::ofstream assembly(dir_ / "fixture.s");
    assembly << ".section .nv_fatbin,\"a\",@progbits\n.balign 8\n";
    for (std::size_t i = 0; i < regions.size(); ++i) {
      const std::string name = dir_ / fmt::format("region{}", i);
      std::ofstream(name, std::ios::binary) << regions[i];
      assembly << fmt::format("region{}:\n.incbin \"{}\"\n", i, name);
    }
    assembly << ".section .nvFatBinSegment,\"aw\",@progbits\n.balign 8\n";
    for (std::size_t i = 0; i < regions.size(); ++i)
      assembly << fmt::format(".long 0x466243b1\n.long 1\n.quad region{}\n.quad 0\n", i);
    assembly << ".section .note.GNU-stack,\"\",@progbits\n" << more;
    assembly.close();
    std::ofstream(dir_ / "code.c") << "int answer(void) { return 42; }\n";
    const std::string output = dir_ / "libcode.so";
    const auto done = run_process(
        {*compiler, "-shared", "-fPIC", "-o", output, dir_ / "code.c", dir_ / "fixture.s"});
    EXPECT_TRUE(done && done->status == 0) << (done ? done->err : "");
    std::ifstream in(output, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }

  RewrittenElf rewrite(const std::string& bytes, device::CodeCompression mode) {
    RewriteOptions options;
    options.prune = device::prune_options(device::make_targets({"9.0"}).value(),
                                          device::Level::kStandard, true);
    options.prune.recompress = mode;
    options.prune.scratch_directory = options.scratch_directory = dir_.string();
    auto result = rewrite_elf(as_bytes(bytes), "libcode.so", options);
    EXPECT_TRUE(result) << result.error().message;
    return std::move(*result);
  }

  /// What the entries of a file hold, in file order.
  std::vector<std::string> contents(Bytes bytes) {
    std::vector<std::string> out;
    const auto file = elf::File::parse(bytes, "libcode.so").value();
    const auto code = device::find_device_code(file).value();
    for (const auto& section : code.sections)
      for (const auto& region : section.regions)
        for (const auto& entry : region.entries)
          EXPECT_TRUE(
              device::with_entry_content(bytes.subspan(region.offset + entry.offset, entry.size()),
                                         entry, dir_.string(), [&](Bytes content) -> Result<void> {
                                           out.emplace_back(as_text(content));
                                           return {};
                                         }));
    return out;
  }

  /// Loads the file in a process of its own.
  void load(Bytes bytes) {
    std::ofstream(dir_ / "slim.so", std::ios::binary) << as_text(bytes);
    std::ofstream(dir_ / "load.c")
        << "#include <dlfcn.h>\nint main(int n, char **a) { void *l = dlopen(a[1], RTLD_NOW);\n"
           "if (!l || n != 2) return 1; int (*f)(void) = (int (*)(void))dlsym(l, \"answer\");\n"
           "return f ? f() : 2; }\n";
    const std::string program = dir_ / "load";
    ASSERT_EQ(run_process({*find_program("cc"), "-o", program, dir_ / "load.c", "-ldl"})->status,
              0);
    EXPECT_EQ(run_process({program, dir_ / "slim.so"})->status, 42);
  }

  TempDir dir_;
};

TEST_F(RewriteCode, KeptCodeIsCompressedAnewAndHoldsTheSame) {
  const std::string ptx = machine_code(40'000, 5);
  const std::string before = link(
      {region_of(raw_entry("sm80:0", code_of(1)) + raw_entry("sm90:0", code_of(2)) +
                 lz4_entry("ptx90:0", ptx)),
       region_of(lz4_entry("sm90:0", code_of(3))), region_of(raw_entry("sm90a:0", code_of(4)))});
  const std::vector<std::string> kept = {code_of(2), ptx, code_of(3), code_of(4)};
  const RewrittenElf plain = rewrite(before, device::CodeCompression::kKeep);
  EXPECT_EQ(plain.measure.recompressed, 0U);
  EXPECT_EQ(contents(plain.content.bytes()), kept);
  for (const auto mode : {device::CodeCompression::kBalance, device::CodeCompression::kSize}) {
    const RewrittenElf slim = rewrite(before, mode);
    ASSERT_TRUE(slim.changed) << slim.left_alone;
    EXPECT_EQ(slim.left_alone, "");
    EXPECT_LT(slim.content.bytes().size() + 150'000, plain.content.bytes().size());
    EXPECT_GT(slim.measure.recompressed, 150'000U);
    EXPECT_EQ(contents(slim.content.bytes()), kept);
    load(slim.content.bytes());
    const std::uint64_t saved = before.size() - slim.content.bytes().size();
    const RewriteShares shares = shares_of(slim.measure, saved);
    EXPECT_EQ(shares.recompressed, slim.measure.recompressed);
    EXPECT_GT(shares.code, 50'000U);
    EXPECT_EQ(shares.debug + shares.recompressed + shares.ptx + shares.code, saved);
    const RewrittenElf again = rewrite(std::string(as_text(slim.content.bytes())), mode);
    EXPECT_FALSE(again.changed) << "nothing is left to give";
  }
}

TEST_F(RewriteCode, AFileWithNothingToDropIsStillCompressed) {
  const std::string before = link({region_of(raw_entry("sm90:0", code_of(1, 200'000)))});
  const RewrittenElf slim = rewrite(before, device::CodeCompression::kSize);
  ASSERT_TRUE(slim.changed) << slim.left_alone;
  EXPECT_EQ(contents(slim.content.bytes()), std::vector<std::string>{code_of(1, 200'000)});
  load(slim.content.bytes());
}

TEST_F(RewriteCode, RegionsThatMustNotMoveOrThatNoWrapperReachesStay) {
  const std::string region = region_of(raw_entry("sm90:0", code_of(1)));
  // Code addresses the first region, a pointer into the second pins it, nobody registers the third.
  const std::string before = link({region, region},
                                  ".text\nlea region0(%rip), %rax\n.data\n.quad region1 + 16\n"
                                  ".section .nv_fatbin,\"a\",@progbits\n.incbin \"" +
                                      (dir_ / "region0").string() + "\"\n");
  const RewrittenElf slim = rewrite(before, device::CodeCompression::kSize);
  const Bytes after = slim.changed ? slim.content.bytes() : as_bytes(before);
  EXPECT_EQ(slim.measure.recompressed, 0U);
  EXPECT_EQ(contents(after).size(), 3U);
  EXPECT_THAT(std::string(as_text(after)), HasSubstr(region));
}

/// The proof must see what the writer might do wrong.
TEST_F(RewriteCode, TheProofSeesADamagedFrameAndAFalseCount) {
  const std::string before = link({region_of(raw_entry("sm90:0", code_of(2)))});
  const RewrittenElf slim = rewrite(before, device::CodeCompression::kSize);
  ASSERT_TRUE(slim.changed);
  const auto input = elf::File::parse(as_bytes(before), "before").value();
  const auto code = device::find_device_code(input).value();
  device::PruneOptions options{.targets = device::make_targets({"9.0"}).value()};
  options.recompress = device::CodeCompression::kSize;
  options.scratch_directory = dir_.string();
  auto plan = device::plan_prune(input, code, options).value();
  const auto prove = [&](const std::string& bytes) {
    const auto output = elf::File::parse(as_bytes(bytes), "after").value();
    const auto proof = prove_pruned(input, code, plan, output, dir_.string());
    return proof ? std::string() : proof.error().message;
  };
  const std::string after(as_text(slim.content.bytes()));
  EXPECT_EQ(prove(after), "");
  EXPECT_NE(prove(before), "") << "nothing was packed there";
  const auto output = elf::File::parse(as_bytes(after), "after").value();
  const auto found = device::find_device_code(output).value();
  const auto& region = found.sections.at(0).regions.at(0);
  std::string damaged = after;
  damaged[region.offset + region.entries[0].offset + 64 + 200] ^= 1;
  EXPECT_THAT(prove(damaged), HasSubstr("differs in the output"));
  ++plan.recompressed.entries;
  EXPECT_THAT(prove(after), HasSubstr("packed anew"));
}

}  // namespace
}  // namespace flense::slim

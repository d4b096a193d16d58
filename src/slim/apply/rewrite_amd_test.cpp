// Libraries with offload bundles, linked by the C compiler at test time, rewritten and read back.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <fstream>
#include <map>
#include <random>

#include "base/process.h"
#include "device/amd_repack.h"
#include "slim/apply/rewrite_elf.h"
#include "support/amd_builder.h"
#include "support/temp_dir.h"

namespace flense::slim {
namespace {

using flense::testing::amd_bundle;
using flense::testing::compressed_bundle;
using flense::testing::TempDir;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr const char* kHost = "host-x86_64-unknown-linux-gnu-";

std::string id_of(const std::string& target) {
  return "hipv4-amdgcn-amd-amdhsa--" + target;
}

/// Bytes that do not compress to nothing.
std::string code_for(const std::string& target, std::size_t size) {
  std::mt19937 random(static_cast<unsigned>(std::hash<std::string>()(target) % 1000));
  std::string out = "code for " + target + " ";
  while (out.size() < size) out += static_cast<char>(random() % 64);
  return out;
}

std::string plain_bundle(const std::vector<std::string>& targets, std::size_t size = 20'000) {
  std::vector<std::pair<std::string, std::string>> entries = {{kHost, ""}};
  for (std::size_t i = 0; i < targets.size(); ++i)
    entries.emplace_back(id_of(targets[i]), code_for(targets[i], size + 1000 * i));
  return amd_bundle(entries, 4096);
}

/// What a walk over wrappers and bundles finds: targets with the code, in order.
using Walk = std::vector<std::vector<std::pair<std::string, std::string>>>;

class RewriteAmd : public ::testing::Test {
 protected:
  /// Links `bundles` into .hip_fatbin, on pages, a wrapper for each of the first `registered`.
  std::string link(const std::vector<std::string>& bundles, std::size_t registered,
                   const std::vector<std::string>& options, const std::string& more = {}) {
    const auto compiler = find_program("cc");
    EXPECT_TRUE(compiler) << "no C compiler (cc) on PATH";
    std::ofstream assembly(dir_ / "fixture.s");
    assembly << ".section .hip_fatbin,\"a\",@progbits\n";
    for (std::size_t i = 0; i < bundles.size(); ++i) {
      const std::string name = dir_ / fmt::format("bundle{}", i);
      std::ofstream(name, std::ios::binary)
          .write(bundles[i].data(), static_cast<std::streamsize>(bundles[i].size()));
      assembly << fmt::format(".p2align 12\nbundle{}:\n.incbin \"{}\"\n", i, name);
    }
    assembly << ".section .hipFatBinSegment,\"aw\",@progbits\n.balign 8\n";
    for (std::size_t i = 0; i < registered; ++i)
      assembly << fmt::format(".long 0x48495046\n.long 1\n.quad bundle{}\n.quad 0\n", i);
    assembly << ".section .note.GNU-stack,\"\",@progbits\n" << more;
    assembly.close();
    std::ofstream(dir_ / "main.c") << "int main(void) { return 0; }\n";
    const std::string output = dir_ / "linked";
    std::vector<std::string> argv = {*compiler, "-o", output, dir_ / "main.c", dir_ / "fixture.s"};
    argv.insert(argv.end(), options.begin(), options.end());
    const auto done = run_process(argv);
    EXPECT_TRUE(done && done->status == 0) << (done ? done->err : "");
    std::ifstream in(output, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }

  RewriteOptions options(const std::vector<std::string>& gpus) {
    RewriteOptions out;
    out.prune.targets = device::make_targets(gpus).value();
    out.scratch_directory = out.prune.scratch_directory = dir_.string();
    return out;
  }

  Walk walk(const std::string& bytes) {
    Walk out;
    const auto file = elf::File::parse(as_bytes(bytes), "walked");
    EXPECT_TRUE(file);
    const auto code = device::find_amd_code(*file);
    EXPECT_TRUE(code);
    for (const device::Wrapper& wrapper : code->places.wrappers) {
      const auto offset = file->offset_of(wrapper.data);
      EXPECT_TRUE(offset);
      const auto bundle = std::ranges::find(code->bundles, *offset, &device::AmdBundle::offset);
      EXPECT_NE(bundle, code->bundles.end());
      EXPECT_EQ(wrapper.data % 4096, 0U) << "bundles stay on pages";
      const auto status = device::with_plain_bundle(
          as_bytes(bytes).subspan(*offset), *bundle, std::filesystem::temp_directory_path(),
          device::BundleHash::kCompare, [&](const device::PlainBundle& plain) -> Result<void> {
            auto& list = out.emplace_back();
            for (const device::AmdRow& row : plain.table.rows) {
              EXPECT_EQ(row.offset % 4096, 0U) << "code objects stay on pages";
              list.emplace_back(row.id, as_text(plain.bytes.subspan(row.offset, row.size)));
            }
            return {};
          });
      EXPECT_TRUE(status) << status.error().message;
    }
    return out;
  }

  std::string rewritten(const std::string& bytes, const RewriteOptions& with) {
    auto result = rewrite_elf(as_bytes(bytes), "libx.so", with);
    EXPECT_TRUE(result) << result.error().message;
    left_alone_ = result->left_alone;
    return result->changed ? std::string(as_text(result->content.bytes())) : std::string();
  }

  TempDir dir_;
  std::string left_alone_;
};

const std::vector<std::string> kTargets = {"gfx906", "gfx90a:xnack+", "gfx90a:xnack-", "gfx942",
                                           "gfx9-4-generic"};

TEST_F(RewriteAmd, KeepsExactlyTheTargetsAndGenericCode) {
  const std::string plain = plain_bundle(kTargets);
  for (const auto& [name, stored] :
       {std::pair("plain", plain), std::pair("zstd 1", compressed_bundle(1, plain)),
        std::pair("zstd 2", compressed_bundle(2, plain)),
        std::pair("zstd 3", compressed_bundle(3, plain)),
        std::pair("zlib 2", compressed_bundle(2, plain, 0)),
        std::pair("zlib 3", compressed_bundle(3, plain, 0))}) {
    const std::string second = plain_bundle({"gfx942", "gfx1100"});
    const std::string input = link({stored, second, stored}, 3, {"-shared", "-fPIC"});
    const Walk before = walk(input);
    ASSERT_EQ(before.size(), 3U) << name;
    const std::string output = rewritten(input, options({"gfx942"}));
    ASSERT_FALSE(output.empty()) << name << ": " << left_alone_;
    EXPECT_LT(output.size() + 40'000, input.size()) << name;
    const Walk after = walk(output);
    const std::vector<std::pair<std::string, std::string>> kept = {before[0][0], before[0][4],
                                                                   before[0][5]};
    EXPECT_EQ(after, (Walk{kept, {before[1][0], before[1][1]}, kept})) << name;
    // A second time there is nothing to do.
    EXPECT_EQ(rewritten(output, options({"gfx942"})), "") << name;

    const Walk settings = walk(rewritten(input, options({"gfx90a"})));
    EXPECT_EQ(settings[0], (std::vector{before[0][0], before[0][2], before[0][3]})) << name;
    EXPECT_EQ(settings[1], (std::vector{before[1][0], before[1][1]}))
        << "the smallest of a bundle with nothing for the target";
  }
}

TEST_F(RewriteAmd, ProgramsAtFixedAddressesStillRun) {
  const std::string plain = plain_bundle(kTargets);
  for (const char* kind : {"-no-pie", "-pie"}) {
    const std::string input = link({plain, compressed_bundle(3, plain)}, 2, {kind});
    const std::string output = rewritten(input, options({"gfx942"}));
    ASSERT_FALSE(output.empty()) << left_alone_;
    for (const auto& bundle : walk(output)) EXPECT_EQ(bundle.size(), 3U);
    const std::string path = dir_ / "program";
    std::ofstream(path, std::ios::binary)
        .write(output.data(), static_cast<std::streamsize>(output.size()));
    std::filesystem::permissions(path, std::filesystem::perms::owner_all);
    const auto done = run_process({path});
    ASSERT_TRUE(done);
    EXPECT_EQ(done->status, 0) << kind;
  }
}

TEST_F(RewriteAmd, BundlesThatNoWrapperReachesOrCodeAddressesStay) {
  const std::string plain = plain_bundle(kTargets);
  const std::string input = link({plain, plain, plain}, 2, {"-shared", "-fPIC"},
                                 ".text\n.globl take\ntake: lea bundle1(%rip), %rax\nret\n");
  const std::string output = rewritten(input, options({"gfx942"}));
  ASSERT_FALSE(output.empty()) << left_alone_;
  const auto file = elf::File::parse(as_bytes(output), "x");
  const auto code = device::find_amd_code(*file);
  ASSERT_EQ(code->bundles.size(), 3U);
  EXPECT_EQ(code->bundles[0].entries.size(), 2U);
  EXPECT_EQ(code->bundles[1].entries.size(), kTargets.size());
  EXPECT_EQ(code->bundles[2].entries.size(), kTargets.size());
}

TEST_F(RewriteAmd, ABundleThatDoesNotCheckOutStays) {
  const std::string plain = plain_bundle(kTargets);
  std::string size = compressed_bundle(2, plain), overlap = plain;
  testing::put(size, 12, static_cast<std::uint32_t>(plain.size() + 1));
  // The second code object begins inside of the first.
  const std::size_t third_row = 32 + 24 + std::string(kHost).size() + 24 + id_of("gfx906").size();
  testing::put(overlap, third_row, std::uint64_t{8192});
  for (const std::string& bad : {size, overlap}) {
    const std::string input = link({bad, plain}, 2, {"-shared", "-fPIC"});
    const std::string output = rewritten(input, options({"gfx942"}));
    ASSERT_FALSE(output.empty()) << left_alone_;
    const auto code = device::find_amd_code(*elf::File::parse(as_bytes(output), "x"));
    EXPECT_EQ(code->bundles[0].entries.size(), kTargets.size());
    EXPECT_EQ(code->bundles[1].entries.size(), 2U);
  }
}

TEST_F(RewriteAmd, AnotherHashIsMended) {
  std::string bundle = compressed_bundle(2, plain_bundle(kTargets));
  bundle[16] = static_cast<char>(bundle[16] ^ 1);
  // walk() compares the hash.
  const Walk after = walk(rewritten(link({bundle}, 1, {"-shared", "-fPIC"}), options({"gfx942"})));
  ASSERT_EQ(after.size(), 1U);
  EXPECT_EQ(after[0].size(), 3U);
}

TEST_F(RewriteAmd, OtherVendorsAndOverrides) {
  const std::string input = link({plain_bundle(kTargets)}, 1, {"-shared", "-fPIC"});
  EXPECT_EQ(rewritten(input, options({"sm_90"})), "");
  RewriteOptions drop = options({"sm_90"});
  drop.prune.drop_vendor = true;
  const Walk smallest = walk(rewritten(input, drop));
  ASSERT_EQ(smallest[0].size(), 2U);
  EXPECT_EQ(smallest[0][1].first, id_of("gfx906"));
  RewriteOptions unclear = options({"gfx942"});
  unclear.prune.keep_amd = true;
  EXPECT_EQ(rewritten(input, unclear), "");
}

TEST_F(RewriteAmd, TheProofNoticesWhatIsWrong) {
  const std::string stored = compressed_bundle(3, plain_bundle(kTargets));
  const std::string input = link({stored, stored}, 2, {"-shared", "-fPIC"});
  const RewriteOptions with = options({"gfx942"});
  const auto file = elf::File::parse(as_bytes(input), "input");
  const auto code = device::find_amd_code(*file);
  const auto plan = device::plan_prune(*file, {}, *code, with.prune);
  ASSERT_TRUE(plan);
  StringSink sink;
  ASSERT_TRUE(elf::apply(*file, plan->edit, sink));
  const auto proof = [&](const std::string& output, const device::PrunePlan& of,
                         const device::Targets& targets) {
    const auto parsed = elf::File::parse(as_bytes(output), "output");
    const auto result =
        prove_amd_pruned(*file, *code, of, targets, *parsed, with.scratch_directory);
    return result ? std::string() : result.error().message;
  };
  EXPECT_EQ(proof(sink.text(), *plan, with.prune.targets), "");
  EXPECT_THAT(proof(input, *plan, with.prune.targets), HasSubstr("does not hold in the output"));
  EXPECT_THAT(proof(sink.text(), *plan, device::make_targets({"gfx906"}).value()),
              HasSubstr("still holds code for"));
  std::string damaged = sink.text();
  const auto after = device::find_amd_code(*elf::File::parse(as_bytes(damaged), "x"));
  damaged[after->bundles[1].offset + 24] ^= 1;  // the hash
  EXPECT_THAT(proof(damaged, *plan, with.prune.targets), HasSubstr("hash"));
  device::PrunePlan other = *plan;
  for (device::AmdDecision& decision : other.amd) decision.reason = device::Reason::kServesTarget;
  EXPECT_THAT(proof(sink.text(), other, with.prune.targets), HasSubstr("differs in the output"));
}

TEST_F(RewriteAmd, AProofWithoutRoomIsAnErrorAndLeavesNothingAlone) {
  std::vector<std::pair<std::string, std::string>> entries = {{kHost, ""}};
  for (const std::string& target : kTargets) {
    // In all more than is unpacked in memory.
    std::string& content = entries.emplace_back(id_of(target), "").second;
    while (content.size() < (8U << 20)) content += code_for(target, 100'000);
  }
  const std::string input =
      link({compressed_bundle(3, amd_bundle(entries, 4096))}, 1, {"-shared", "-fPIC"});
  const RewriteOptions with = options({"gfx942"});
  ASSERT_FALSE(rewritten(input, with).empty()) << left_alone_;

  // UBSan looks at a class that it has not met through a pipe, which there will be none for.
  ASSERT_FALSE(MappedFile::open(dir_ / "nowhere"));

  struct rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
  const int next = ::dup(STDERR_FILENO);
  ::close(next);
  // One scratch file at a time: the proof wants one beside the output.
  const struct rlimit one{static_cast<rlim_t>(next) + 1, before.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &one), 0);
  const auto result = rewrite_elf(as_bytes(input), "libx.so", with);
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &before), 0);
  ASSERT_FALSE(result) << result->left_alone;
  EXPECT_EQ(result.error().code, Code::kEnvironment) << result.error().message;
}

TEST_F(RewriteAmd, AMeasuredPlanSaysWhatAnAppliedOneGives) {
  const std::string plain = plain_bundle(kTargets);
  const std::string input = link({plain, compressed_bundle(2, plain)}, 2, {"-shared", "-fPIC"});
  const auto file = elf::File::parse(as_bytes(input), "input");
  const auto code = device::find_amd_code(*file);
  const auto with = options({"gfx942"});
  const auto measured = device::plan_prune(*file, {}, *code, with.prune, device::PlanUse::kMeasure);
  const auto applied = device::plan_prune(*file, {}, *code, with.prune);
  ASSERT_TRUE(measured && applied);
  EXPECT_EQ(measured->bytes, applied->bytes);
  EXPECT_EQ(elf::measure(*file, measured->edit)->output_size,
            elf::measure(*file, applied->edit)->output_size);
  std::uint64_t total = 0, stored = 0;
  for (const auto& [reason, bytes] : measured->bytes) total += bytes;
  for (const device::AmdBundle& bundle : code->bundles) {
    std::uint64_t own = 0;
    for (const std::uint64_t share : device::stored_shares(bundle)) own += share;
    if (bundle.compressed != 0) {
      EXPECT_EQ(own, bundle.size);
    }
    stored += own;
  }
  EXPECT_EQ(total, stored);
}

TEST_F(RewriteAmd, WhatMeasuringPackedIsWrittenAndProved) {
  const std::string plain = plain_bundle(kTargets);
  const std::string input =
      link({compressed_bundle(2, plain), compressed_bundle(3, plain)}, 2, {"-shared", "-fPIC"});
  const auto file = elf::File::parse(as_bytes(input), "input");
  const auto code = device::find_amd_code(*file);
  RewriteOptions with = options({"gfx942"});
  const std::string alone = rewritten(input, with);
  ASSERT_FALSE(alone.empty()) << left_alone_;

  // The lowest descriptor that is free is the store's.
  const int store = ::dup(STDERR_FILENO);
  ::close(store);
  with.prune.frames = device::FrameStore::create(with.scratch_directory).value();
  ASSERT_TRUE(device::plan_prune(*file, {}, *code, with.prune, device::PlanUse::kMeasure));
  const auto kept = with.prune.frames->map().value();
  ASSERT_TRUE(kept);
  EXPECT_EQ(rewritten(input, with), alone);

  // A bit of it is wrong: nothing was packed again that would be right.
  const auto middle = static_cast<off_t>(kept->bytes().size() / 4);
  const auto wrong = kept->bytes()[static_cast<std::size_t>(middle)] ^ std::byte{1};
  ASSERT_EQ(::pwrite(store, &wrong, 1, middle), 1);
  EXPECT_EQ(rewritten(input, with), "");
  EXPECT_THAT(left_alone_, HasSubstr("did not prove itself"));
  // Other targets need other frames.
  with.prune.targets = device::make_targets({"gfx906"}).value();
  EXPECT_NE(rewritten(input, with), "") << left_alone_;
}

}  // namespace
}  // namespace flense::slim

#include "report/html/size_tree.h"
#include "base/printable.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck.h>

#include "slim/apply/testing_image.h"

namespace flense::report {
namespace {

using slim::testing::must;
using slim::testing::Tar;
using slim::testing::TestImage;
using ::testing::ElementsAre;
using ::testing::UnorderedElementsAre;

std::uint64_t sum(const std::vector<FilePart>& parts, bool going) {
  std::uint64_t out = 0;
  for (const FilePart& part : parts)
    if (!going || part.verdict == PartVerdict::kGoes) out += part.bytes;
  return out;
}

inventory::ElfFacts library_facts() {
  inventory::ElfFacts out;
  out.prune.emplace();
  out.prune->code = {{"cubin", "sm_80", device::Reason::kDropOtherArch, 600},
                     {"cubin", "sm_90", device::Reason::kServesTarget, 300},
                     {"ptx", "compute_90", device::Reason::kDropPtx, 200}};
  out.prune->removed_debug_bytes = 50;
  return out;
}

TEST(FileParts, CutsAreDividedByArchitectureToTheByte) {
  const inventory::ElfFacts elf = library_facts();
  // 701 of the 800 bytes that could go did: pages are whole.
  const auto parts = file_parts(2000, {751, false, "device-code", {}}, &elf, nullptr);
  ASSERT_EQ(parts.size(), 5U);
  EXPECT_EQ(parts[0].name, "sm_80");
  EXPECT_EQ(parts[0].reason, "device-code");
  EXPECT_EQ(parts[0].bytes, 526U);
  EXPECT_EQ(parts[1].name, "ptx_90");
  EXPECT_EQ(parts[1].reason, "device-ptx");
  EXPECT_EQ(parts[1].bytes, 175U);
  EXPECT_EQ(parts[2].kind, PartKind::kDebug);
  EXPECT_EQ(parts[2].bytes, 50U);
  EXPECT_EQ(parts[3].name, "sm_90");
  EXPECT_EQ(parts[3].verdict, PartVerdict::kStays);
  EXPECT_EQ(parts[3].bytes, 300U);
  EXPECT_EQ(parts[4].bytes, 2000U - 751 - 300);
  EXPECT_EQ(sum(parts, false), 2000U);
}

TEST(FileParts, WhatIsHeldBackSaysSo) {
  const inventory::ElfFacts elf = library_facts();
  const auto parts = file_parts(2000, {0, false, "device-code", "musl"}, &elf, nullptr);
  EXPECT_EQ(sum(parts, true), 0U);
  EXPECT_EQ(parts[0].verdict, PartVerdict::kHeldBack);
  EXPECT_EQ(parts[1].verdict, PartVerdict::kStays);
  const auto whole = file_parts(70, {0, false, "headers", "triton compiles"}, nullptr, nullptr);
  ASSERT_EQ(whole.size(), 1U);
  EXPECT_EQ(whole[0].verdict, PartVerdict::kHeldBack);
}

TEST(FileParts, SumUpWhateverTheFactsSay) {
  rc::check("parts sum to the file, those that go to what is given back", [] {
    const auto number = rc::gen::inRange<std::uint64_t>(0, 5000);
    inventory::ElfFacts elf;
    if (*rc::gen::arbitrary<bool>()) {
      elf.prune.emplace();
      elf.prune->removed_debug_bytes = *number;
      for (int i = *rc::gen::inRange(0, 60); i > 0; --i)
        elf.prune->code.push_back({"cubin", fmt::format("sm_{}", i),
                                   static_cast<device::Reason>(*rc::gen::inRange(0, 12)), *number});
    }
    for (int i = *rc::gen::inRange(0, 4); i > 0; --i)
      elf.code.push_back({"amd", "code-object", fmt::format("gfx{}", i), 1, *number, {}});
    MemberFate fate;
    fate.given_back = *number;
    fate.whole = *rc::gen::inRange(0, 4) == 0;
    fate.reason = *rc::gen::element<std::string>("device-code", "debug-sections", "packing");
    if (fate.given_back == 0 && *rc::gen::arbitrary<bool>()) fate.held_back = "why";
    const std::uint64_t stored = *number;
    const auto parts = file_parts(stored, fate, &elf, nullptr);
    RC_ASSERT(sum(parts, false) == stored);
    RC_ASSERT(sum(parts, true) == (fate.whole ? stored : std::min(stored, fate.given_back)));
  });
}

/// "kind name bytes" of each node with its depth, in order.
std::vector<std::string> lines_of(const SizeTree& tree) {
  std::vector<std::string> out;
  std::vector<std::size_t> depth(tree.nodes.size());
  for (std::size_t i = 0; i < tree.nodes.size(); ++i) {
    const SizeNode& node = tree.nodes[i];
    EXPECT_TRUE(i == 0 || node.parent < i);
    depth[i] = i == 0 ? 0 : depth[node.parent] + 1;
    if (node.kind == NodeKind::kArchive) continue;
    out.push_back(fmt::format("{}{}{}{}", std::string(depth[i], ' '), printable(node.name),
                              node.bytes > 0 ? fmt::format(" {}", node.bytes) : "",
                              node.files > 0 ? fmt::format(" of {}", node.files) : ""));
  }
  return out;
}

std::uint64_t unpacked(const TestImage& image) {
  std::uint64_t out = 0;
  for (const auto& scan : image.contents->scans()) out += scan->unpacked_bytes;
  return out;
}

std::string bytes(std::size_t count) {
  return std::string(count, 'x');
}

TEST(SizeTree, HoldsEveryByteOfEveryLayerOnce) {
  const TestImage image({Tar()
                             .dir("usr")
                             .dir("usr/lib")
                             .file("usr/lib/a/one", bytes(10))
                             .file("usr/lib/a/two", bytes(20))
                             .file("usr/lib/a-b", bytes(5))
                             .file("top", bytes(7))
                             .file("empty", "")
                             .hardlink("usr/lib/again", "top")
                             .bytes(),
                         Tar().file("top", bytes(3)).file("usr/lib/a/one", bytes(1)).bytes()});
  const SizeTree tree = size_tree(*image.contents, MemberFates(2), {});
  EXPECT_THAT(lines_of(tree),
              ElementsAre("", " ", "  top 7", "  usr/lib", "   a", "    one 10", "    two 20",
                          "   a-b 5", " ", "  top 3", "  usr/lib/a", "   one 1"));
  EXPECT_EQ(tree.bytes, unpacked(image));
  EXPECT_EQ(tree.given_back, 0U);
  const SizeTree flat =
      size_tree(*image.contents, MemberFates(2), {.layers = false, .archive_given_back = {}});
  EXPECT_EQ(flat.bytes, tree.bytes);
  EXPECT_EQ(flat.nodes[1].kind, NodeKind::kFile);
}

TEST(SizeTree, SmallFilesAreGroupedByDirectoryAndReason) {
  Tar tar;
  for (int i = 0; i < 50; ++i) tar.file(fmt::format("d/small-{}", i), bytes(10));
  tar.file("d/deep/er/small", bytes(4)).file("d/large", bytes(1000)).file("e/large", bytes(900));
  const TestImage image({tar.bytes()});
  MemberFates fates(1);
  fates[0][3] = {10, true, "docs", {}};
  SizeTreeOptions options;
  options.most_files = 2;
  const SizeTree tree = size_tree(*image.contents, fates, options);
  EXPECT_EQ(tree.grouped_below, 11U);
  EXPECT_THAT(lines_of(tree), ElementsAre("", " ", "  d", "   large 1000", "  e", "   large 900",
                                          "    494 of 50", "    10 of 1"));
  EXPECT_EQ(tree.bytes, unpacked(image));
  EXPECT_EQ(tree.given_back, 10U);
}

TEST(SizeTree, DeepChainsCostTheirLengthOnce) {
  // Each name is a chain of its own: what is stored for a chain must not be stored for each link.
  Tar tar;
  for (int i = 0; i < 20; ++i) {
    std::string path = fmt::format("{}", i);
    for (int k = 0; k < 1500; ++k) path += "/d";
    tar.file(path, "x");
  }
  const TestImage image({tar.bytes()});
  const SizeTree tree = size_tree(*image.contents, MemberFates(1), {});
  EXPECT_EQ(tree.nodes.size(), 1U + 1 + 20 * 2 + 1);
  EXPECT_EQ(tree.bytes, unpacked(image));
}

TEST(MemberFates, OfAPlanAreItsEdits) {
  const TestImage image({Tar()
                             .file("lib/debug.so", slim::testing::library_with_debug())
                             .file("var/lib/apt/lists/packages", bytes(900))
                             .file("opt/gone", bytes(800))
                             .file("opt/stays", bytes(700))
                             .bytes(),
                         Tar().file("opt/.wh.gone", "").bytes()});
  slim::Plan plan = image.plan();
  const MemberFates fates = member_fates(*image.contents, plan, {});
  std::uint64_t total = 0;
  for (const auto& layer : fates)
    for (const auto& [index, fate] : layer) total += fate.given_back;
  EXPECT_EQ(total, plan.bytes_given_back());
  EXPECT_EQ(fates[0].at(1).reason, "apt-lists");
  EXPECT_EQ(fates[0].at(2).reason, "shadowed-files");
  EXPECT_FALSE(fates[0].contains(3));
  const SizeTree tree = size_tree(*image.contents, fates, {});
  EXPECT_EQ(tree.given_back, plan.bytes_given_back());
  EXPECT_EQ(tree.bytes, unpacked(image));

  // What could not be applied has not been done.
  plan.layers[0].edits[0] = {
      slim::Action::kRewrite, slim::kDeviceCode, "lib/debug.so", {}, 6000, 1000};
  const MemberFates left =
      member_fates(*image.contents, plan, {{"lib/debug.so", 5000, "it would not load"}});
  EXPECT_EQ(left[0].at(0).given_back, 0U);
  EXPECT_EQ(left[0].at(0).held_back, "it would not load");
}

TEST(MemberFates, WithoutTargetsAreWhatGoesWhateverTheyAre) {
  const TestImage image({Tar()
                             .file("lib/debug.so", slim::testing::library_with_debug())
                             .file("var/lib/apt/lists/packages", bytes(900))
                             .file("opt/gone", bytes(800))
                             .file("opt/stays", bytes(700))
                             .bytes(),
                         Tar().file("opt/.wh.gone", "").bytes()});
  const slim::Plan plan = image.plan({});
  const SizeTree tree = size_tree(*image.contents, member_fates(*image.contents, plan, {}), {});
  std::map<std::string, std::uint64_t> by_cut, by_leaf;
  for (const slim::PassTotal& pass : plan.passes) by_cut[std::string(pass.pass.id())] += pass.bytes;
  for (const SizeNode& node : tree.nodes)
    if (node.bytes > 0 && tree.reasons[node.reason].verdict == PartVerdict::kGoes)
      by_leaf[tree.reasons[node.reason].id] += node.bytes;
  EXPECT_EQ(by_leaf, by_cut);
  EXPECT_THAT(by_leaf, UnorderedElementsAre(
                           std::pair<const std::string, std::uint64_t>{"apt-lists", 900},
                           std::pair<const std::string, std::uint64_t>{"debug-sections", 5000},
                           std::pair<const std::string, std::uint64_t>{"shadowed-files", 800}));
}

}  // namespace
}  // namespace flense::report

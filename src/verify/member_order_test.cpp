#include <gtest/gtest.h>

#include <chrono>

#include "verify/tree_compare.h"

namespace flense::verify {
namespace {

using codec::MemberType;

/// A layer of so many members: path, and what a hard link leads to.
Reading layer_of(const std::vector<std::pair<std::string, std::string>>& members) {
  struct Layered final : image::Image {
    Result<std::unique_ptr<Source>> open_layer(std::size_t /*index*/) const override {
      return bad_input("it has no bytes");
    }
  };
  static const Layered kImage;
  auto layer = std::make_shared<LayerReading>();
  for (const auto& [path, link] : members)
    EXPECT_TRUE(layer->listing->add(image::LayerListing::Entry{
        .path = path,
        .link = link,
        .type = link.empty() ? MemberType::kFile : MemberType::kHardLink}));
  Reading out;
  out.image = &kImage;
  out.layers = {layer};
  return out;
}

std::vector<std::string> misplaced(const std::vector<std::pair<std::string, std::string>>& before,
                                   const std::vector<std::pair<std::string, std::string>>& after) {
  Findings findings;
  compare_order(layer_of(before), layer_of(after), false, findings);
  std::vector<std::string> out;
  for (const Difference& one : findings.differences()) out.push_back(one.path);
  return out;
}

TEST(MemberOrder, LinksComeBehindAndWhiteoutsBefore) {
  using Paths = std::vector<std::string>;
  EXPECT_EQ(misplaced({}, {{"a", ""}, {"b", "a"}}), Paths{});
  EXPECT_EQ(misplaced({}, {{"b", "a"}, {"a", ""}}), Paths{"b"});
  EXPECT_EQ(misplaced({}, {{"b", "a"}}), Paths{});
  EXPECT_EQ(misplaced({{"b", "a"}, {"a", ""}}, {{"b", "a"}, {"a", ""}}), Paths{});
  EXPECT_EQ(misplaced({}, {{"d", ""}, {"d/.wh..wh..opq", ""}, {"d/x", ""}}), Paths{});
  EXPECT_EQ(misplaced({}, {{"d/x", ""}, {"d/.wh..wh..opq", ""}}), Paths{"d/.wh..wh..opq"});
  EXPECT_EQ(misplaced({}, {{"d-x", ""}, {"d0", ""}, {"d/.wh..wh..opq", ""}}), Paths{});
  EXPECT_EQ(misplaced({}, {{"x/y", ""}, {".wh.x", ""}}), Paths{".wh.x"});
  EXPECT_EQ(misplaced({}, {{"x", ""}, {".wh.x", ""}}), Paths{".wh.x"});
  EXPECT_EQ(misplaced({}, {{".wh.x", ""}, {"x", ""}, {"x/y", ""}}), Paths{});
  EXPECT_EQ(misplaced({}, {{"etc", ""}, {".wh..wh..opq", ""}}), Paths{".wh..wh..opq"});
  EXPECT_EQ(misplaced({}, {{"", ""}, {".wh..wh..opq", ""}, {"etc", ""}}), Paths{});
}

/// Walking over all members below for each whiteout takes minutes.
TEST(MemberOrder, ManyWhiteoutsOfOneFolder) {
  constexpr int kMany = 100'000;
  std::vector<std::pair<std::string, std::string>> members;
  for (int i = 0; i < kMany; ++i) members.emplace_back(".wh.d", "");
  for (int i = 0; i < kMany; ++i) members.emplace_back(fmt::format("d/{}", i), "");
  const auto start = std::chrono::steady_clock::now();
  EXPECT_TRUE(misplaced({}, members).empty());
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(30));
}

}  // namespace
}  // namespace flense::verify

#include "slim/apply/layer_parts.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "slim/apply/testing_image.h"
#include "slim/plan/draft.h"

namespace flense::slim {
namespace {

using image::fixture::Tar;
using ::testing::ElementsAre;
using testing::TestImage;
using text::Json;

std::vector<std::string> comments(const Json& config) {
  std::vector<std::string> out;
  for (const Json& entry : config["history"].items())
    out.push_back(fmt::format("{}: {}", entry["created_by"].text(), entry["comment"].text("-")));
  return out;
}

TEST(LayerParts, HistoryHasAnEntryForEachPart) {
  const Json config = text::parse_json(R"({"history": [{"created_by": "ADD"},
      {"created_by": "ENV", "empty_layer": true}, {"created_by": "RUN", "comment": "mine"}]})",
                                       "config")
                          .value();
  EXPECT_THAT(
      comments(split_history(config, {1, 3})),
      ElementsAre("ADD: -", "ENV: -", "RUN: mine", "RUN: part 2 of 3, by flense slim --split",
                  "RUN: part 3 of 3, by flense slim --split"));
  EXPECT_EQ(split_history(config, {1, 1}), config);
  // A history that does not match its layers is not made to.
  EXPECT_EQ(split_history(config, {2, 2, 2}), config);
}

TEST(LayerParts, NoMoreLayersThanEnginesTake) {
  EXPECT_TRUE(check_layer_count(127, 1));
  const auto refused = check_layer_count(128, 1);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::kUsage);
}

TEST(Draft, ClaimsNothingOfKeptLayers) {
  const std::string cache = Tar().file("root/.cache/pip/http", "12345").bytes();
  const TestImage image({cache, Tar().file("root/.cache/pip/more", "123").bytes()});
  SlimOptions options = testing::options_for_tests();
  EXPECT_EQ(image.plan(options).bytes_given_back(), 8u);
  options.packing.kept_layers = 1;
  const Plan kept = image.plan(options);
  EXPECT_EQ(kept.bytes_given_back(), 3u);
  EXPECT_TRUE(kept.layers[0].edits.empty());
  options.packing.kept_layers = 2;
  EXPECT_TRUE(image.plan(options).empty());
}

}  // namespace
}  // namespace flense::slim

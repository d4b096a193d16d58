#include "image/model/variant.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "image/model/model.h"

namespace flense::image {
namespace {

const std::string kDigest = "sha256:" + std::string(64, 'a');

Variant made_for(std::vector<std::string> targets) {
  return {kDigest,
          100,
          {"linux", "amd64", ""},
          std::move(targets),
          "525.60.13",
          "sha256:origin",
          "r.example/app:1@" + kDigest,
          4096};
}

TEST(Variant, AnEntryIsReadBack) {
  const Variant variant = made_for({"sm_80", "sm_90"});
  const text::Json entry = variant_entry(variant);
  EXPECT_EQ(entry["platform"]["os.features"].items().size(), 2U);
  const auto read = parse_variant(entry);
  ASSERT_TRUE(read);
  EXPECT_EQ(read->targets, variant.targets);
  EXPECT_EQ(read->digest, kDigest);
  EXPECT_EQ(read->size, 100U);
  EXPECT_EQ(read->platform.text(), "linux/amd64");
  EXPECT_EQ(read->driver_floor, "525.60.13");
  EXPECT_EQ(read->origin, "sha256:origin");
  EXPECT_EQ(read->origin_reference, variant.origin_reference);
  EXPECT_EQ(read->saved, 4096U);
  const auto refs = parse_index(
      text::dump_json(text::Json::object().set("manifests", text::Json::array().push(entry))),
      "index");
  ASSERT_TRUE(refs);
  EXPECT_TRUE(refs->front().variant);
  EXPECT_FALSE(refs->front().attestation);
}

TEST(Variant, AManifestSaysTheSame) {
  const Variant variant = made_for({"sm_80", "gfx942"});
  text::Json manifest = text::Json::object();
  manifest.set("annotations", variant_annotations(variant));
  const auto read = variant_of_manifest(manifest, kDigest);
  ASSERT_TRUE(read);
  EXPECT_EQ(read->targets, variant.targets);
  EXPECT_EQ(read->digest, kDigest);
  EXPECT_EQ(read->origin_reference, variant.origin_reference);
  EXPECT_EQ(read->saved, 4096U);
  EXPECT_FALSE(variant_of_manifest(text::Json::object(), kDigest));
  manifest.set("annotations", text::Json::object().set(kTargetsName, "sm_90"));
  EXPECT_FALSE(variant_of_manifest(manifest, kDigest));
}

TEST(Variant, OtherEntriesAreNone) {
  text::Json entry = variant_entry(made_for({"sm_90"}));
  entry.erase("annotations");
  EXPECT_FALSE(parse_variant(entry));
  // What features and annotations say must agree.
  text::Json lying = variant_entry(made_for({"sm_90"}));
  lying.set("annotations", text::Json::object().set(kTargetsName, "sm_80"));
  EXPECT_FALSE(parse_variant(lying));
  text::Json windows = text::Json::object();
  windows.set("platform",
              text::Json::object().set("os.features", text::Json::array().push("win32k")));
  EXPECT_FALSE(parse_variant(windows));
}

TEST(Variant, OnlyWhatServesEveryGpuIsTaken) {
  const std::vector<Variant> offered = {made_for({"sm_80", "sm_90"}), made_for({"sm_90"}),
                                        made_for({"gfx942"}), made_for({"sm_90"})};
  EXPECT_EQ(variant_for(offered, {"sm_90"}), 1U);
  EXPECT_EQ(variant_for(offered, {"sm_80"}), 0U);
  EXPECT_EQ(variant_for(offered, {"sm_80", "sm_90"}), 0U);
  EXPECT_EQ(variant_for(offered, {"gfx942"}), 2U);
  EXPECT_EQ(variant_for(offered, {"sm_86"}), std::nullopt);
  EXPECT_EQ(variant_for(offered, {"sm_90", "sm_86"}), std::nullopt);
  EXPECT_EQ(variant_for(offered, {}), std::nullopt);
  EXPECT_EQ(variant_for({}, {"sm_90"}), std::nullopt);
}

TEST(Variant, IsChosenForItsPlatformAlone) {
  OpenOptions options;
  EXPECT_FALSE(choose_variant(options, {"linux", "amd64", ""}, {made_for({"sm_90"})}));
  options.choose = [](const std::vector<Variant>& offered) {
    return variant_for(offered, {"sm_90"});
  };
  EXPECT_TRUE(choose_variant(options, {"linux", "amd64", ""}, {made_for({"sm_90"})}));
  EXPECT_FALSE(choose_variant(options, {"linux", "arm64", ""}, {made_for({"sm_90"})}));
}

}  // namespace
}  // namespace flense::image

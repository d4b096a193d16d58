#include "fleet/prune.h"

#include <gtest/gtest.h>

#include "image/model/variant.h"
#include "text/json.h"

namespace flense::fleet {
namespace {

using text::Json;

const std::string kOne = "sha256:" + std::string(64, '1');
const std::string kTwo = "sha256:" + std::string(64, '2');
const std::string kPlain = "sha256:" + std::string(64, '3');

Json made_for(const std::string& target, const std::string& digest) {
  image::Variant out;
  out.digest = digest;
  out.targets = {target};
  out.platform = {"linux", "amd64", ""};
  return image::variant_entry(out);
}

std::string index(Json entries) {
  return text::dump_json(Json::object()
                             .set("schemaVersion", 2)
                             .set("mediaType", "application/vnd.oci.image.index.v1+json")
                             .set("manifests", std::move(entries))
                             .set("annotations", Json::object().set("who", "upstream")));
}

TEST(IndexWithout, WhatIsNotForGpusStays) {
  Json plain = Json::object().set("digest", kPlain).set("size", 7);
  Json all = Json::array(), fewer = Json::array(), original = Json::array();
  all.push(plain).push(made_for("sm_90", kOne)).push(made_for("sm_80", kTwo));
  fewer.push(plain).push(made_for("sm_80", kTwo));
  original.push(plain);
  EXPECT_EQ(index_without(index(all), {kOne}).value_or(""), index(fewer));
  EXPECT_EQ(index_without(index(all), {kOne, kTwo}).value_or(""), index(original));
}

TEST(IndexWithout, OthersAreLeft) {
  // One image in two roles.
  Json both = Json::array();
  both.push(Json::object().set("digest", kOne).set("size", 7)).push(made_for("sm_90", kOne));
  EXPECT_FALSE(index_without(index(both), {kOne}));
  Json only = Json::array();
  only.push(made_for("sm_90", kOne));
  EXPECT_FALSE(index_without(index(only), {kOne}));
  EXPECT_FALSE(index_without("", {kOne}));
  EXPECT_FALSE(index_without("{\"manifests\":[]}", {kOne}));
}

}  // namespace
}  // namespace flense::fleet

#include "host/profile_json.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "host/profile_fields.h"

namespace flense::host {
namespace {

using ::testing::HasSubstr;

/// Gives every member another value, and every second fact none.
struct Filler {
  std::uint64_t count = 0;

  void fill(std::string& out) { out = "text " + std::to_string(++count); }
  void fill(std::uint64_t& out) { out = ++count; }
  void fill(bool& out) { out = ++count % 2 == 0; }
  template <class T>
  void fill(std::vector<T>& out) {
    out.resize(2);
    for (T& item : out) fill(item);
  }
  template <class T>
  void fill(Fact<T>& out) {
    if (++count % 3 != 0) fill(out.value.emplace());
    fill(out.evidence);
  }
  template <class S>
  void fill(S& out) {
    each_field(out, [&](const char* /*name*/, auto& member) { fill(member); });
  }
};

TEST(ProfileJson, EveryMemberComesBack) {
  Profile profile;
  Filler().fill(profile);
  const text::Json json = to_json(profile);
  const auto again = from_json(json, "test");
  ASSERT_TRUE(again) << again.error().message;
  EXPECT_EQ(*again, profile);
  // Through text as well, and every member has a distinct name.
  const auto parsed = text::parse_json(text::dump_json(json, 2), "test");
  ASSERT_TRUE(parsed) << parsed.error().message;
  EXPECT_EQ(from_json(*parsed, "test").value(), profile);
}

TEST(ProfileJson, WhatDoesNotApplyIsAbsent) {
  Profile profile;
  profile.gpus.emplace_back();
  profile.gpus[0].name = Text::unknown("no driver");
  const text::Json json = to_json(profile);
  EXPECT_EQ(json["gpus"].items()[0].find("partition"), nullptr);
  EXPECT_EQ(json["gpus"].items()[0]["name"]["unknown"].text(), "no driver");
  EXPECT_EQ(from_json(json, "test").value(), profile);
}

TEST(ProfileJson, WrongDocumentsSayWhere) {
  const auto message = [](std::string_view text) {
    const auto profile = from_json(text::parse_json(text, "p.json").value(), "p.json");
    return profile ? std::string() : profile.error().message;
  };
  EXPECT_THAT(message(R"({"schema": "flense/inventory/v1"})"), HasSubstr("flense/inventory/v1"));
  EXPECT_THAT(message("[]"), HasSubstr("not a host profile"));
  const auto with = [&](std::string_view member) {
    return message(fmt::format(R"({{"schema": "flense/host/v1", {}}})", member));
  };
  EXPECT_THAT(with(R"("gpus": [{"name": {"value": 7}}])"), HasSubstr("$.gpus[0].name.value"));
  EXPECT_THAT(with(R"("gpus": [{"minor": {"value": -1}}])"), HasSubstr("whole number"));
  EXPECT_THAT(with(R"("gpus": [{"minor": {"value": 1.5}}])"), HasSubstr("whole number"));
  EXPECT_THAT(with(R"("gpus": {})"), HasSubstr("$.gpus"));
  EXPECT_THAT(with(R"("system": {"wsl2": {"value": "yes"}})"), HasSubstr("true or false"));
  EXPECT_THAT(with(R"("system": {"kernel": "6.8"})"), HasSubstr("an object"));
  EXPECT_EQ(with(R"("later": {}, "system": {"later": 1})"), "");
}

}  // namespace
TEST(ProfileJson, WhatIsWrittenByHandNamesTheProfile) {
  const auto json = text::parse_json(
      R"({"schema": "flense/host/v1", "nvidia": {"module_version": {"value": "550.54.15"}}})", "x");
  ASSERT_TRUE(json);
  const auto profile = from_json(*json, "x");
  ASSERT_TRUE(profile);
  EXPECT_EQ(profile->nvidia.module_version, Text::known("550.54.15", "the profile"));
}

}  // namespace flense::host

// Which directories a launch uses when somebody else has taken the usual one.
#include "launch/container/crun.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "image/layers/testing_image.h"

namespace flense::launch {
namespace {

using image::fixture::must;
using image::fixture::TempDir;
using testing::HasSubstr;

TEST(RuntimePlaces, AnotherOnesDirectoryIsNotUsed) {
  const TempDir work;
  const auto variable = [&](std::string_view name) -> std::optional<std::string> {
    if (name == "XDG_CACHE_HOME") return (work / "cache").string();
    return std::nullopt;
  };
  if (std::filesystem::exists(fmt::format("/run/user/{}", ::geteuid())))
    GTEST_SKIP() << "this user has a directory of the system's";
  const std::filesystem::path usual = work / fmt::format("flense-{}", ::geteuid());
  RuntimePlaces places = must(open_runtime_places(variable, work.path()));
  EXPECT_EQ(places.base, usual);
  EXPECT_EQ(places.note, "");
  std::filesystem::remove_all(usual);
  std::filesystem::create_symlink(work.path(), usual);
  places = must(open_runtime_places(variable, work.path()));
  EXPECT_EQ(places.base.parent_path(), work / "cache/flense/runtime");
  EXPECT_TRUE(std::filesystem::is_directory(places.state()));
  EXPECT_THAT(places.note, HasSubstr(usual.string()));
  EXPECT_THAT(places.note, HasSubstr(places.base.string()));
  // The same for every caller, and an error where there is no alternative.
  EXPECT_EQ(must(open_runtime_places(variable, work.path())).base, places.base);
  EXPECT_FALSE(open_runtime_places(
      [](std::string_view) -> std::optional<std::string> { return std::nullopt; }, work.path()));
}

}  // namespace
}  // namespace flense::launch

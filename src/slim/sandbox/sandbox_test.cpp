#include "slim/sandbox/sandbox.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "image/layers/testing_image.h"

namespace flense::slim {
namespace {

using ::testing::ElementsAre;
using ::testing::IsSupersetOf;

using Words = std::vector<std::string>;

Words after(const Words& words, const std::string& word) {
  const auto found = std::ranges::find(words, word);
  return found == words.end() ? Words{} : Words(found + 1, words.end());
}

TEST(Sandbox, NothingOfTheHostIsInside) {
  const Words argv = sandbox_arguments("/bin/bwrap", "/work/root", {"true"}, {}, {"tmp"});
  EXPECT_EQ(argv.front(), "/bin/bwrap");
  EXPECT_THAT(argv,
              IsSupersetOf({"--unshare-all", "--die-with-parent", "--new-session", "--clearenv"}));
  const Words bind = after(argv, "--ro-bind");
  EXPECT_EQ(Words(bind.begin(), bind.begin() + 2), (Words{"/work/root", "/"}));
  EXPECT_EQ(std::ranges::count(argv, "--ro-bind"), 1);
  EXPECT_EQ(std::ranges::count(argv, "--bind"), 0);
  EXPECT_EQ(std::ranges::count(argv, "--share-net"), 0);
  EXPECT_EQ(after(argv, "--tmpfs").front(), "/tmp");
}

TEST(Sandbox, EnvironmentAsTheImageSays) {
  const SandboxEnvironment environment{{"A=b=c", "EMPTY=", "broken", "=none", "B=x y"}, "/srv"};
  const Words argv = sandbox_arguments("bwrap", "/r", {"true"}, environment, {});
  Words set;
  for (std::size_t i = 0; i + 2 < argv.size(); ++i)
    if (argv[i] == "--setenv") set.push_back(argv[i + 1] + "=" + argv[i + 2]);
  EXPECT_THAT(set, ElementsAre("A=b=c", "EMPTY=", "B=x y"));
  EXPECT_EQ(after(argv, "--chdir").front(), "/srv");
  EXPECT_EQ(after(sandbox_arguments("bwrap", "/r", {"true"}, {{}, ""}, {}), "--chdir").front(),
            "/");
}

TEST(Sandbox, CommandsByShellOrWordByWord) {
  EXPECT_THAT(command_words("a  'b c'", true), ElementsAre("/bin/sh", "-c", "a  'b c'"));
  EXPECT_THAT(command_words("  /app  --flag\tx ", false), ElementsAre("/app", "--flag", "x"));
  // An option of the command is none of the sandbox.
  EXPECT_THAT(after(sandbox_arguments("bwrap", "/r", {"--bind", "/", "/"}, {}, {}), "--"),
              ElementsAre("--bind", "/", "/"));
}

TEST(Sandbox, ACommandThatFailsInBothProvesNothing) {
  EXPECT_TRUE(compare_runs({0, "x", ""}, {0, "x", "a warning"}).equal);
  EXPECT_FALSE(compare_runs({0, "x", ""}, {0, "y", ""}).equal);
  EXPECT_FALSE(compare_runs({0, "", ""}, {1, "", ""}).equal);
  const SandboxComparison both = compare_runs({1, "", "no GPU"}, {1, "", "no GPU"});
  EXPECT_FALSE(both.equal);
  EXPECT_THAT(both.difference, ::testing::HasSubstr("proves nothing"));
}

TEST(Sandbox, MountPointsAreMadeNotFollowed) {
  const image::fixture::TempDir dir;
  std::filesystem::create_directories(dir / "root");
  std::filesystem::create_directory_symlink(dir / "elsewhere", dir / "root/proc");
  ASSERT_TRUE(add_mount_points(dir / "root"));
  EXPECT_TRUE(std::filesystem::is_directory(dir / "root/dev"));
  EXPECT_TRUE(std::filesystem::is_directory(dir / "root/tmp"));
  EXPECT_FALSE(std::filesystem::exists(dir / "elsewhere"));
}

}  // namespace
}  // namespace flense::slim

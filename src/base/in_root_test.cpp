#include "base/in_root.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "support/temp_dir.h"

namespace flense {
namespace {

namespace fs = std::filesystem;

class InRoot : public ::testing::Test {
 protected:
  void SetUp() override {
    fs::create_directories(root_ / "usr/lib");
    std::ofstream(root_ / "usr/lib/real") << "inside";
    std::ofstream(dir_ / "secret") << "outside";
    fs::create_symlink("usr/lib", root_ / "lib");
    fs::create_symlink(dir_ / "secret", root_ / "absolute");
    fs::create_symlink("../../secret", root_ / "usr/above");
    fs::create_symlink("/proc/self/fd", root_ / "magic");
    fs::create_symlink("loop", root_ / "loop");
    ASSERT_EQ(::mkfifo((root_ / "pipe").c_str(), 0600), 0);
    fd_ = UniqueFd(::open(root_.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    ASSERT_TRUE(fd_);
  }
  int root() const { return fd_.get(); }

  testing::TempDir dir_;
  fs::path root_ = dir_ / "root";
  UniqueFd fd_;
};

TEST_F(InRoot, LinksLeadToPlacesOfTheSameRoot) {
  for (const char* path : {"usr/lib/real", "lib/real", "/lib/real", "../lib/real"})
    EXPECT_EQ(real_path_in_root(root(), path).value_or("none"), "usr/lib/real") << path;
  EXPECT_EQ(real_path_in_root(root(), "").value_or("none"), "");
  EXPECT_EQ(real_path_in_root(root(), "..").value_or("none"), "");
}

TEST_F(InRoot, NothingLeadsOut) {
  for (const char* path : {"absolute", "usr/above", "magic/0", "loop", "absent"}) {
    EXPECT_FALSE(open_in_root(root(), path, O_RDONLY)) << path;
    EXPECT_FALSE(open_file_in_root(root(), path)) << path;
    EXPECT_FALSE(real_path_in_root(root(), path)) << path;
  }
}

TEST_F(InRoot, PipesAndDirectoriesAreNoFiles) {
  EXPECT_TRUE(open_file_in_root(root(), "lib/real"));
  for (const char* path : {"pipe", "lib", ""}) {
    const auto fd = open_file_in_root(root(), path);
    ASSERT_FALSE(fd) << path;
    EXPECT_NE(fd.error().message.find("not a regular file"), std::string::npos);
  }
}

TEST_F(InRoot, TheMachinesOwnRootIsARootToo) {
  const UniqueFd top(::open("/", O_PATH | O_DIRECTORY | O_CLOEXEC));
  EXPECT_EQ(real_path_in_root(top.get(), "proc/self/..").value_or("none"), "proc");
}

}  // namespace
}  // namespace flense

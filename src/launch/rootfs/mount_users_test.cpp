#include "launch/rootfs/mount_users.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "base/file.h"
#include "image/layers/testing_image.h"

namespace flense::launch {
namespace {

using image::fixture::TempDir;

const std::string kKey(64, 'a');

class MountUsers : public testing::Test {
 protected:
  MountUsers() {
    std::filesystem::create_directories(entry_ / "root");
    std::filesystem::create_directories(work_ / "other" / kKey / "root");
    link("self", "mnt:[1]");
  }
  void process(const std::string& pid, const std::string& mountinfo, const std::string& space,
               const std::filesystem::path& root = "/nowhere") {
    link(pid, space);
    std::filesystem::create_directory_symlink(root, proc_ / pid / "root");
    std::ofstream(proc_ / pid / "mountinfo") << mountinfo;
  }
  void ends(const std::string& pid) { std::filesystem::remove_all(proc_ / pid); }
  std::string bound(const std::string& path) {
    return fmt::format("30 1 8:1 {} / ro - ext4 /dev/sda rw\n", path);
  }
  std::string overlay(const std::filesystem::path& source) {
    return fmt::format("30 1 0:9 / / ro - overlay {} ro,lowerdir=x\n", source.string());
  }
  bool mounted() { return is_mounted(entry_, proc_); }

  TempDir work_;
  std::filesystem::path proc_ = work_ / "proc", entry_ = work_ / "roots" / kKey;

 private:
  void link(const std::string& pid, const std::string& space) {
    std::filesystem::create_directories(proc_ / pid / "ns");
    std::filesystem::create_symlink(space, proc_ / pid / "ns/mnt");
  }
};

TEST_F(MountUsers, ARootThatIsBound) {
  process("1", "20 1 8:1 / / rw - ext4 /dev/sda rw\n", "mnt:[1]", "/");
  process("2", "", "mnt:[1]");
  std::filesystem::create_directories(proc_ / "3");
  EXPECT_FALSE(mounted());
  // The file system's name for it need not be the path where it is visible.
  const std::string text = bound("/elsewhere/" + kKey + "/root");
  process("4", text, "mnt:[2]", entry_ / "root");
  EXPECT_TRUE(mounted());
  ends("4");
  process("4", text, "mnt:[2]", work_ / "other" / kKey / "root");
  EXPECT_FALSE(mounted()) << "another cache";
  ends("4");
  process("4", text, "mnt:[2]");
  EXPECT_TRUE(mounted()) << "it does not let us look";
  ends("4");
  process("4", bound("/elsewhere/" + kKey + "/root//deleted"), "mnt:[2]", "/");
  EXPECT_FALSE(mounted());
  ends("4");
  process("4", bound("/roots/" + kKey + "/root"), "mnt:[2]", "/");
  EXPECT_TRUE(mounted()) << "something else is mounted over it";
}

TEST_F(MountUsers, AnOverlay) {
  process("5", overlay(entry_ / "root"), "mnt:[2]");
  EXPECT_TRUE(mounted());
  ends("5");
  process("5", overlay(work_ / "other" / kKey / "root"), "mnt:[2]");
  EXPECT_FALSE(mounted());
  ends("5");
  std::filesystem::create_directory_symlink(work_ / "roots", work_ / "a b");
  process("5", overlay((work_ / "a\\040b").string() + "/" + kKey + "/root"), "mnt:[2]");
  EXPECT_TRUE(mounted());
}

TEST_F(MountUsers, AProcessThatHidesItsRoot) {
  const std::string only_proc = "31 30 0:4 / /proc rw - proc proc rw\n";
  process("7", only_proc, "mnt:[1]");
  EXPECT_FALSE(mounted()) << "a change of root in our own namespace";
  process("8", only_proc, "mnt:[2]");
  EXPECT_TRUE(mounted());
}

TEST_F(MountUsers, NobodyCanBeSeen) {
  EXPECT_TRUE(is_mounted(entry_, work_ / "nothing"));
}

TEST_F(MountUsers, NamespacesAreNoted) {
  const UniqueFd directory(::open(work_.path().c_str(), O_RDONLY | O_DIRECTORY));
  note_pid_namespace(directory.get());
  note_pid_namespace(directory.get());
  // Our own is visible, even if it is not the first.
  EXPECT_FALSE(is_used_out_of_sight(directory.get()));
  int marks = 0;
  for (const auto& one : std::filesystem::directory_iterator(work_.path()))
    marks += one.path().filename().string().starts_with(".used-from-") ? 1 : 0;
  EXPECT_EQ(marks, 1);
}

}  // namespace
}  // namespace flense::launch

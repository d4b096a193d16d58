// Unpacked roots: what they hold, that they are whole or absent, and concurrent requests.
#include "launch/rootfs/store.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <thread>

#include "image/layers/testing_image.h"
#include "image/model/platform.h"

namespace flense::launch {
namespace {

using image::fixture::must;
using image::fixture::Oci;
using image::fixture::Tar;
using image::fixture::TempDir;
using testing::Contains;
using testing::HasSubstr;

std::string many_files(int count) {
  Tar tar;
  tar.dir("many");
  for (int i = 0; i < count; ++i)
    tar.file(fmt::format("many/{:04}", i), std::string(3000, static_cast<char>('a' + i % 26)));
  return tar.bytes();
}

/// An image whose configuration claims another content of its first layer.
class LyingImage final : public image::Image {
 public:
  explicit LyingImage(const image::Image& honest) : Image(honest), honest_(honest) {
    layers[0].diff_id = "sha256:" + std::string(64, '0');
  }
  Result<std::unique_ptr<Source>> open_layer(std::size_t layer) const override {
    return honest_.open_layer(layer);
  }

 private:
  const image::Image& honest_;
};

class RootStoreTest : public testing::Test {
 protected:
  std::unique_ptr<const image::Image> make_image(const std::vector<std::string>& tars,
                                                 const std::string& architecture = "") {
    Oci oci;
    std::vector<image::fixture::TestLayer> layers;
    for (const std::string& tar : tars) layers.push_back({tar, codec::Compression::kNone, "COPY"});
    oci.add(oci.image(layers,
                      architecture.empty() ? image::host_platform().architecture : architecture));
    const auto place = work_ / fmt::format("image{}", ++images_);
    image::fixture::write_files(place, oci.all());
    image::OpenOptions options;
    options.platform = architecture.empty() ? "" : "linux/" + architecture;
    return must(image::open_image(place.string(), options));
  }
  RootStore store() { return must(RootStore::open(work_ / "roots")); }
  std::vector<std::string> names() {
    std::vector<std::string> out;
    for (const auto& item : std::filesystem::directory_iterator(work_ / "roots"))
      out.push_back(item.path().filename().string());
    std::sort(out.begin(), out.end());
    return out;
  }

  TempDir work_;
  Progress progress_{false, 0};
  int images_ = 0;
};

TEST_F(RootStoreTest, UnpacksOnceAsTheCallersOwn) {
  Tar first, second;
  first.dir("secret", 0000).file("secret/key", "k", 0000).file("suid", "s", 04755).device("null");
  first.file("gone", "x").symlink("lib", "usr/lib").dir("usr").dir("usr/lib").file("lib/a", "a");
  second.file(".wh.gone", "").file("new", "n");
  const auto image = make_image({first.bytes(), second.bytes()});
  EXPECT_FALSE(must(store().find(must(RootStore::key_of(*image)))));
  const RootFs root = must(store().obtain(*image, progress_));
  EXPECT_TRUE(root.unpacked_now);
  EXPECT_FALSE(must(store().obtain(*image, progress_)).unpacked_now);

  const auto mode = [&](const char* path) {
    struct stat status{};
    return ::lstat((root.path / path).c_str(), &status) == 0 ? status.st_mode & 07777U : 0xFFFFU;
  };
  EXPECT_EQ(mode("secret"), 0700U);
  EXPECT_EQ(mode("secret/key"), 0400U);
  EXPECT_EQ(mode("suid"), 0755U);
  EXPECT_EQ(mode("tmp"), 01777U);
  EXPECT_EQ(mode("null"), 0xFFFFU);
  EXPECT_EQ(mode("gone"), 0xFFFFU);
  EXPECT_EQ(must(read_file(root.path / "usr/lib/a", 10)), "a");
  for (const char* place : {"proc", "sys", "dev", "run", "etc/resolv.conf", "etc/passwd"})
    EXPECT_NE(mode(place), 0xFFFFU) << place;
  EXPECT_THAT(root.notices, Contains(HasSubstr("1 device nodes were not created")));
  EXPECT_THAT(root.notices, Contains(HasSubstr("1 files are not setuid")));
  must(store().verify(root.key, progress_));
}

TEST_F(RootStoreTest, MountPointsNeverReplaceWhatIsThere) {
  Tar tar;
  tar.symlink("etc", "/outside").file("proc", "a file").symlink("tmp", "../../../../tmp/elsewhere");
  const auto image = make_image({tar.bytes()});
  const RootFs root = must(store().obtain(*image, progress_));
  EXPECT_EQ(std::filesystem::read_symlink(root.path / "etc"), "/outside");
  EXPECT_EQ(must(read_file(root.path / "proc", 100)), "a file");
  EXPECT_FALSE(std::filesystem::exists("/tmp/elsewhere"));
}

TEST_F(RootStoreTest, VerifyFindsEveryKindOfChange) {
  Tar tar;
  tar.dir("d").file("d/f", "content").symlink("l", "d/f");
  const auto image = make_image({tar.bytes()});
  const auto fails_after = [&](const std::function<void(const std::filesystem::path&)>& change) {
    const RootFs root = must(store().obtain(*image, progress_));
    change(root.path);
    const auto verified = store().verify(root.key, progress_);
    return verified ? std::string("nothing") : verified.error().message;
  };
  const auto again = [&] { must(store().remove(must(RootStore::key_of(*image)))); };
  EXPECT_EQ(fails_after([](const auto&) {}), "nothing");
  EXPECT_EQ(fails_after([](const auto& root) {
              // The same size and time: only the content differs.
              const UniqueFd fd(::open((root / "d/f").c_str(), O_WRONLY | O_CLOEXEC));
              struct stat status{};
              ASSERT_EQ(::fstat(fd.get(), &status), 0);
              ASSERT_EQ(::pwrite(fd.get(), "CONTENT", 7, 0), 7);
              const std::array<timespec, 2> times = {status.st_mtim, status.st_mtim};
              ASSERT_EQ(::futimens(fd.get(), times.data()), 0);
            }),
            "d/f has another content");
  again();
  EXPECT_EQ(fails_after([](const auto& root) { ::chmod((root / "d/f").c_str(), 0600); }),
            "d/f has another mode");
  again();
  EXPECT_EQ(fails_after([](const auto& root) { std::filesystem::remove(root / "l"); }),
            "the root directory has another time");
  again();
  EXPECT_EQ(fails_after([](const auto& root) {
              ::utimensat(AT_FDCWD, (root / "d/f").c_str(), nullptr, 0);
            }),
            "d/f has another time");
}

TEST_F(RootStoreTest, EntriesInUseStayAndDamagedOnesAreMadeAnew) {
  const auto image = make_image({Tar().file("f", "1").bytes()});
  const std::string key = must(RootStore::key_of(*image));
  {
    const RootFs root = must(store().obtain(*image, progress_));
    EXPECT_FALSE(must(store().remove(key)));
    ASSERT_EQ(store().list().size(), 1U);
    EXPECT_EQ(store().list().front().key, key);
    EXPECT_EQ(store().list().front().bytes, 1U);
  }
  std::filesystem::resize_file(work_ / "roots" / key / "entry.json", 7);
  EXPECT_FALSE(must(store().find(key)));
  EXPECT_TRUE(must(store().obtain(*image, progress_)).unpacked_now);
  EXPECT_TRUE(must(store().remove(key)));
  EXPECT_TRUE(store().list().empty());
}

TEST_F(RootStoreTest, RefusesAnotherPlatformAndFalseDigests) {
  const std::string other = image::host_platform().architecture == "arm64" ? "amd64" : "arm64";
  const auto foreign =
      store().obtain(*make_image({Tar().file("f", "1").bytes()}, other), progress_);
  ASSERT_FALSE(foreign);
  EXPECT_EQ(foreign.error().code, Code::kEnvironment);
  EXPECT_THAT(foreign.error().message, HasSubstr("this machine is"));

  // A configuration that claims another layer's diff_id must not poison that layer's entry.
  const auto honest = make_image({Tar().file("f", "1").bytes()});
  const LyingImage image(*honest);
  const auto poisoned = store().obtain(image, progress_);
  ASSERT_FALSE(poisoned);
  EXPECT_EQ(poisoned.error().code, Code::kBadInput);
  EXPECT_FALSE(must(store().find(must(RootStore::key_of(image)))));
}

TEST_F(RootStoreTest, ManyAtOnceEndWithOneCopy) {
  const auto image = make_image({many_files(300)});
  const RootStore roots = store();
  constexpr int kProcesses = 24;
  std::vector<pid_t> children;
  for (int i = 0; i < kProcesses; ++i) {
    const pid_t pid = ::fork();
    ASSERT_GE(pid, 0);
    if (pid == 0) {
      const auto root = roots.obtain(*image, progress_);
      ::_exit(!root ? 9 : root->unpacked_now ? 1 : 0);
    }
    children.push_back(pid);
  }
  int unpacked = 0;
  for (const pid_t pid : children) {
    int status = 0;
    ASSERT_EQ(::waitpid(pid, &status, 0), pid);
    ASSERT_TRUE(WIFEXITED(status));
    ASSERT_LE(WEXITSTATUS(status), 1);
    unpacked += WEXITSTATUS(status);
  }
  EXPECT_EQ(unpacked, 1);
  const std::string key = must(RootStore::key_of(*image));
  EXPECT_THAT(names(), testing::ElementsAre("." + key + ".lock", key));
  must(roots.verify(key, progress_));
}

TEST_F(RootStoreTest, KilledAtAnyPointLeavesNothingHalfMade) {
  const auto image = make_image({many_files(400)});
  const RootStore roots = store();
  const std::string key = must(RootStore::key_of(*image));
  int unfinished = 0;
  for (int i = 0; i < 25; ++i) {
    const pid_t pid = ::fork();
    ASSERT_GE(pid, 0);
    if (pid == 0) {
      ::_exit(roots.obtain(*image, progress_) ? 0 : 9);
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(1 + i * 3));
    ::kill(pid, SIGKILL);
    int status = 0;
    ASSERT_EQ(::waitpid(pid, &status, 0), pid);
    const auto there = must(roots.find(key));
    if (!there) {
      ++unfinished;
      continue;
    }
    must(roots.verify(key, progress_));
  }
  EXPECT_GT(unfinished, 0);
  const RootFs root = must(roots.obtain(*image, progress_));
  must(roots.verify(key, progress_));
  // The next one removes what the killed ones left behind.
  EXPECT_THAT(names(), testing::ElementsAre("." + key + ".lock", key));
}

}  // namespace
}  // namespace flense::launch

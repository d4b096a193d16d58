// The program to be started, against what was unpacked.
#include "launch/rootfs/programs.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "image/layers/testing_image.h"
#include "image/model/platform.h"
#include "launch/container/start_check.h"

namespace flense::launch {
namespace {

using image::fixture::must;
using image::fixture::Oci;
using image::fixture::Tar;
using image::fixture::TempDir;
using testing::HasSubstr;

class RootPrograms : public testing::Test {
 protected:
  void SetUp() override {
    Oci oci;
    Tar tar;
    tar.dir("usr").dir("usr/bin").file("usr/bin/tool", "#!tool", 0755).file("usr/bin/data", "d");
    tar.symlink("bin", "usr/bin").symlink("usr/bin/name", "tool").file("usr/bin/dash", "#!x", 0711);
    for (int i = 0; i < 200; ++i) tar.file(fmt::format("usr/bin/{}", i), "#!", 0755);
    oci.add(oci.image({{tar.bytes(), codec::Compression::kNone, "COPY"}},
                      image::host_platform().architecture));
    image::fixture::write_files(work_ / "image", oci.all());
    image_ = must(image::open_image((work_ / "image").string(), {}));
    unpack();
  }
  void unpack() {
    root_.emplace(must(must(RootStore::open(work_ / "roots")).obtain(*image_, progress_)));
  }
  /// "" when all is well.
  std::string check(const std::string& program, const std::vector<OciMount>& mounts = {}) {
    ContainerPaths paths(root_->directory.get());
    for (const OciMount& mount : mounts) paths.mount(mount);
    const CommandCheck command =
        must(check_command(paths, {program, "x"}, {"PATH=/sbin:/bin"}, "/usr"));
    const auto result = check_programs(*root_, command.looked);
    return result ? "" : result.error().message;
  }
  std::filesystem::path at(const std::string& path) { return root_->path / path; }

  TempDir work_;
  Progress progress_{false, 0};
  std::unique_ptr<const image::Image> image_;
  std::optional<RootFs> root_;
};

TEST_F(RootPrograms, WhatWasUnpackedIsFine) {
  for (const char* program : {"tool", "/bin/tool", "/usr/bin/name", "bin/name", "dash", "0", "199",
                              "data", "/usr/bin", "nosuch", "/no/such", ""})
    EXPECT_EQ(check(program), "") << program;
}

TEST_F(RootPrograms, EveryChangeIsSeenThroughLinks) {
  const auto after = [&](const std::function<void()>& change) {
    change();
    const std::string said = check("name");
    EXPECT_FALSE(std::filesystem::exists(root_->path.parent_path() / "entry.json")) << said;
    root_.reset();
    unpack();
    EXPECT_TRUE(root_->unpacked_now) << said;
    EXPECT_EQ(check("name"), "");
    return said;
  };
  EXPECT_THAT(after([&] { std::filesystem::resize_file(at("usr/bin/tool"), 3); }),
              HasSubstr("usr/bin/tool has another size"));
  EXPECT_THAT(after([&] { ::chmod(at("usr/bin/tool").c_str(), 0700); }),
              HasSubstr("usr/bin/tool has another mode"));
  EXPECT_THAT(after([&] { ::utimensat(AT_FDCWD, at("usr/bin/tool").c_str(), nullptr, 0); }),
              HasSubstr("usr/bin/tool has another time"));
  EXPECT_THAT(after([&] {
                std::filesystem::remove(at("usr/bin/tool"));
                std::filesystem::create_directory(at("usr/bin/tool"));
              }),
              HasSubstr("usr/bin/tool has another type"));
  EXPECT_THAT(after([&] {
                std::filesystem::remove(at("usr/bin/name"));
                std::filesystem::create_symlink("new", at("usr/bin/name"));
                std::filesystem::copy_file(at("usr/bin/tool"), at("usr/bin/new"));
              }),
              HasSubstr("usr/bin/new was not unpacked"));
  EXPECT_THAT(after([&] { std::filesystem::remove(root_->path.parent_path() / kProgramsName); }),
              HasSubstr("its record of programs is missing"));
}

TEST_F(RootPrograms, WhatIsMissingAndWhatIsMountedOver) {
  std::filesystem::remove(at("usr/bin/tool"));
  EXPECT_EQ(check("tool", {{"/bin", "bind", "/somewhere", {}}}), "");
  EXPECT_THAT(check("tool"), HasSubstr("usr/bin/tool is missing"));
}

TEST_F(RootPrograms, ADirectoryWhereItLiesHasNoRecord) {
  std::filesystem::create_directories(work_ / "tree/bin");
  image::fixture::write_file(work_ / "tree/bin/tool", "#!");
  root_.emplace(must(RootStore::in_place(work_ / "tree")));
  EXPECT_EQ(check("tool"), "");
}

TEST_F(RootPrograms, AnEntryThatOthersCanReachIsRefused) {
  const std::filesystem::path entry = root_->path.parent_path();
  ::chmod(entry.c_str(), 0710);
  const auto found = must(RootStore::open(work_ / "roots")).find(root_->key);
  ASSERT_FALSE(found);
  EXPECT_EQ(found.error().code, Code::kEnvironment);
  EXPECT_THAT(found.error().message, HasSubstr("others can reach"));
}

}  // namespace
}  // namespace flense::launch

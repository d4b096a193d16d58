// Where the paths of a container lead, and what is refused before anything is started.
#include "launch/container/start_check.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <fstream>

#include "support/temp_dir.h"

namespace flense::launch {
namespace {

using State = ContainerPlace::State;
using ::testing::HasSubstr;

class Container : public ::testing::Test {
 protected:
  Container() {
    for (const char* folder : {"bin", "etc", "proc", "sys", "dev", "srv/app", "data", "closed"})
      std::filesystem::create_directories(root() / folder);
    std::filesystem::create_directories(top_ / "host/deep");
    program("bin/tool",
            "\x7f"
            "ELF");
    write(root() / "etc/plain", "text");
    link("srv/loop", "loop");
    link("srv/out", "../../../proc/self/fd/5");
    link("srv/far", "/srv/app");
    link("srv/dev", "/dev/fd/3");
    link("host-link", "/mnt/host/back");
    link_at(top_ / "host/back", "/proc/1/root");
    link_at(top_ / "host/fine", "/srv/app");
    root_ = UniqueFd(::open(root().c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  }
  std::filesystem::path root() const { return top_ / "root"; }
  static void write(const std::filesystem::path& path, std::string_view text) {
    std::ofstream(path, std::ios::binary) << text;
  }
  void program(const std::string& path, std::string_view text) const {
    write(root() / path, text);
    ::chmod((root() / path).c_str(), 0755);
  }
  static void link_at(const std::filesystem::path& path, const std::string& target) {
    std::filesystem::create_symlink(target, path);
  }
  void link(const std::string& path, const std::string& target) const {
    link_at(root() / path, target);
  }
  std::vector<OciMount> mounts() const {
    return {{"/proc", "proc", "proc", {}},
            {"/dev", "tmpfs", "tmpfs", {}},
            {"/dev/pts", "devpts", "devpts", {}},
            {"/mnt/host", "bind", (top_ / "host").string(), {}},
            {"/scratch", "tmpfs", "tmpfs", {}}};
  }
  ContainerPaths paths() const {
    auto out = check_mounts(root_.get(), mounts());
    EXPECT_TRUE(out) << out.error().message;
    return *std::move(out);
  }
  std::string refused_mount(const std::string& target, const std::string& source) const {
    const auto out = check_mounts(root_.get(), {{target, "bind", source, {}}});
    return out ? std::string() : out.error().message;
  }
  CommandCheck command(const std::string& name) const {
    auto out = check_command(paths(), {name}, {"PATH=/bin:etc"}, "/");
    EXPECT_TRUE(out) << out.error().message;
    return out.value_or(CommandCheck{});
  }
  std::string refused_command(const std::string& name) const {
    const auto out = check_command(paths(), {name}, {"PATH=/bin"}, "/");
    return out ? std::string() : out.error().message;
  }

  testing::TempDir top_;
  UniqueFd root_;
};

TEST_F(Container, LinksAreFollowedInTheContainer) {
  const ContainerPaths paths = this->paths();
  const auto leads = [&](const char* path) { return paths.find(path); };
  EXPECT_EQ(leads("/srv/far/../app").path, "/srv/app");
  EXPECT_EQ(leads("/").path, "/");
  EXPECT_EQ(leads("/../..").kind, FileKind::kDirectory);
  EXPECT_EQ(leads("/srv/loop").state, State::kLoop);
  EXPECT_EQ(leads("/nowhere/x").state, State::kMissing);
  EXPECT_EQ(leads("/etc/plain/x").state, State::kBelowFile);
  EXPECT_EQ(leads("/mnt").kind, FileKind::kDirectory);
  EXPECT_EQ(leads("/mnt/host/deep").kind, FileKind::kDirectory);
  EXPECT_EQ(leads("/mnt/host/fine").path, "/srv/app");
  EXPECT_EQ(leads("/scratch/x").state, State::kMissing);
  EXPECT_EQ(leads("/dev/pts/0").state, State::kUnknown);
}

TEST_F(Container, EveryWayIntoProcIsTold) {
  const ContainerPaths paths = this->paths();
  for (const char* way : {"/proc", "/proc/self/fd/5", "/srv/out", "/srv/out/../x", "/srv/dev",
                          "/dev/fd/5", "/dev/stdin", "/host-link", "/mnt/host/back/etc",
                          "/srv/../proc/1/cwd", "//proc//self", "/srv/./../proc/self"})
    EXPECT_EQ(paths.find(way).state, State::kProc) << way;
}

TEST_F(Container, WorkingDirectories) {
  const ContainerPaths paths = this->paths();
  EXPECT_EQ(check_directory(paths, "/srv/far").value_or(""), "/srv/app");
  for (const auto& [path, why] :
       std::map<std::string, std::string>{{"/srv/out", "leads to /proc/self/fd/5"},
                                          {"/proc/self/fd/5", "is in /proc"},
                                          {"/nowhere", "is not in the image"},
                                          {"/etc/plain", "is not a directory"},
                                          {"/srv/loop", "loop of links"}}) {
    const auto out = check_directory(paths, path);
    ASSERT_FALSE(out) << path;
    EXPECT_THAT(out.error().message, HasSubstr(why));
  }
}

TEST_F(Container, MountTargets) {
  const std::string host = (top_ / "host").string();
  EXPECT_EQ(refused_mount("/srv/far", host), "");
  EXPECT_THAT(refused_mount("/srv/out", host), HasSubstr("leads to /proc/self/fd/5"));
  EXPECT_THAT(refused_mount("/etc/plain", host), HasSubstr("has a file there"));
  EXPECT_THAT(refused_mount("/srv/app", host + "/../root/etc/plain"),
              HasSubstr("has a directory there"));
  std::filesystem::remove(root() / "dev");
  link("dev", "/srv");
  EXPECT_THAT(refused_mount("/dev", host), HasSubstr("a link to /srv in the place of /dev"));
}

TEST_F(Container, Commands) {
  program("bin/script", "#!/bin/tool -x\n");
  program("bin/nope", "#!/nope\n");
  program("bin/deep", "#! /bin/script\n");
  program("bin/env", "#!/srv/loop\n");
  program("bin/text", "words\n");
  link("bin/self", "/proc/self/exe");
  program("bin/by-self", "#!/proc/self/exe\n");
  EXPECT_EQ(command("tool").state, CommandState::kFound);
  EXPECT_THAT(command("tool").looked, ::testing::ElementsAre("/bin/tool"));
  EXPECT_EQ(command("script").state, CommandState::kFound);
  EXPECT_EQ(command("deep").state, CommandState::kFound);
  EXPECT_EQ(command("missing").state, CommandState::kMissing);
  EXPECT_EQ(command("/etc/plain/x").state, CommandState::kMissing);
  for (const auto& [name, why] :
       std::map<std::string, std::string>{{"nope", "its interpreter /nope: is not there"},
                                          {"env", "its interpreter /srv/loop: too many links"},
                                          {"text", "it is not a program"},
                                          {"plain", "permission denied"},
                                          {"/bin", "it is a directory"},
                                          {"/srv/loop", "too many links"}}) {
    EXPECT_EQ(command(name).state, CommandState::kNotExecutable) << name;
    EXPECT_EQ(command(name).reason, why) << name;
  }
  EXPECT_THAT(refused_command("self"), HasSubstr("leads to /proc/self/exe"));
  EXPECT_THAT(refused_command("by-self"), HasSubstr("the interpreter /proc/self/exe is in /proc"));
  EXPECT_THAT(refused_command("/proc/self/fd/5/sh"), HasSubstr("is in /proc"));
}

}  // namespace
}  // namespace flense::launch

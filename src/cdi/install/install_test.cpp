// Installing, installing again, changes by others in between, and removing.
#include "cdi/install/install.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <thread>

#include "cdi/spec/testing_spec.h"
#include "host/testing_tree.h"

namespace flense::cdi {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr const char* kRecord = "/var/lib/flense/cdi-install.json";
constexpr const char* kSpec = "/etc/cdi/flense-vendor.com-gpu.json";
constexpr const char* kDaemon = "/etc/docker/daemon.json";

class CdiInstall : public ::testing::Test {
 protected:
  static Installation docker() {
    Installation out;
    out.engine = "docker";
    out.specs = {{kSpec, spec_text(testing::small_spec(), Format::kJson)}};
    out.plan.edits = {{kDaemon, Syntax::kJson, "", {{{"features"}, "cdi", text::Json(true)}}}};
    return out;
  }
  InstallReport installed(const Installation& what) const {
    const auto report = install(what, files_, kRecord);
    EXPECT_TRUE(report) << (report ? "" : render(report.error()));
    return report.value_or(InstallReport{});
  }
  InstallReport taken_back(const std::string& engine) const {
    const auto report = uninstall(engine, files_, kRecord);
    EXPECT_TRUE(report) << (report ? "" : render(report.error()));
    return report.value_or(InstallReport{});
  }
  std::string text(const std::string& path) const {
    return files_.read(path).value().value_or("(none)");
  }
  void put(const std::string& path, std::string_view content) const {
    tree_.file(path.substr(1), content);
  }
  /// Every file and directory below the root.
  std::vector<std::string> everything() const {
    std::vector<std::string> out;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(tree_.top()))
      out.push_back(std::filesystem::relative(entry.path(), tree_.top()).string());
    std::ranges::sort(out);
    return out;
  }

  host::testing::ScratchTree tree_;
  HostFiles files_{tree_.top()};
};

TEST_F(CdiInstall, ComesBackToTheSameBytes) {
  const std::string before = "{ \"features\" : { \"containerd-snapshotter\":true } }";
  put(kDaemon, before);
  ::chmod((tree_.top() / "etc/docker/daemon.json").c_str(), 0640);
  const auto at_first = everything();
  installed(docker());
  EXPECT_THAT(text(kDaemon), HasSubstr("containerd-snapshotter"));
  EXPECT_THAT(text(kDaemon), HasSubstr("\"cdi\""));
  struct stat status{};
  ::stat((tree_.top() / "etc/docker/daemon.json").c_str(), &status);
  EXPECT_EQ(status.st_mode & 07777U, 0640U);
  ::stat((tree_.top() / "var/lib/flense/cdi-install.json").c_str(), &status);
  EXPECT_EQ(status.st_mode & 07777U, 0600U);
  EXPECT_THAT(installed(docker()).changed, IsEmpty());
  taken_back("docker");
  EXPECT_EQ(text(kDaemon), before);
  auto after = everything();
  std::erase_if(after, [](const std::string& path) { return path.starts_with("var"); });
  EXPECT_EQ(after, at_first);
}

TEST_F(CdiInstall, WhatWasNotThereIsGoneAgain) {
  installed(docker());
  taken_back("docker");
  EXPECT_THAT(everything(), ::testing::ElementsAre("var", "var/lib"));
  const auto again = uninstall("docker", files_, kRecord);
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().code, Code::kEnvironment);
}

TEST_F(CdiInstall, ChangesOfOthersStay) {
  put(kDaemon, R"({"debug":false})");
  installed(docker());
  put(kDaemon, R"({"debug":true,"features":{"cdi":true,"x":1},"mtu":9000})");
  // A second installation does not mistake their changes for its own.
  installed(docker());
  taken_back("docker");
  EXPECT_EQ(text(kDaemon), R"({"debug":true,"features":{"x":1},"mtu":9000})");
}

TEST_F(CdiInstall, AnotherDecisionOfOthersStays) {
  put(kDaemon, R"({"features":{"cdi":false}})");
  installed(docker());
  EXPECT_EQ(text(kDaemon), R"({"features":{"cdi":true}})");
  put(kDaemon, R"({"features":{"cdi":"maybe"}})");
  taken_back("docker");
  EXPECT_EQ(text(kDaemon), R"({"features":{"cdi":"maybe"}})");
  put(kDaemon, R"({"features":{"cdi":false}})");
  installed(docker());
  put(kDaemon, R"({"features":{"cdi":true},"a":1})");
  taken_back("docker");
  EXPECT_EQ(text(kDaemon), R"({"features":{"cdi":false},"a":1})");
}

TEST_F(CdiInstall, TomlIsTakenBackLineByLine) {
  Installation what = docker();
  what.engine = "containerd";
  what.plan.edits = {{"/etc/containerd/config.toml",
                      Syntax::kToml,
                      "version = 2\n",
                      {{{"plugins", "cri"}, "enable_cdi", text::Json(true)}}}};
  const std::string before = "version = 2 # v\n[plugins.cri]\n  a = 1\n";
  put("/etc/containerd/config.toml", before);
  installed(what);
  EXPECT_EQ(text("/etc/containerd/config.toml"),
            "version = 2 # v\n[plugins.cri]\n  enable_cdi = true\n  a = 1\n");
  put("/etc/containerd/config.toml", text("/etc/containerd/config.toml") + "  b = 2 # new\n");
  taken_back("containerd");
  EXPECT_EQ(text("/etc/containerd/config.toml"), before + "  b = 2 # new\n");
}

TEST_F(CdiInstall, ATableGoesAsItCame) {
  constexpr const char* kHosts = "/etc/hosts.toml";
  Installation what = docker();
  what.specs = {};
  what.plan.edits = {{kHosts, Syntax::kToml, "", {}, TableEdit{{"host", "ours"}, {{"a", 1}}, "n"}}};
  installed(what);
  EXPECT_EQ(text(kHosts), "# n\n[host.ours]\n  a = 1\n");
  taken_back("docker");
  EXPECT_EQ(text(kHosts), "(none)");
  put(kHosts, "[host.theirs]\n");
  installed(what);
  put(kHosts, "# more\n" + text(kHosts));
  const InstallRecord record = read_record(files_, kRecord).value();
  EXPECT_EQ(read_without(record.engines.at("docker"), files_, kHosts).value(),
            "# more\n[host.theirs]\n");
  taken_back("docker");
  EXPECT_EQ(text(kHosts), "# more\n[host.theirs]\n");
  installed(what);
  put(kHosts, "[host.ours]\n  a = 2\n");
  EXPECT_THAT(taken_back("docker").notices, Contains(HasSubstr("is left as it is")));
  EXPECT_EQ(text(kHosts), "[host.ours]\n  a = 2\n");
}

TEST_F(CdiInstall, AFileOfTwoEnginesStaysForTheOther) {
  Installation podman = docker();
  podman.engine = "podman";
  podman.plan = {};
  installed(docker());
  installed(podman);
  EXPECT_THAT(taken_back("docker").notices, Contains(HasSubstr("another engine uses it")));
  EXPECT_NE(text(kSpec), "(none)");
  taken_back("podman");
  EXPECT_EQ(text(kSpec), "(none)");
  EXPECT_THAT(everything(), ::testing::ElementsAre("var", "var/lib"));
}

TEST_F(CdiInstall, OurNameTakenBySomebodyElseIsLeftAlone) {
  put(kSpec, "{}");
  const auto report = install(docker(), files_, kRecord);
  ASSERT_FALSE(report);
  EXPECT_THAT(report.error().message, HasSubstr("flense did not write it"));
  EXPECT_EQ(text(kSpec), "{}");
  EXPECT_EQ(text(kDaemon), "(none)");
}

TEST_F(CdiInstall, UnitsComeAndGo) {
  Installation what = docker();
  what.units = refresh_units("/usr/bin/flense", {{"nvidia", "", kSpec}}, false, "");
  installed(what);
  EXPECT_THAT(text("/etc/systemd/system/flense-cdi-refresh.service"),
              HasSubstr("ExecStart=\"/usr/bin/flense\" cdi generate --mode nvidia --output "
                        "\"/etc/cdi/flense-vendor.com-gpu.json\"\n"));
  EXPECT_EQ(files_.link_text("/etc/systemd/system/timers.target.wants/flense-cdi-refresh.timer"),
            "../flense-cdi-refresh.timer");
  EXPECT_THAT(text("/etc/udev/rules.d/71-flense-cdi-refresh.rules"), HasSubstr("nvidia_uvm"));
  put("/etc/systemd/system/flense-cdi-refresh.timer", "[Timer]\nOnBootSec=5min\n");
  EXPECT_THAT(taken_back("docker").notices, Contains(HasSubstr("somebody else has changed it")));
  EXPECT_EQ(text("/etc/systemd/system/flense-cdi-refresh.service"), "(none)");
  EXPECT_EQ(text("/etc/systemd/system/flense-cdi-refresh.timer"), "[Timer]\nOnBootSec=5min\n");
}

TEST_F(CdiInstall, LinksAreFollowedInsideTheRoot) {
  tree_.link("etc/docker", "/opt/docker");
  std::filesystem::create_directories(tree_.top() / "opt/docker");
  put("/opt/docker/real.json", R"({"a":1})");
  tree_.link("opt/docker/daemon.json", "real.json");
  installed(docker());
  EXPECT_THAT(text("/opt/docker/real.json"), HasSubstr("\"cdi\""));
  EXPECT_EQ(files_.link_text("/opt/docker/daemon.json"), "real.json");
  taken_back("docker");
  EXPECT_EQ(text("/opt/docker/real.json"), R"({"a":1})");
  EXPECT_FALSE(std::filesystem::exists("/opt/docker/daemon.json"));
}

/// An installation that puts an item into a list and a key beside it.
Installation listed() {
  Installation out;
  out.engine = "buildkit";
  out.plan.edits = {{"/etc/b.toml",
                     Syntax::kToml,
                     "",
                     {{{"registry", "a.io"}, "mirrors", text::Json("ours"), true},
                      {{"registry", "ours"}, "http", text::Json(true)}}}};
  return out;
}

TEST_F(CdiInstall, AnItemOfAListComesAndGoesAlone) {
  constexpr const char* kFile = "/etc/b.toml";
  const std::string before =
      "[registry.'a.io']\n  mirrors = [ # near\n    'a', # first\n    \"b\",\n  ]\n";
  put(kFile, before);
  installed(listed());
  EXPECT_THAT(text(kFile), HasSubstr("[\"ours\",  # near\n    'a', # first\n"));
  EXPECT_THAT(installed(listed()).changed, IsEmpty());
  // Changes of others elsewhere, and within the list.
  put(kFile, "# top\n" + text(kFile));
  taken_back("buildkit");
  EXPECT_EQ(text(kFile), "# top\n" + before);
  for (const std::string& first :
       std::vector<std::string>{"[registry.'a.io']\n  mirrors = ['a']\n", ""}) {
    put(kFile, first);
    installed(listed());
    std::string now = text(kFile);
    now.insert(now.find("]\n", now.find("mirrors")), ", 'new'");
    put(kFile, now);
    EXPECT_THAT(taken_back("buildkit").notices, IsEmpty());
    EXPECT_THAT(text(kFile), ::testing::Not(HasSubstr("ours")));
    EXPECT_THAT(text(kFile), HasSubstr("'new']"));
  }
}

TEST_F(CdiInstall, WhatSomebodyElseSetSinceIsTold) {
  put("/etc/b.toml", "[registry.ours]\n  x = 1\n");
  installed(listed());
  std::string now = text("/etc/b.toml");
  now.replace(now.find("http = true"), 11, "http = 'x'");
  put("/etc/b.toml", now);
  EXPECT_THAT(taken_back("buildkit").notices, Contains(HasSubstr("http of [registry.ours] stays")));
}

TEST_F(CdiInstall, HalfDoneWorkIsNobodyElses) {
  constexpr const char* kHosts = "/etc/certs.d/a/hosts.toml";
  Installation what = docker();
  what.specs = {};
  what.plan.edits = {
      {kHosts, Syntax::kToml, "", {}, TableEdit{{"host", "ours"}, {{"a", 1}, {"b", 2}}, "n"}}};
  const std::string theirs = "[host.theirs]\n";
  put(kHosts, theirs);
  installed(what);
  const InstallRecord record = read_record(files_, kRecord).value();
  // Killed between the record and the file; and somebody wrote into that file then.
  for (const std::string& now : {theirs, theirs + "# more\n"}) {
    put(kHosts, now);
    put("/etc/certs.d/a/.hosts.toml.flense-aBcDeF", "half");
    EXPECT_EQ(read_without(record.engines.at("docker"), files_, kHosts).value(), now);
    ASSERT_TRUE(reinstall(what, files_, kRecord));
    EXPECT_THAT(text(kHosts), HasSubstr("host.ours"));
    taken_back("docker");
    EXPECT_EQ(text(kHosts), now);
    EXPECT_THAT(files_.list("/etc/certs.d/a"), ::testing::ElementsAre("hosts.toml"));
    installed(what);
  }
  // Killed before anything was there, with directories made and a file half written.
  taken_back("docker");
  std::filesystem::remove_all(tree_.top() / "etc");
  installed(what);
  files_.remove(kHosts).value();
  put("/etc/certs.d/a/.hosts.toml.flense-AbCdEf", "half");
  taken_back("docker");
  EXPECT_THAT(everything(), ::testing::ElementsAre("var", "var/lib"));
}

TEST_F(CdiInstall, ALinkToNothingIsNotReplaced) {
  std::filesystem::create_directories(tree_.top() / "etc/docker");
  tree_.link("etc/docker/daemon.json", "elsewhere.json");
  const auto before = everything();
  const auto report = install(docker(), files_, kRecord);
  ASSERT_FALSE(report);
  EXPECT_EQ(report.error().code, Code::kEnvironment);
  EXPECT_THAT(report.error().message, HasSubstr("is a link to elsewhere.json, where nothing is"));
  EXPECT_EQ(everything(), before);
  // Nor where a directory belongs.
  std::filesystem::remove_all(tree_.top() / "etc/docker");
  tree_.link("etc/docker", "/opt/docker");
  EXPECT_THAT(install(docker(), files_, kRecord).error().message, HasSubstr("where nothing is"));
  std::filesystem::remove_all(tree_.top() / "etc/docker");
  put("/etc/docker", "a file");
  EXPECT_THAT(install(docker(), files_, kRecord).error().message, HasSubstr("is no directory"));
}

TEST_F(CdiInstall, WhatFailsMidwayIsTakenBack) {
  // A directory stands where the last link belongs.
  Installation what = docker();
  what.plan.files = {{"/etc/new/drop-in.conf", "x"}};
  put("/etc/first.json", "{\"a\":1}");
  what.plan.edits.insert(what.plan.edits.begin(),
                         {"/etc/first.json", Syntax::kJson, "", {{{}, "b", text::Json(1)}}});
  what.units.links = {{"/etc/wants/unit", "../unit"}};
  put("/etc/wants/unit/in", "");
  const auto before = everything();
  const auto report = install(what, files_, kRecord);
  ASSERT_FALSE(report);
  EXPECT_THAT(report.error().message, HasSubstr("what was written before is taken back"));
  EXPECT_EQ(everything(), before);
  EXPECT_EQ(text("/etc/first.json"), "{\"a\":1}");
  // What was installed before stays as it was.
  installed(docker());
  const auto between = everything();
  ASSERT_FALSE(install(what, files_, kRecord));
  EXPECT_EQ(everything(), between);
  taken_back("docker");
  auto after = everything();
  std::erase_if(after, [](const std::string& path) { return path.starts_with("var"); });
  EXPECT_EQ(after, before);
}

TEST_F(CdiInstall, RecordsOfSeveralAtOnceAreKept) {
  constexpr int kMany = 8;
  for (int round = 0; round < 5; ++round) {
    std::vector<std::thread> all;
    for (int i = 0; i < kMany; ++i)
      all.emplace_back([&, i] {
        Installation what;
        what.engine = fmt::format("engine{}", i);
        what.plan.files = {{fmt::format("/etc/file{}", i), "x"}};
        EXPECT_TRUE(install(what, files_, kRecord));
      });
    for (std::thread& one : all) one.join();
    EXPECT_EQ(read_record(files_, kRecord).value().engines.size(), std::size_t{kMany});
    all.clear();
    for (int i = 0; i < kMany; ++i)
      all.emplace_back(
          [&, i] { EXPECT_TRUE(uninstall(fmt::format("engine{}", i), files_, kRecord)); });
    for (std::thread& one : all) one.join();
    EXPECT_THAT(everything(), ::testing::ElementsAre("var", "var/lib"));
  }
}

TEST_F(CdiInstall, ADamagedRecordIsNoLicence) {
  installed(docker());
  put(kRecord,
      R"({"schema":"flense/cdi-record/v1","engines":{"docker":{"files":[{"path":"x"}]}}})");
  EXPECT_EQ(uninstall("docker", files_, kRecord).error().code, Code::kBadInput);
  put(kRecord, "{}");
  EXPECT_EQ(uninstall("docker", files_, kRecord).error().code, Code::kBadInput);
}

}  // namespace
}  // namespace flense::cdi

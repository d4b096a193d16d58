#include "cdi/spec/spec.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <fstream>

#include "base/file.h"
#include "cdi/spec/testing_spec.h"

namespace flense::cdi {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

Spec read(const std::string& text) {
  const Result<Spec> spec = read_spec(text, "spec");
  EXPECT_TRUE(spec) << (spec ? "" : render(spec.error()));
  return spec.value_or(Spec{});
}

std::vector<std::string> rules_of(const std::string& text) {
  const auto document = read_document(text, "spec");
  EXPECT_TRUE(document) << text;
  std::vector<std::string> out;
  if (document)
    for (const Violation& violation : examine_spec(*document).violations)
      out.push_back(violation.rule);
  return out;
}

/// A valid document around `device_edits`.
std::string with_edits(const std::string& edits, const std::string& version = "1.1.0") {
  return R"({"cdiVersion":")" + version +
         R"(","kind":"vendor.com/gpu","devices":[{"name":"a","containerEdits":)" + edits + "}]}";
}

TEST(CdiSpec, EveryFieldSurvivesBothForms) {
  Spec spec = testing::full_spec();
  spec.version = "1.1.0";
  EXPECT_EQ(least_version(spec), "1.1.0");
  for (const Format format : {Format::kJson, Format::kYaml}) {
    const std::string text = spec_text(spec, format);
    EXPECT_EQ(read(text), spec) << text;
    EXPECT_EQ(spec_text(read(text), format), text);
  }
}

TEST(CdiSpec, TheLeastVersionFollowsTheFields) {
  const auto least = [](const auto& change) {
    Spec spec = testing::small_spec();
    change(spec);
    return least_version(spec);
  };
  const auto edits = [&](const auto& change) {
    return least([&](Spec& spec) { change(spec.devices[0].edits); });
  };
  EXPECT_EQ(least([](Spec&) {}), "0.3.0");
  EXPECT_EQ(least([](Spec& spec) { spec.devices[0].name = "0"; }), "0.5.0");
  EXPECT_EQ(least([](Spec& spec) { spec.kind = "v.com/a.b"; }), "0.6.0");
  EXPECT_EQ(least([](Spec& spec) { spec.annotations["a"] = "b"; }), "0.6.0");
  EXPECT_EQ(least([](Spec& spec) { spec.devices[0].annotations["a"] = "b"; }), "0.6.0");
  EXPECT_EQ(least([](Spec& spec) { spec.edits.additional_gids = {4}; }), "0.7.0");
  EXPECT_EQ(edits([](Edits& e) { e.mounts = {{"/a", "/a", "", {}}}; }), "0.3.0");
  EXPECT_EQ(edits([](Edits& e) { e.mounts = {{"/a", "/a", "none", {}}}; }), "0.4.0");
  EXPECT_EQ(edits([](Edits& e) { e.device_nodes = {testing::node("/a", "/b")}; }), "0.5.0");
  EXPECT_EQ(edits([](Edits& e) { e.intel_rdt = IntelRdt{}; }), "0.7.0");
  EXPECT_EQ(edits([](Edits& e) { e.net_devices = {{"a", "b"}}; }), "1.1.0");
  EXPECT_EQ(edits([](Edits& e) { e.intel_rdt.emplace().schemata = {"x"}; }), "1.1.0");
}

TEST(CdiSpec, ReadsWhatTheVendorsToolWrites) {
  const Spec spec = read(R"(
cdiVersion: 0.7.0
kind: nvidia.com/gpu
devices:
    - name: "0"
      containerEdits:
        deviceNodes:
            - path: /dev/nvidia0
              major: 195
              fileMode: 438
              permissions: rwm
        additionalGids:
            - 44
containerEdits:
    env:
        - NVIDIA_VISIBLE_DEVICES=void
    hooks:
        - hookName: createContainer
          path: /usr/bin/nvidia-cdi-hook
          args:
            - nvidia-cdi-hook
            - create-symlinks
            - --link
            - libcuda.so.1::/usr/lib/libcuda.so
)");
  ASSERT_EQ(spec.devices.size(), 1U);
  const DeviceNode& node = spec.devices[0].edits.device_nodes.at(0);
  EXPECT_EQ(node.major, 195);
  EXPECT_EQ(node.minor, std::nullopt);
  EXPECT_EQ(node.file_mode, 0666U);
  EXPECT_EQ(spec.edits.hooks.at(0).args.at(2), "--link");
}

TEST(CdiSpec, EachBrokenRuleHasItsName) {
  const auto device = [](const std::string& name) {
    return R"({"cdiVersion":"0.5.0","kind":"vendor.com/gpu","devices":[{"name":)" + name +
           R"(,"containerEdits":{"env":["A=b"]}}]})";
  };
  const std::vector<std::pair<std::string, std::string>> cases = {
      {R"([])", "wrong-type"},
      {device("5"), "wrong-type"},
      {device(R"("-a")"), "device-name-invalid"},
      {device(R"("a\u0000b")"), "wrong-type"},
      {R"({"cdiVersion":"0.3.0","kind":"v/g","devices":[]})", "devices-empty"},
      {R"({"cdiVersion":"0.3.0","devices":[{"name":"a","containerEdits":{"env":["A=b"]}}]})",
       "missing-field"},
      {R"({"cdiVersion":"0.3.0","kind":"0v/g","devices":[{"name":"a","containerEdits":{"env":["A=b"]}}]})",
       "kind-invalid"},
      {R"({"cdiVersion":"0.3.0","kind":"v/g_","devices":[{"name":"a","containerEdits":{"env":["A=b"]}}]})",
       "kind-invalid"},
      {R"({"cdiVersion":"0.6.0","kind":"v/g","annotations":{"a b":"c"},"devices":[{"name":"a","containerEdits":{"env":["A=b"]}}]})",
       "annotation-invalid"},
      {R"({"cdiVersion":"0.3.0","kind":"v/g","devices":[{"name":"a","containerEdits":{"env":["A=b"]}},{"name":"a","containerEdits":{"env":["A=b"]}}]})",
       "device-duplicate"},
      {with_edits("{}"), "edits-empty"},
      {with_edits(R"({"env":["A=b"]})", "0.9.0"), "version-unknown"},
      {with_edits(R"({"env":["A=b"],"mount":[]})"), "unknown-field"},
      {with_edits(R"({"env":["=b"]})"), "env-invalid"},
      {with_edits(R"({"env":["b"]})"), "env-invalid"},
      {with_edits(R"({"env":"A=b"})"), "wrong-type"},
      {with_edits(R"({"deviceNodes":[{"hostPath":"/dev/a"}]})"), "missing-field"},
      {with_edits(R"({"deviceNodes":[{"path":""}]})"), "node-invalid"},
      {with_edits(R"({"deviceNodes":[{"path":"/a","hostPath":"/b"}]})", "0.4.0"),
       "version-too-low"},
      {with_edits(R"({"deviceNodes":[{"path":"/a","type":"d"}]})"), "node-invalid"},
      {with_edits(R"({"deviceNodes":[{"path":"/a","permissions":"rwx"}]})"), "node-invalid"},
      {with_edits(R"({"deviceNodes":[{"path":"/a","major":-1}]})"), "wrong-type"},
      {with_edits(R"({"deviceNodes":[{"path":"/a","major":1.5}]})"), "wrong-type"},
      {with_edits(R"({"deviceNodes":[{"path":"/a","gid":4294967296}]})"), "wrong-type"},
      {with_edits(R"({"deviceNodes":[{"path":"/a","major":4294967296}]})"), "node-invalid"},
      {with_edits(R"({"mounts":[{"hostPath":"","containerPath":"/a"}]})"), "mount-invalid"},
      {with_edits(R"({"mounts":[{"hostPath":"/a"}]})"), "missing-field"},
      {with_edits(R"({"hooks":[{"hookName":"before","path":"/a"}]})"), "hook-invalid"},
      {with_edits(R"({"hooks":[{"hookName":"prestart","path":"a"}]})"), "hook-invalid"},
      {with_edits(R"({"hooks":[{"hookName":"prestart","path":"/a","timeout":0}]})"),
       "hook-invalid"},
      {with_edits(
           R"({"netDevices":[{"hostInterfaceName":"a","name":"b"},{"hostInterfaceName":"a","name":"c"}]})"),
       "net-device-invalid"},
      {with_edits(R"({"intelRdt":{"closID":"a/b"}})"), "intel-rdt-invalid"},
      {with_edits(R"({"intelRdt":{"enableCMT":true}})"), "unknown-field"},
  };
  for (const auto& [text, rule] : cases) {
    EXPECT_THAT(rules_of(text), ElementsAre(rule)) << text;
    EXPECT_FALSE(read_spec(text, "spec")) << text;
  }
}

TEST(CdiSpec, WhatOthersAcceptIsAccepted) {
  for (const std::string& text :
       {with_edits(R"({"env":["A="]})", "0.3.0"), with_edits(R"({"env":["A=b"]})", "0.8.0"),
        with_edits(R"({"env":["A=b"],"mounts":null})"),
        with_edits(R"({"deviceNodes":[{"path":"/a","permissions":"none"}]})"),
        with_edits(R"({"intelRdt":{"closID":"/","enableCMT":true}})", "0.7.0"),
        with_edits(R"({"mounts":[{"hostPath":"a","containerPath":"b"}]})")})
    EXPECT_THAT(rules_of(text), IsEmpty()) << text;
}

/// Rules of spec.h, whatever the machine: engines do as these documents say.
TEST(CdiSpec, EachHazardHasItsName) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {R"({"deviceNodes":[{"path":"/dev/../../etc/passwd","hostPath":"/dev/null"}]})",
       "path-leaves"},
      {R"({"deviceNodes":[{"path":"/etc/passwd","hostPath":"/dev/null"}]})", "path-leaves"},
      {R"({"deviceNodes":[{"path":"/dev","hostPath":"/dev/null"}]})", "path-leaves"},
      {R"({"deviceNodes":[{"path":"/dev//","hostPath":"/dev/null"}]})", "path-leaves"},
      {R"({"deviceNodes":[{"path":"dev/x","hostPath":"/dev/null"}]})", "path-leaves"},
      {R"({"deviceNodes":[{"path":"/dev/x","hostPath":"/dev/../etc/shadow"}]})", "path-leaves"},
      {R"({"deviceNodes":[{"path":"/dev/x","hostPath":"/etc/shadow"}]})", "path-leaves"},
      {R"({"deviceNodes":[{"path":"/dev/x","hostPath":"dev/null"}]})", "path-relative"},
      {R"({"deviceNodes":[{"path":"/dev/a\u001b[2Jb"}]})", "path-leaves"},
      {R"({"deviceNodes":[{"path":"/dev/x","hostPath":"/dev/a\nb"}]})", "control-character"},
      {R"({"mounts":[{"hostPath":"/a/../b","containerPath":"/b"}]})", "path-leaves"},
      {R"({"mounts":[{"hostPath":"/b","containerPath":"/usr/../etc"}]})", "path-leaves"},
      {R"({"mounts":[{"hostPath":"a","containerPath":"/b"}]})", "path-relative"},
      {R"({"mounts":[{"hostPath":"/a","containerPath":"b"}]})", "path-relative"},
      {R"({"mounts":[{"hostPath":"/a","containerPath":"/"}]})", "mount-unsafe"},
      {R"({"mounts":[{"hostPath":"/a","containerPath":"//dev/./"}]})", "mount-unsafe"},
      {R"({"mounts":[{"hostPath":"/a","containerPath":"/proc"}]})", "mount-unsafe"},
      {R"({"mounts":[{"hostPath":"/a","containerPath":"/proc/sys/kernel"}]})", "mount-unsafe"},
      {R"({"mounts":[{"hostPath":"/a","containerPath":"/sys"}]})", "mount-unsafe"},
      {R"({"mounts":[{"hostPath":"/a","containerPath":"/sys/fs/cgroup"}]})", "mount-unsafe"},
      {R"({"mounts":[{"hostPath":"proc","containerPath":"/p","type":"proc"}]})", "mount-unsafe"},
      {R"({"mounts":[{"hostPath":"/a","containerPath":"/b","options":["rbind","suid"]}]})",
       "mount-unsafe"},
      {R"({"mounts":[{"hostPath":"/a","containerPath":"/b","options":["rshared"]}]})",
       "mount-unsafe"},
      {R"({"mounts":[{"hostPath":"/a","containerPath":"/b","options":["a\tb"]}]})",
       "control-character"},
      {R"({"hooks":[{"hookName":"prestart","path":"/usr/bin/../../tmp/x"}]})", "path-leaves"},
      {R"({"env":["A\u0007=b"]})", "control-character"},
      {R"({"netDevices":[{"hostInterfaceName":"eth0","name":"../x"}]})", "path-leaves"},
  };
  for (const auto& [edits, rule] : cases) {
    const std::string text = with_edits(edits);
    const ExaminedSpec examined = examine_spec(text::parse_json(text, "it").value());
    EXPECT_THAT(examined.violations, IsEmpty()) << text;
    std::vector<std::string> rules;
    for (const Violation& one : hazards_of(examined.spec)) rules.push_back(one.rule);
    EXPECT_THAT(rules, ElementsAre(rule)) << text;
    const auto read = read_spec(text, "it");
    ASSERT_FALSE(read) << text;
    EXPECT_THAT(read.error().message, HasSubstr("not a harmless CDI specification"));
  }
}

TEST(CdiSpec, WhatVendorsWriteIsNoHazard) {
  for (
      const char* edits :
      {R"({"deviceNodes":[{"path":"/dev/dri/by-path/pci-0000:01:00.0-card","hostPath":"/run/nvidia/driver/dev/dri/card0"}]})",
       R"({"deviceNodes":[{"path":"/dev/./nvidia0"},{"path":"/dev/a..b"}]})",
       R"({"mounts":[{"hostPath":"/a","containerPath":"/proc/driver/nvidia/params","options":["ro","nosuid","nodev","rbind","rprivate","noexec"]}]})",
       R"({"mounts":[{"hostPath":"tmpfs","containerPath":"/dev/shm","type":"tmpfs"}]})",
       R"({"mounts":[{"hostPath":"/dev/infiniband","containerPath":"/dev/infiniband"}]})",
       R"({"mounts":[{"hostPath":"/sys/class/x","containerPath":"/sys/class/x"}]})",
       R"({"env":["PS1=\u001b[1m$ "]})"})
    EXPECT_TRUE(read_spec(with_edits(edits), "it")) << edits;
}

TEST(CdiSpec, AnErrorNamesFileAndPlace) {
  const auto spec = read_spec(with_edits(R"({"env":["b"]})"), "/etc/cdi/x.json");
  ASSERT_FALSE(spec);
  EXPECT_EQ(spec.error().code, Code::kBadInput);
  EXPECT_THAT(spec.error().message,
              HasSubstr("/etc/cdi/x.json is not a valid CDI specification: "
                        "$.devices[0].containerEdits.env[0]: 'b' is not NAME=VALUE"));
  EXPECT_THAT(render(read_spec("{\"a\":1,,}", "x").error()), HasSubstr("line 1, column 8"));
  EXPECT_THAT(render(read_spec("a: 1\na: 2\n", "x").error()), HasSubstr("line 2, column 1"));
}

TEST(CdiSpec, ViolationsAreCapped) {
  std::string env = "[\"x\"";
  for (int i = 1; i < 4096; ++i) env += ",\"x\"";
  EXPECT_EQ(rules_of(with_edits("{\"env\":" + env + "]}")).size(), 100U);
  // Nobody compares more than that with one another.
  const std::string more = with_edits("{\"env\":" + env + ",\"x\"]}");
  EXPECT_THAT(read_spec(more, "it").error().message, HasSubstr("at most 4096 items"));
}

TEST(CdiSpec, QualifiedNames) {
  const auto name = parse_qualified_name("nvidia.com/gpu=0:1");
  ASSERT_TRUE(name);
  EXPECT_EQ(*name, (QualifiedName{"nvidia.com", "gpu", "0:1"}));
  EXPECT_EQ(name->kind(), "nvidia.com/gpu");
  for (const char* text : {"", "/dev/nvidia0", "/dev/x=y", "nvidia.com/gpu", "gpu=0",
                           "a/b=", "a/b=-", "a/b/c=0", "a/=0", "1a/b=0"})
    EXPECT_FALSE(parse_qualified_name(text)) << text;
}

class CdiWrite : public ::testing::Test {
 protected:
  CdiWrite() {
    std::filesystem::remove_all(dir_);
    std::filesystem::create_directories(dir_);
  }
  ~CdiWrite() override { std::filesystem::remove_all(dir_); }
  std::filesystem::path dir_ = std::filesystem::path(::testing::TempDir()) /
                               (std::string("flense-cdi-") +
                                ::testing::UnitTest::GetInstance()->current_test_info()->name());
};

TEST_F(CdiWrite, MakesDirectoriesAndAReadableFile) {
  const auto path = dir_ / "etc" / "cdi" / "vendor.json";
  ASSERT_TRUE(write_spec(testing::small_spec(), path, Format::kJson));
  struct stat status{};
  ASSERT_EQ(::stat(path.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777U, 0644U);
  const auto text = read_spec_text(path);
  ASSERT_TRUE(text);
  EXPECT_EQ(text->text, spec_text(testing::small_spec(), Format::kJson));
  EXPECT_EQ(text->distrust, "");
  // Nothing else lies there that an engine could read.
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(path.parent_path()), {}), 1);
}

TEST_F(CdiWrite, RefusesWhatNoEngineWouldRead) {
  for (const char* name : {"a.yml", "a.txt", "a"}) {
    const auto written = write_spec(testing::small_spec(), dir_ / name, Format::kYaml);
    ASSERT_FALSE(written) << name;
    EXPECT_EQ(written.error().code, Code::kUsage);
  }
  EXPECT_EQ(write_spec(testing::small_spec(), dir_ / "a.json", Format::kYaml).error().code,
            Code::kUsage);
  Spec broken = testing::small_spec();
  broken.devices.clear();
  EXPECT_EQ(write_spec(broken, dir_ / "a.json", Format::kJson).error().code, Code::kBadInput);
  broken = testing::small_spec();
  broken.edits.device_nodes = {testing::node("/dev/../x")};
  EXPECT_EQ(write_spec(broken, dir_ / "a.json", Format::kJson).error().code, Code::kBadInput);
  EXPECT_TRUE(std::filesystem::is_empty(dir_));
}

TEST_F(CdiWrite, NobodyElseMayWriteWhatIsMade) {
  const mode_t before = ::umask(0);
  const auto written = write_spec(testing::small_spec(), dir_ / "a/cdi/v.json", Format::kJson);
  ::umask(before);
  ASSERT_TRUE(written);
  for (const char* path : {"a", "a/cdi", "a/cdi/v.json"}) {
    struct stat status{};
    ASSERT_EQ(::stat((dir_ / path).c_str(), &status), 0);
    EXPECT_EQ(distrust(status), "") << path;
  }
}

TEST_F(CdiWrite, WhoElseMayWriteIsTold) {
  struct stat status{};
  status.st_mode = S_IFREG | 0644;
  EXPECT_EQ(distrust(status), "");
  status.st_uid = ::geteuid();
  EXPECT_EQ(distrust(status), "");
  status.st_mode = S_IFREG | 0664;
  EXPECT_THAT(distrust(status), HasSubstr("has mode 0664"));
  status.st_mode = S_IFDIR | 01777;
  EXPECT_THAT(distrust(status), HasSubstr("has mode 1777"));
  status.st_mode = S_IFREG | 0600;
  status.st_uid = ::geteuid() + 7;
  EXPECT_THAT(distrust(status), HasSubstr("neither root nor the caller"));
}

TEST_F(CdiWrite, APipeIsNotWaitedFor) {
  const auto path = dir_ / "pipe.json";
  ASSERT_EQ(::mkfifo(path.c_str(), 0600), 0);
  EXPECT_THAT(read_spec_text(path).error().message, HasSubstr("not a regular file"));
}

}  // namespace
}  // namespace flense::cdi

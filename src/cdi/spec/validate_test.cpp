#include "cdi/spec/validate.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>

#include "cdi/spec/testing_spec.h"
#include "host/testing_tree.h"

namespace flense::cdi {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

std::vector<std::string> rules(const std::vector<inventory::Finding>& findings) {
  std::vector<std::string> out;
  for (const inventory::Finding& finding : findings) out.push_back(finding.rule);
  return out;
}

/// A machine with driver 570.10 and a specification that fits it.
class CdiValidate : public ::testing::Test {
 protected:
  CdiValidate() {
    tree_.file("proc/driver/nvidia/version",
               "NVRM version: NVIDIA UNIX x86_64 Kernel Module  570.10  Mon\n");
    tree_.file(
        "proc/devices",
        "Character devices:\n195 nvidia\n511 nvidia-uvm\n\nBlock devices:\n509 nvidia-uvm\n");
    tree_.file("dev/nvidia0", "c 195 0 666 0 0\n");
    tree_.file("dev/nvidia-uvm", "c 511 0 666 0 0\n");
    tree_.file("usr/lib/libcuda.so.570.10", "x");
    tree_.file("usr/bin/hook", "x");
    spec_ = testing::small_spec();
    Edits& edits = spec_.devices[0].edits;
    edits.device_nodes = {testing::node("/dev/nvidia0"), testing::node("/dev/nvidia-uvm")};
    edits.mounts = {{"/usr/lib/libcuda.so.570.10", "/usr/lib/libcuda.so.570.10", "", {"ro"}}};
    edits.hooks = {{"createContainer", "/usr/bin/hook", {}, {}, {}}};
  }
  host::Machine machine() const {
    host::Places places{tree_.top(), {}, {}, {}};
    return host::Machine(places);
  }
  std::vector<std::string> found() const { return rules(compare_with_machine(spec_, machine())); }
  DeviceNode& node(std::size_t i) { return spec_.devices[0].edits.device_nodes[i]; }
  Mount& mount() { return spec_.devices[0].edits.mounts[0]; }

  host::testing::ScratchTree tree_;
  Spec spec_;
};

TEST_F(CdiValidate, WhatFitsIsFine) {
  EXPECT_THAT(found(), IsEmpty());
}

TEST_F(CdiValidate, WhatIsGoneIsFound) {
  std::filesystem::remove(tree_.top() / "dev/nvidia0");
  std::filesystem::remove(tree_.top() / "usr/lib/libcuda.so.570.10");
  std::filesystem::remove(tree_.top() / "usr/bin/hook");
  EXPECT_THAT(found(), ElementsAre("node-missing", "path-missing", "hook-missing"));
}

TEST_F(CdiValidate, APersistedMajorThatTheKernelNoLongerHas) {
  node(1).major = 510;
  EXPECT_THAT(found(), ElementsAre("node-major-differs"));
  node(1).major = 511;
  EXPECT_THAT(found(), ElementsAre("node-major-persisted"));
  // The node in /dev may itself be stale; the kernel's list decides.
  tree_.file("dev/nvidia-uvm", "c 510 0 666 0 0\n");
  EXPECT_THAT(found(), ElementsAre("node-outdated", "node-major-persisted"));
  node(1).major = 510;
  EXPECT_THAT(found(), ElementsAre("node-outdated", "node-major-differs"));
}

TEST_F(CdiValidate, ANodeThatOpensMoreThanTheHosts) {
  tree_.file("dev/nvidia0", "c 195 0 660 0 44\n");
  EXPECT_THAT(found(), ElementsAre("node-mode-looser"));
  node(0).file_mode = 0661;
  EXPECT_THAT(found(), ElementsAre("node-mode-looser"));
  node(0).file_mode = 0640;
  EXPECT_THAT(found(), IsEmpty());
}

TEST_F(CdiValidate, LinksOfDevStayInIt) {
  const auto evidence = [&] { return compare_with_machine(spec_, machine()).at(0).evidence; };
  std::filesystem::remove(tree_.top() / "dev/nvidia0");
  tree_.file("dev/nv/a", "c 195 0 666 0 0\n");
  tree_.link("dev/nvidia0", "nv/a");
  EXPECT_THAT(found(), IsEmpty());
  std::filesystem::remove(tree_.top() / "dev/nvidia0");
  tree_.link("dev/nvidia0", "../usr/bin/hook");
  EXPECT_THAT(found(), ElementsAre("node-missing"));
  EXPECT_EQ(evidence(), "/dev/nvidia0 is a link that leads to nothing in /dev");
  std::filesystem::remove(tree_.top() / "dev/nvidia0");
  EXPECT_EQ(evidence(), "/dev/nvidia0 is not there");
  // A file is not a device, whatever type the specification gives it.
  tree_.file("dev/nvidia0", "x");
  node(0).type = "b";
  EXPECT_THAT(found(), ElementsAre("node-type-differs"));
}

TEST_F(CdiValidate, HazardsAreErrors) {
  std::string text = spec_text(spec_, Format::kJson);
  text.replace(text.find("/dev/nvidia0"), 12, "/dev/../../etc/passwd");
  tree_.file("x.json", text);
  const ValidatedFile file = validate_file(tree_.top() / "x.json", machine());
  ASSERT_EQ(file.findings.size(), 1U);
  EXPECT_EQ(file.findings[0].rule, "path-leaves");
  EXPECT_EQ(file.findings[0].severity, Severity::kError);
  EXPECT_EQ(file.findings[0].place, "$.devices[0].containerEdits.deviceNodes[0].path");
}

TEST_F(CdiValidate, WhatOthersMayWriteIsAnError) {
  const auto folder = tree_.top() / "etc/cdi";
  ASSERT_TRUE(write_spec(spec_, folder / "a.json", Format::kJson));
  ASSERT_TRUE(validate_directories({folder}, machine()).front().findings.empty());
  ::chmod((folder / "a.json").c_str(), 0666);
  EXPECT_THAT(rules(validate_directories({folder}, machine()).at(0).findings),
              ElementsAre("document-untrusted"));
  ::chmod(folder.c_str(), 0775);
  const auto files = validate_directories({folder}, machine());
  ASSERT_EQ(files.size(), 2U);
  EXPECT_EQ(files[0].path, folder);
  EXPECT_THAT(rules(files[0].findings), ElementsAre("directory-untrusted"));
  ::chmod(folder.c_str(), 0755);
}

TEST_F(CdiValidate, NumbersThatNeverChangeMayBeThere) {
  node(0).major = 195;
  EXPECT_THAT(found(), IsEmpty());
  node(0).minor = 1;
  EXPECT_THAT(found(), ElementsAre("node-minor-differs"));
  node(0) = testing::node("/dev/nvidia0", "", "b");
  EXPECT_THAT(found(), ElementsAre("node-type-differs"));
}

TEST_F(CdiValidate, LibrariesOfAnotherDriver) {
  tree_.file("usr/lib/libcuda.so.550.54.15", "x");
  mount().host_path = "/usr/lib/libcuda.so.550.54.15";
  EXPECT_THAT(found(), ElementsAre("driver-version-differs"));
  std::filesystem::remove(tree_.top() / "proc/driver/nvidia/version");
  EXPECT_THAT(found(), ElementsAre("driver-not-running"));
  // 1.2.3 of something else is not a driver version.
  tree_.file("usr/lib/libfoo.so.570.99", "x");
  mount().host_path = "/usr/lib/libfoo.so.570.99";
  EXPECT_THAT(found(), IsEmpty());
}

TEST_F(CdiValidate, FilesAndDirectories) {
  const auto path = [&](const char* name) { return tree_.top() / "etc/cdi" / name; };
  ASSERT_TRUE(write_spec(spec_, path("a.json"), Format::kJson));
  ASSERT_TRUE(write_spec(spec_, path("b.yaml"), Format::kYaml));
  tree_.file("etc/cdi/broken.json", R"({"cdiVersion":"9","kind":"a"})");
  tree_.file("etc/cdi/none.json", "{");
  const auto files = validate_directories({tree_.top() / "etc/cdi"}, machine());
  ASSERT_EQ(files.size(), 4U);
  EXPECT_THAT(rules(files[0].findings), ElementsAre("device-conflict"));
  EXPECT_EQ(files[0].kind, "vendor.com/gpu");
  EXPECT_THAT(rules(files[1].findings), ElementsAre("device-conflict"));
  EXPECT_THAT(rules(files[2].findings),
              ElementsAre("missing-field", "version-unknown", "kind-invalid"));
  EXPECT_THAT(rules(files[3].findings), ElementsAre("document-unreadable"));
  EXPECT_FALSE(files[3].readable);
}

TEST_F(CdiValidate, WhatOnlyRootMayReadAndWhatNobodyReads) {
  const auto path = tree_.top() / "etc/cdi/a.json";
  ASSERT_TRUE(write_spec(spec_, path, Format::kJson));
  ::chmod(path.c_str(), 0600);
  EXPECT_THAT(rules(validate_file(path, machine()).findings), ElementsAre("document-private"));
  const auto other = tree_.top() / "etc/cdi/a.yml";
  std::filesystem::rename(path, other);
  EXPECT_THAT(rules(validate_file(other, machine()).findings),
              ElementsAre("extension-unknown", "document-private"));
}

TEST_F(CdiValidate, AVersionHigherThanNeededIsToldOnly) {
  std::string text = spec_text(spec_, Format::kJson);
  text.replace(text.find("0.3.0"), 5, "0.8.0");
  tree_.file("x.json", text);
  const ValidatedFile file = validate_file(tree_.top() / "x.json", machine());
  ASSERT_EQ(file.findings.size(), 1U);
  EXPECT_EQ(file.findings[0].rule, "version-higher-than-needed");
  EXPECT_EQ(file.findings[0].severity, Severity::kInfo);
}

}  // namespace
}  // namespace flense::cdi

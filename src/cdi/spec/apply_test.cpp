#include "cdi/spec/apply.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cdi/spec/testing_spec.h"
#include "host/testing_tree.h"

namespace flense::cdi {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::node;
using text::Json;

/// A /dev of stand-ins: nvidia0 is 195:0.
class CdiApply : public ::testing::Test {
 protected:
  CdiApply() {
    tree_.file("dev/nvidia0", "c 195 0 666 0 0\n");
    tree_.file("dev/nvidia-uvm", "c 511 0 666 0 0\n");
  }
  host::Tree dev() const { return {tree_.top() / "dev", "/dev", true}; }

  Json applied(const Edits& edits, const std::string& config, bool rootless = false) const {
    Json json = text::parse_json(config, "config").value();
    const Result<void> done = apply(edits, dev(), {rootless}, json);
    EXPECT_TRUE(done) << (done ? "" : render(done.error()));
    return json;
  }
  Error refused(const Edits& edits, const std::string& config, bool rootless = false) const {
    const Json before = text::parse_json(config, "config").value();
    Json json = before;
    const Result<void> done = apply(edits, dev(), {rootless}, json);
    EXPECT_FALSE(done);
    EXPECT_EQ(json, before) << "a configuration is changed as a whole or not at all";
    return done ? Error{} : done.error();
  }

  host::testing::ScratchTree tree_;
};

std::vector<std::string> texts(const Json& list) {
  std::vector<std::string> out;
  for (const Json& item : list.items()) out.emplace_back(item.text());
  return out;
}

std::vector<std::string> column(const Json& list, std::string_view field) {
  std::vector<std::string> out;
  for (const Json& item : list.items()) out.emplace_back(item[field].text());
  return out;
}

TEST_F(CdiApply, EnvironmentIsReplacedOrAppended) {
  Edits edits;
  edits.env = {"B=new", "C=3", "C=4"};
  const Json config = applied(edits, R"({"process":{"env":["A=1","B=old","BB=2"]}})");
  EXPECT_THAT(texts(config["process"]["env"]), ElementsAre("A=1", "B=new", "BB=2", "C=4"));
}

TEST_F(CdiApply, ANodeIsCompletedFromTheMachine) {
  Edits edits;
  edits.device_nodes = {node("/dev/nvidia0"), node("/dev/uvm", "/dev/nvidia-uvm")};
  edits.device_nodes[1].permissions = "rw";
  const Json config =
      applied(edits, R"({"linux":{"devices":[{"path":"/dev/nvidia0","type":"c"}]}})");
  const Json expected = text::parse_json(R"({"linux":{
    "devices":[{"path":"/dev/nvidia0","type":"c","major":195,"minor":0},
               {"path":"/dev/uvm","type":"c","major":511,"minor":0}],
    "resources":{"devices":[{"allow":true,"type":"c","major":195,"minor":0,"access":"rwm"},
                            {"allow":true,"type":"c","major":511,"minor":0,"access":"rw"}]}}})",
                                         "expected")
                            .value();
  EXPECT_EQ(config, expected) << text::dump_json(config, 2);
}

TEST_F(CdiApply, NumbersOfTheSpecificationWin) {
  Edits edits;
  edits.device_nodes = {node("/dev/gone", "", "c", 240)};
  const Json config = applied(edits, "{}");
  EXPECT_EQ(config["linux"]["devices"].items().at(0)["major"].integer_or(0), 240);
  EXPECT_EQ(config["linux"]["devices"].items().at(0)["minor"].integer_or(-1), 0);
  edits.device_nodes = {node("/dev/nvidia0", "", "", 7, 9)};
  const Json other = applied(edits, "{}");
  EXPECT_EQ(other["linux"]["devices"].items().at(0)["major"].integer_or(0), 7);
  EXPECT_EQ(other["linux"]["devices"].items().at(0)["minor"].integer_or(0), 9);
}

TEST_F(CdiApply, AMissingNodeOrAnotherTypeIsAnError) {
  Edits edits;
  edits.env = {"A=1"};
  edits.device_nodes = {node("/dev/gone", "", "", 240)};
  EXPECT_EQ(refused(edits, "{}").code, Code::kEnvironment);
  EXPECT_EQ(refused(edits, "{}", true).code, Code::kEnvironment);
  edits.device_nodes = {node("/dev/nvidia0", "", "b")};
  EXPECT_THAT(refused(edits, "{}").message, HasSubstr("type c"));
}

TEST_F(CdiApply, WhatIsHazardousIsRefused) {
  Edits edits;
  edits.env = {"A=1"};
  edits.device_nodes = {node("/dev/../../etc/passwd", "/dev/nvidia0")};
  for (const bool rootless : {false, true})
    EXPECT_THAT(refused(edits, "{}", rootless).message,
                HasSubstr("'/dev/../../etc/passwd' is not a path below /dev"));
  edits.device_nodes = {node("/dev/x", "/dev/../etc/passwd")};
  EXPECT_EQ(refused(edits, "{}", true).code, Code::kBadInput);
  edits.device_nodes.clear();
  edits.mounts = {{"/a", "/proc", "", {}}};
  EXPECT_EQ(refused(edits, "{}", true).code, Code::kBadInput);
}

TEST_F(CdiApply, LinksOfDevAreBoundAsWhatTheyLeadTo) {
  tree_.link("dev/first", "nvidia0");
  tree_.link("dev/out", "../../../../../../dev/null");
  Edits edits;
  edits.device_nodes = {node("/dev/first")};
  const Json config = applied(edits, "{}", true);
  EXPECT_EQ(config["mounts"].items().at(0)["destination"].text(), "/dev/first");
  EXPECT_EQ(config["mounts"].items().at(0)["source"].text(), "/dev/nvidia0");
  edits.device_nodes = {node("/dev/out")};
  EXPECT_THAT(refused(edits, "{}", true).message,
              HasSubstr("is a link that leads to nothing in /dev"));
  // Outside /dev nobody follows them.
  tree_.link("else/dev/null", "/dev/null");
  edits.device_nodes = {node("/dev/x", (tree_.top() / "else/dev/null").string())};
  EXPECT_THAT(refused(edits, "{}", true).message, HasSubstr("is not a device node"));
}

TEST_F(CdiApply, ModeAndOwnerOfTheSpecification) {
  Edits edits;
  edits.device_nodes = {node("/dev/nvidia0")};
  edits.device_nodes[0].file_mode = 0660;
  edits.device_nodes[0].uid = 0;
  edits.device_nodes[0].gid = 44;
  const std::string user = R"({"process":{"user":{"uid":1000,"gid":100}}})";
  const Json device = applied(edits, user)["linux"]["devices"].items().at(0);
  EXPECT_EQ(device["fileMode"].integer_or(-1), 0660);
  EXPECT_EQ(device["uid"].integer_or(-1), 0);
  EXPECT_EQ(device["gid"].integer_or(-1), 44);
  // A bound node is the host's own.
  EXPECT_EQ(applied(edits, user, true).find("linux"), nullptr);
}

TEST_F(CdiApply, TheContainersUserOwnsWhatHasNoOwner) {
  Edits edits;
  edits.device_nodes = {node("/dev/nvidia0")};
  edits.device_nodes[0].gid = 0;
  const Json config = applied(edits, R"({"process":{"user":{"uid":1000,"gid":100}}})");
  const Json& device = config["linux"]["devices"].items().at(0);
  EXPECT_EQ(device["uid"].integer_or(-1), 1000);
  EXPECT_EQ(device["gid"].integer_or(-1), 0);
}

TEST_F(CdiApply, NoPermissionsIsNoRule) {
  Edits edits;
  edits.device_nodes = {node("/dev/nvidia0")};
  edits.device_nodes[0].permissions = "none";
  const Json config = applied(edits, "{}");
  EXPECT_EQ(config["linux"]["devices"].items().size(), 1U);
  EXPECT_TRUE(config["linux"]["resources"]["devices"].items().empty());
}

TEST_F(CdiApply, RootlessBindsTheNode) {
  Edits edits;
  edits.device_nodes = {node("/dev/g", "/dev/nvidia0", "c", 7)};
  const Json config = applied(edits, R"({"mounts":[{"destination":"/dev","type":"tmpfs"}]})", true);
  EXPECT_EQ(config.find("linux"), nullptr);
  const Json& mount = config["mounts"].items().at(1);
  EXPECT_EQ(mount["destination"].text(), "/dev/g");
  EXPECT_EQ(mount["source"].text(), "/dev/nvidia0");
  EXPECT_EQ(mount["type"].text(), "bind");
}

TEST_F(CdiApply, MountsReplaceTheirDestinationAndComeInDepth) {
  Edits edits;
  edits.mounts = {{"/h/deep", "/usr/lib/deep/x", "", {"ro", "rbind"}},
                  {"/h/lib", "/usr//lib/./", "", {"bind"}},
                  {"/h/plain", "/opt", "", {}},
                  {"tmpfs", "/scratch", "tmpfs", {"size=1m"}}};
  const Json config = applied(
      edits,
      R"({"mounts":[{"destination":"/proc","type":"proc"},{"destination":"/opt","source":"/old"}]})");
  EXPECT_THAT(column(config["mounts"], "destination"),
              ElementsAre("/proc", "/opt", "/scratch", "/usr//lib/./", "/usr/lib/deep/x"));
  EXPECT_THAT(texts(config["mounts"].items().at(1)["options"]), ElementsAre("rbind"));
  EXPECT_THAT(column(config["mounts"], "type"),
              ElementsAre("proc", "bind", "tmpfs", "bind", "bind"));
}

TEST_F(CdiApply, AUserNamespaceMapsIds) {
  Edits edits;
  edits.mounts = {{"/a", "/a", "", {"ro", "rbind"}},
                  {"/b", "/b", "", {"bind", "idmap"}},
                  {"t", "/t", "tmpfs", {}}};
  const std::string config = R"({"linux":{"namespaces":[{"type":"user"}]}})";
  const Json mapped = applied(edits, config);
  EXPECT_THAT(texts(mapped["mounts"].items().at(0)["options"]),
              ElementsAre("ro", "rbind", "ridmap"));
  EXPECT_THAT(texts(mapped["mounts"].items().at(1)["options"]), ElementsAre("bind", "idmap"));
  EXPECT_TRUE(mapped["mounts"].items().at(2)["options"].items().empty());
  EXPECT_THAT(texts(applied(edits, config, true)["mounts"].items().at(0)["options"]),
              ElementsAre("ro", "rbind"));
}

TEST_F(CdiApply, HooksGroupsInterfacesAndCaches) {
  const Edits edits = testing::full_spec().devices[0].edits;
  Edits some;
  some.hooks = edits.hooks;
  some.net_devices = edits.net_devices;
  some.intel_rdt = edits.intel_rdt;
  some.additional_gids = {44, 0, 44, 110};
  const Json config = applied(some, R"({"process":{"user":{"additionalGids":[110]}},
      "hooks":{"createContainer":[{"path":"/first"}]}})");
  EXPECT_THAT(column(config["hooks"]["createContainer"], "path"),
              ElementsAre("/first", "/usr/bin/hook"));
  EXPECT_EQ(text::dump_json(config["process"]["user"]["additionalGids"]), "[110,44]");
  EXPECT_EQ(text::dump_json(config["linux"]["netDevices"]), R"({"eth1":{"name":"net0"}})");
  EXPECT_EQ(config["linux"]["intelRdt"]["closID"].text(), "group");
}

TEST_F(CdiApply, AConfigurationOfAnotherShapeIsRefused) {
  Edits edits;
  edits.env = {"A=1"};
  EXPECT_EQ(refused(edits, "[]").code, Code::kBadInput);
  EXPECT_EQ(refused(edits, R"({"process":{"env":{}}})").code, Code::kBadInput);
}

}  // namespace
}  // namespace flense::cdi

// Device nodes: stand-ins in copies, and the real ones of this machine.
#include <cerrno>

#include "host/testing_tree.h"

namespace flense::host {
namespace {

TEST(Node, StandIns) {
  EXPECT_EQ(parse_stand_in("c 195 255 0666 0 44\n"),
            (DeviceNode{DeviceNode::Kind::kDevice, 195, 255, 0666, 0, 44, {}}));
  EXPECT_EQ(parse_stand_in("c 1 2 0600 0 0 EPERM")->refusal, EPERM);
  EXPECT_EQ(parse_stand_in("c 1 2 0600 0 0 EACCES")->refusal, EACCES);
  for (const char* text : {"", "c", "b 1 2 0600 0 0", "c 1 2 0900 0 0", "c -1 2 0600 0 0",
                           "c 1 2 0600 0", "c 1 2 0600 0 0 x", "c 99999999999 2 0600 0 0"})
    EXPECT_FALSE(parse_stand_in(text)) << text;
}

TEST(Node, OnlyACopyHasStandIns) {
  const testing::ScratchTree scratch;
  scratch.file("dev/nvidiactl", "c 195 255 0666 0 0");
  scratch.file("dev/empty", "");
  scratch.file("dev/dri/card0", "");
  const Tree dev = scratch.machine().dev;
  ASSERT_TRUE(dev.is_copy());
  EXPECT_EQ(dev.node("nvidiactl")->major, 195u);
  EXPECT_EQ(dev.node("empty")->kind, DeviceNode::Kind::kFile);
  EXPECT_EQ(dev.node("dri")->kind, DeviceNode::Kind::kDirectory);
  EXPECT_FALSE(dev.node("nvidia0"));
  const Tree here(scratch.top() / "dev", "/dev");
  EXPECT_EQ(here.node("nvidiactl")->kind, DeviceNode::Kind::kFile);
}

TEST(Node, TheKernelsOwn) {
  const Tree dev("/dev", "/dev");
  const auto null = dev.node("null");
  ASSERT_TRUE(null);
  EXPECT_EQ(null->kind, DeviceNode::Kind::kDevice);
  EXPECT_EQ(null->major, 1u);
  EXPECT_EQ(null->minor, 3u);
  EXPECT_EQ(null->refusal, 0);
  EXPECT_FALSE(Machine(Places{}).dev.is_copy());
}

}  // namespace
}  // namespace flense::host

// Hosts with and without an MPS daemon, as trees of files.
#include "launch/sharing.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "host/testing_tree.h"

namespace flense::launch {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

std::vector<std::string> notices(const OciInput& container, bool daemon = true) {
  host::testing::ScratchTree tree;
  tree.file("tmp/other", "");
  if (daemon) tree.file("tmp/nvidia-mps/control", "");
  return sharing_notices(sharing_of(container, tree.machine().root));
}

OciInput with_daemon() {
  OciInput out;
  cdi::Mount mount;
  mount.host_path = mount.container_path = "/tmp/nvidia-mps";
  out.devices.mounts.push_back(mount);
  return out;
}

TEST(Sharing, NothingToSayWithoutLimitAndDaemon) {
  EXPECT_THAT(notices({}), IsEmpty()) << "the container does not see the daemon";
  EXPECT_THAT(notices(with_daemon(), false), IsEmpty()) << "the directory is left over";
}

TEST(Sharing, AMemoryLimitIsNotTheGpus) {
  OciInput limited;
  limited.memory = 1 << 30;
  EXPECT_THAT(notices(limited), ElementsAre(HasSubstr("nothing of the GPU's")));
  cdi::DeviceNode slice;
  slice.path = "/dev/nvidia-caps/nvidia-cap21";
  limited.devices.device_nodes.push_back(slice);
  EXPECT_THAT(notices(limited), ElementsAre(HasSubstr("by its MIG slice alone")));
}

TEST(Sharing, AnMpsClientNeedsLimitsAndTheHostsIpc) {
  OciInput container = with_daemon();
  EXPECT_THAT(notices(container), ElementsAre(HasSubstr("its memory and processors")));
  container.env.set(std::string("CUDA_MPS_PINNED_DEVICE_MEM_LIMIT=0=4G"));
  EXPECT_THAT(notices(container),
              ElementsAre(HasSubstr("leave of its processors: -e CUDA_MPS_ACT")));
  container.env.set(std::string("CUDA_MPS_ACTIVE_THREAD_PERCENTAGE=25"));
  EXPECT_THAT(notices(container), IsEmpty());
  container.namespaces = {"pid", "ipc"};
  EXPECT_THAT(notices(container), ElementsAre(HasSubstr("IPC namespace of its own")));
}

TEST(Sharing, TheHostsTmpShowsTheDaemonToo) {
  OciInput container;
  container.mounts.push_back({"/tmp", "bind", "/tmp", {}});
  EXPECT_THAT(notices(container), ElementsAre(HasSubstr("its memory and processors")));
  container.mounts.front().source = "tmpfs";
  EXPECT_THAT(notices(container), IsEmpty());
}

}  // namespace
}  // namespace flense::launch

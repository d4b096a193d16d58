#include "host/mig_query.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace flense::host {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

// As nvidia-smi of driver 550 prints it, shortened.
constexpr std::string_view kQuery = R"(
==============NVSMI LOG==============

Timestamp                                 : Sat Nov 21 10:00:00 2026
Driver Version                            : 550.54.15
Attached GPUs                             : 3

GPU 00000000:07:00.0
    Product Name                          : NVIDIA A100-SXM4-40GB
    MIG Mode
        Current                           : Enabled
        Pending                           : Enabled
    MIG Device
        Index                             : 0
        GPU Instance ID                   : 2
        Compute Instance ID               : 0
        Device Attributes
            Shared
                Multiprocessor count      : 42
                GPU Instance ID           : 99
    MIG Device
        Index                             : 1
        GPU Instance ID                   : 1
        Compute Instance ID               : 3
    Accounting Mode                       : Disabled
GPU 00000000:0F:00.0
    MIG Mode
        Current                           : Enabled
        Pending                           : Disabled
    GPU Operation Mode
        Current                           : N/A
GPU 00000000:47:00.0
    MIG Mode
        Current                           : Disabled
        Pending                           : Enabled
    Clocks
        Current                           : Enabled
)";
constexpr std::string_view kList =
    R"(GPU 0: NVIDIA A100-SXM4-40GB (UUID: GPU-5c89852c-d268-c3f3-1b07-005d5ae1dc3f)
  MIG 3g.20gb     Device  0: (UUID: MIG-aaaaaaaa-1111-5222-8333-444444444444)
  MIG 1c.3g.20gb  Device  1: (UUID: MIG-bbbbbbbb-1111-5222-8333-444444444444)
GPU 1: NVIDIA A100-SXM4-40GB (UUID: GPU-f3e0c0d1-0000-c3f3-1b07-005d5ae1dc3f)
)";

TEST(MigQuery, InstancesByNumberAndUuid) {
  const MigAnswer answer = parse_mig(kQuery, kList);
  EXPECT_THAT(answer.enabled, ElementsAre("0000:07:00.0", "0000:0f:00.0"));
  EXPECT_THAT(
      answer.instances,
      ElementsAre(
          MigInstance{"0000:07:00.0", 0, 2, 0, "MIG-aaaaaaaa-1111-5222-8333-444444444444"},
          MigInstance{"0000:07:00.0", 1, 1, 3, "MIG-bbbbbbbb-1111-5222-8333-444444444444"}));
}

TEST(MigQuery, NothingUnderstood) {
  EXPECT_EQ(parse_mig("", ""), MigAnswer{});
  EXPECT_EQ(parse_mig("GPU nonsense\n MIG Mode\n Current : Enabled\n MIG Device\n Index : 0\n "
                      "GPU Instance ID : 0\n Compute Instance ID : 0\n",
                      "GPU 7: x\n MIG y Device 0: (UUID: MIG-1)\n"),
            MigAnswer{});
  const MigAnswer odd = parse_mig(kQuery, "GPU 0:\n  MIG x Device 0: (UUID: MIG-$(reboot))\n");
  ASSERT_EQ(odd.instances.size(), 2u);
  EXPECT_THAT(odd.instances[0].uuid, IsEmpty());
}

}  // namespace
}  // namespace flense::host

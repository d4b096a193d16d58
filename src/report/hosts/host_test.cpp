// Words and tables for hostile or incomplete profiles; tests/e2e/test_host.py has the machines.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "report/hosts/exported.h"
#include "report/hosts/text.h"

namespace flense::report {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::Pair;

host::Gpu gpu(std::string vendor, std::string architecture, std::string name) {
  host::Gpu out;
  out.vendor = std::move(vendor);
  if (!architecture.empty()) out.architecture = host::Text::known(std::move(architecture), "x");
  out.name = host::Text::known(std::move(name), "x");
  return out;
}

TEST(HostWords, NothingKnownGivesNothing) {
  EXPECT_THAT(build_args({}), IsEmpty());
  EXPECT_THAT(node_labels({}), IsEmpty());
}

TEST(HostWords, OneArchitectureOnceAndNoDriverOfTheOtherVendor) {
  host::Profile profile;
  profile.gpus = {gpu("amd", "gfx90a", "A"), gpu("amd", "gfx90a", "A"), gpu("amd", "gfx942", "B")};
  profile.nvidia.cuda = host::Text::known("12.4", "x");
  EXPECT_THAT(build_args(profile), ElementsAre(Pair("FLENSE_GPU", "gfx90a,gfx942"),
                                               Pair("PYTORCH_ROCM_ARCH", "gfx90a;gfx942"),
                                               Pair("AMDGPU_TARGETS", "gfx90a;gfx942")));
}

TEST(HostWords, HostileNamesStayLabels) {
  host::Profile profile;
  profile.gpus = {gpu("nvidia", "9.0$(x)", "--\x1b[2J `reboot` " + std::string(200, 'x') + "--")};
  for (const auto& [name, value] : node_labels(profile)) {
    EXPECT_LE(value.size(), 63u) << name;
    EXPECT_EQ(value.find_first_of(" $()`\x1b["), std::string::npos) << value;
    EXPECT_NE(value.front(), '-');
  }
  for (const auto& [name, value] : build_args(profile))
    EXPECT_EQ(value.find_first_of(" $()`\x1b["), std::string::npos) << value;
}

TEST(HostWords, GpusThatNobodyKnowsAreNamed) {
  host::Profile profile;
  profile.gpus = {gpu("nvidia", "", "NVIDIA Example"), gpu("nvidia", "9.0", "NVIDIA H100")};
  EXPECT_THAT(gpus_without_architecture(profile), ElementsAre("NVIDIA Example"));
}

TEST(HostText, UnknownFactsSayWhyAndHostileOnesAreHarmless) {
  host::Profile profile;
  profile.source = "evil\x1b[2J.json";
  profile.gpus = {gpu("nvidia", "9.0", "name\x1b]0;x\x07")};
  profile.system.kernel = host::Text::unknown("because \x1b[31m");
  profile.notices = {"note\nwith \x1b lines"};
  const std::string text = host_text(profile, {{}, false, true});
  EXPECT_THAT(text, Not(HasSubstr("\x1b")));
  EXPECT_THAT(text, HasSubstr("because"));
  EXPECT_THAT(text, HasSubstr("9.0"));
}

}  // namespace
}  // namespace flense::report

#include "compat/facts/launcher.h"

#include <gtest/gtest.h>

namespace flense::compat {
namespace {

host::Engine engine(const char* name, std::optional<bool> cdi) {
  host::Engine out;
  out.name = name;
  out.version = host::Text::known("27.3", "dpkg");
  out.cdi = cdi ? host::Flag::known(*cdi, "file") : host::Flag::unknown("no version");
  return out;
}

TEST(Launcher, WordsRoundTrip) {
  for (const std::string_view word : launcher_words()) {
    const auto launcher = parse_launcher(word);
    ASSERT_TRUE(launcher.has_value()) << word;
    EXPECT_EQ(to_string(*launcher), word);
    EXPECT_FALSE(traits(*launcher).source.empty());
  }
  const auto wrong = parse_launcher("rkt");
  ASSERT_FALSE(wrong.has_value());
  EXPECT_EQ(wrong.error().code, Code::kUsage);
  EXPECT_NE(wrong.error().hint.find("apptainer"), std::string::npos);
}

TEST(Launcher, TheLikelyOneOfAMachine) {
  host::Profile host;
  EXPECT_EQ(likely_launcher(host).launcher, Launcher::kDocker);
  EXPECT_NE(likely_launcher(host).reason.find("assumed"), std::string::npos);
  host.engines = {engine("apptainer", std::nullopt)};
  EXPECT_EQ(likely_launcher(host).launcher, Launcher::kApptainer);
  host.engines.push_back(engine("podman", true));
  EXPECT_EQ(likely_launcher(host).launcher, Launcher::kPodman);
  host.engines.push_back(engine("containerd", true));
  EXPECT_EQ(likely_launcher(host).launcher, Launcher::kKubernetes);
  host.engines.push_back(engine("docker", true));
  EXPECT_EQ(likely_launcher(host).launcher, Launcher::kDocker) << "CDI without a specification";
  host.nvidia.toolkit_version = host::Text::known("1.17.8", "dpkg");
  EXPECT_EQ(likely_launcher(host).launcher, Launcher::kDocker);
  host.nvidia.toolkit_version = host::Text::known("1.18.0", "dpkg");
  EXPECT_EQ(likely_launcher(host).launcher, Launcher::kDockerCdi);
  host.nvidia.toolkit_version = {};
  host.cdi_specs = host::List::known({"/etc/cdi/nvidia.yaml"}, "/etc/cdi");
  EXPECT_EQ(likely_launcher(host).launcher, Launcher::kDockerCdi);
  host.engines.back() = engine("docker", false);
  EXPECT_EQ(likely_launcher(host).launcher, Launcher::kDocker);
}

}  // namespace
}  // namespace flense::compat

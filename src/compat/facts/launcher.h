// The launcher decides which of the host's files the container sees, whether the image's compat
// libraries are used, and whether NVIDIA_REQUIRE_* is evaluated.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "host/profile.h"

namespace flense::compat {

enum class Launcher {
  kNone,        ///< no container: a virtual environment or files on the host itself
  kDocker,      ///< `docker run --gpus` or the nvidia runtime in legacy mode
  kDockerCdi,   ///< `docker run --device nvidia.com/gpu=…`, the runtime's CDI modes
  kPodman,      ///< CDI
  kKubernetes,  ///< containerd or CRI-O with the vendor's device plugin
  kApptainer,   ///< --nv
  kEnroot,      ///< its 98-nvidia hook
  kFlense,      ///< flense run
};
std::string_view to_string(Launcher launcher);
Result<Launcher> parse_launcher(std::string_view word);
std::vector<std::string_view> launcher_words();

struct LauncherTraits {
  /// Puts the image's compat libcuda before the host's when that helps.
  enum class Compat { kAutomatic, kHook, kNo } compat = Compat::kNo;
  bool evaluates_requirements = false;   ///< NVIDIA_REQUIRE_*
  bool honours_capabilities = false;     ///< NVIDIA_DRIVER_CAPABILITIES
  bool honours_visible_devices = false;  ///< NVIDIA_VISIBLE_DEVICES of the image
  std::string source;
};
LauncherTraits traits(Launcher launcher);
/// The same, as the versions on this machine have it.
LauncherTraits traits_on(Launcher launcher, const host::Profile& host);

struct ChosenLauncher {
  Launcher launcher = Launcher::kDocker;
  std::string reason;    ///< "docker 27.3 is installed and CDI is on"
  bool assumed = false;  ///< nothing tells it
};
/// The one that this machine would most likely use.
ChosenLauncher likely_launcher(const host::Profile& host);

}  // namespace flense::compat

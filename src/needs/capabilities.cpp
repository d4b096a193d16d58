// Driver libraries outside of plain compute: which file asks for them, and which word of
// NVIDIA_DRIVER_CAPABILITIES has a container runtime bring them.
#include <algorithm>
#include <array>

#include "base/path.h"
#include "inventory/names/file_names.h"
#include "needs/collectors.h"

namespace flense::needs {

namespace {

struct Provided {
  std::string_view beginning, capability;
};

/// libnvidia-container nvc_info.c: the library sets of the capabilities.
constexpr auto kProvided = std::to_array<Provided>({
    {"libnvcuvid.so", "video"},
    {"libnvidia-encode.so", "video"},
    {"libnvidia-opticalflow.so", "video"},
    {"libvdpau_nvidia.so", "video"},
    {"libGLX_nvidia.so", "graphics"},
    {"libEGL_nvidia.so", "graphics"},
    {"libGLESv1_CM_nvidia.so", "graphics"},
    {"libGLESv2_nvidia.so", "graphics"},
    {"libnvoptix.so", "graphics"},
    {"libnvidia-rtcore.so", "graphics"},
    {"libnvidia-eglcore.so", "graphics"},
    {"libnvidia-glcore.so", "graphics"},
    {"libnvidia-fbc.so", "graphics"},
    {"libnvidia-ngx.so", "ngx"},
    {"libnvidia-ml.so", "utility"},
    {"libnvidia-cfg.so", "utility"},
});

struct Opener {
  std::string_view name;    ///< beginning of the file name
  std::string_view opened;  ///< driver library that it opens by name
};

/// From the sources of these projects: FFmpeg's nv-codec-headers, DALI, NCCL, PyTorch's c10,
/// OpenCV's cudacodec, PyNvVideoCodec, TorchCodec.
constexpr auto kOpeners = std::to_array<Opener>({
    {"libavcodec.so", "libnvcuvid.so.1"},
    {"libavcodec.so", "libnvidia-encode.so.1"},
    {"libavcodec-", "libnvcuvid.so.1"},
    {"libavcodec-", "libnvidia-encode.so.1"},
    {"libdali_operators.so", "libnvcuvid.so.1"},
    {"libopencv_cudacodec.so", "libnvcuvid.so.1"},
    {"PyNvVideoCodec", "libnvcuvid.so.1"},
    {"libnvnvdecode", "libnvcuvid.so.1"},
    {"libnccl.so", "libnvidia-ml.so.1"},
    {"libc10_cuda.so", "libnvidia-ml.so.1"},
});

std::string_view capability_of(std::string_view library) {
  for (const Provided& provided : kProvided)
    if (library.starts_with(provided.beginning)) return provided.capability;
  return {};
}

/// One row for each library, with the first user.
void add(std::string_view library, const std::string& user, Needs& needs) {
  const std::string_view capability = capability_of(library);
  if (capability.empty()) return;
  const bool known = std::ranges::any_of(
      needs.capabilities, [&](const CapabilityNeed& need) { return need.library == library; });
  if (!known) needs.capabilities.push_back({std::string(capability), std::string(library), user});
}

}  // namespace

void collect_capabilities(const inventory::Survey& survey, const inventory::Inventory& inventory,
                          Needs& needs) {
  for (const inventory::SurveyFile& file : survey.files) {
    if (file.elf == nullptr) continue;
    const std::string_view name = base_name(file.path);
    if (inventory::is_driver_library(name)) continue;
    for (const std::string& needed : file.elf->needed) add(needed, file.path, needs);
    for (const Opener& opener : kOpeners)
      if (name.starts_with(opener.name)) add(opener.opened, file.path, needs);
  }
  for (const inventory::InstalledPackage& installed : inventory.packages)
    if (installed.package.type == "pip" &&
        (installed.package.name == "nvidia-ml-py" || installed.package.name == "pynvml"))
      add("libnvidia-ml.so.1", installed.path, needs);
}

}  // namespace flense::needs

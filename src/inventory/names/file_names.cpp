#include "inventory/names/file_names.h"

#include <algorithm>

#include "base/ascii.h"
#include "base/path.h"

namespace flense::inventory {

bool has_component(std::string_view path, std::string_view name) {
  while (!path.empty()) {
    const std::size_t slash = std::min(path.find('/'), path.size());
    if (path.substr(0, slash) == name) return true;
    path.remove_prefix(std::min(slash + 1, path.size()));
  }
  return false;
}

// libnvidia-container nvc_info.c; NVIDIA Container Toolkit. Of the names that begin alike, the
// container library and the window-system plug-ins come from packages of their own.
bool is_driver_library(std::string_view name) {
  return name.find(".so") != std::string_view::npos &&
         starts_with_any(name,
                         {"libcuda.so", "libcudadebugger.so", "libnvidia-", "libnvcuvid.so",
                          "libnvoptix.so", "libGLX_nvidia.so", "libEGL_nvidia.so",
                          "libGLESv1_CM_nvidia.so", "libGLESv2_nvidia.so", "libvdpau_nvidia.so",
                          "libnvidia-ml.so", "libdxcore.so", "libnvdxgdmal.so"}) &&
         !starts_with_any(name,
                          {"libnvidia-container", "libnvidia-egl-wayland", "libnvidia-egl-gbm"});
}

std::string plain_library_name(std::string_view name) {
  constexpr std::size_t kHash = 8;
  const std::size_t so = std::min(name.find(".so"), name.size());
  std::string_view stem = name.substr(0, so);
  stem = stem.substr(0, stem.find(".cpython-"));
  if (stem.size() > kHash + 1) {
    const char before = stem[stem.size() - kHash - 1];
    if ((before == '-' || before == '.') &&
        stem.find_first_not_of("0123456789abcdef", stem.size() - kHash) == std::string_view::npos)
      stem.remove_suffix(kHash + 1);
  }
  return std::string(stem).append(name.substr(so));
}

bool is_weights_file(std::string_view path) {
  if (ends_with_any(path, {".safetensors", ".gguf", ".bin", ".pt", ".pth", ".onnx", ".ckpt"}))
    return true;
  const std::string_view dir = parent_path(path);
  return base_name(dir) == "blobs" && base_name(parent_path(dir)).starts_with("models--");
}

}  // namespace flense::inventory

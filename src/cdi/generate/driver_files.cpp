#include "cdi/generate/driver_files.h"

#include <algorithm>
#include <array>

namespace flense::cdi {

namespace {

using enum Capability;

constexpr AnyOf kComputing = {kCompute};
constexpr AnyOf kDrawing = {kGraphics, kDisplay};

constexpr std::array kLibraries = {
    LibraryRow{"libnvidia-ml", {kUtility}, true},
    LibraryRow{"libnvidia-cfg", {kUtility}},
    LibraryRow{"libnvidia-nscq", {kUtility}},
    LibraryRow{"libnvidia-sandboxutils", {kUtility}},
    LibraryRow{"libcuda", {kCompute}, true},
    LibraryRow{"libcudadebugger", {kCompute}},
    LibraryRow{"libnvidia-opencl", {kCompute}},
    LibraryRow{"libnvidia-ptxjitcompiler", {kCompute}},
    LibraryRow{"libnvidia-fatbinaryloader", {kCompute}},
    LibraryRow{"libnvidia-compiler", {kCompute}},
    LibraryRow{"libnvidia-pkcs11", {kCompute}},
    LibraryRow{"libnvidia-pkcs11-openssl3", {kCompute}},
    LibraryRow{"libnvidia-nvvm", {kCompute}},
    LibraryRow{"libnvidia-tileiras", {kCompute}},
    LibraryRow{"libnvidia-gpucomp", {kCompute, kGraphics, kDisplay}},
    LibraryRow{"libnvidia-allocator", {kCompute, kGraphics, kDisplay}},
    LibraryRow{"libvdpau_nvidia", {kVideo}},
    LibraryRow{"libnvidia-encode", {kVideo}},
    LibraryRow{"libnvidia-opticalflow", {kVideo}, true},
    LibraryRow{"libnvcuvid", {kVideo}},
    LibraryRow{"libnvidia-eglcore", kDrawing},
    LibraryRow{"libnvidia-glcore", kDrawing},
    LibraryRow{"libnvidia-tls", kDrawing},
    LibraryRow{"libnvidia-glsi", kDrawing},
    LibraryRow{"libnvidia-fbc", kDrawing},
    LibraryRow{"libnvidia-ifr", kDrawing},
    LibraryRow{"libnvidia-rtcore", kDrawing},
    LibraryRow{"libnvoptix", kDrawing},
    LibraryRow{"libGLX_nvidia", kDrawing},
    LibraryRow{"libEGL_nvidia", kDrawing},
    LibraryRow{"libGLESv2_nvidia", kDrawing},
    LibraryRow{"libGLESv1_CM_nvidia", kDrawing},
    LibraryRow{"libnvidia-glvkspirv", kDrawing},
    LibraryRow{"libnvidia-cbl", kDrawing},
    LibraryRow{"libnvidia-present", kDrawing},
    LibraryRow{"libnvidia-vksc-core", kDrawing},
    LibraryRow{"libnvidia-vulkan-producer", kDrawing, true},
    LibraryRow{"libnvidia-egl-gbm", kDrawing},
    LibraryRow{"libnvidia-egl-wayland", kDrawing},
    LibraryRow{"libnvidia-gtk2", {kDisplay}},
    LibraryRow{"libnvidia-gtk3", {kDisplay}},
    LibraryRow{"libnvidia-wayland-client", {kDisplay}},
    LibraryRow{"libglxserver_nvidia", {kDisplay}},
    LibraryRow{"libnvidia-ngx", {kNgx}},
};
constexpr LibraryRow kUnknown = {"", kComputing};

constexpr std::array kOtherVersions = {
    LibraryRow{"libnvidia-nvvm70", kComputing},     LibraryRow{"libnvidia-api", kDrawing},
    LibraryRow{"libnvidia-egl-gbm", kDrawing},      LibraryRow{"libnvidia-egl-wayland", kDrawing},
    LibraryRow{"libnvidia-egl-wayland2", kDrawing}, LibraryRow{"libnvidia-egl-xcb", kDrawing},
    LibraryRow{"libnvidia-egl-xlib", kDrawing},
};

constexpr std::string_view kShare = "/usr/share", kEtc = "/etc";
constexpr std::array kConfiguration = {
    FileRow{"OpenCL/vendors/nvidia.icd", kEtc, kComputing},
    FileRow{"glvnd/egl_vendor.d/10_nvidia.json", kShare, kDrawing},
    FileRow{"egl/egl_external_platform.d/15_nvidia_gbm.json", kShare, kDrawing},
    FileRow{"egl/egl_external_platform.d/10_nvidia_wayland.json", kShare, kDrawing},
    FileRow{"egl/egl_external_platform.d/09_nvidia_wayland2.json", kShare, kDrawing},
    FileRow{"egl/egl_external_platform.d/20_nvidia_xcb.json", kShare, kDrawing},
    FileRow{"egl/egl_external_platform.d/20_nvidia_xlib.json", kShare, kDrawing},
    FileRow{"nvidia/nvoptix.bin", kShare, kDrawing},
    FileRow{"vulkan/icd.d/nvidia_icd.json", kEtc, kDrawing},
    FileRow{"vulkan/icd.d/nvidia_icd.x86_64.json", kEtc, kDrawing},
    FileRow{"vulkan/icd.d/nvidia_icd.aarch64.json", kEtc, kDrawing},
    FileRow{"vulkan/icd.d/nvidia_layers.json", kEtc, kDrawing},
    FileRow{"vulkan/implicit_layer.d/nvidia_layers.json", kEtc, kDrawing},
    FileRow{"X11/xorg.conf.d/10-nvidia.conf", kShare, {kDisplay}},
    FileRow{"X11/xorg.conf.d/nvidia-drm-outputclass.conf", kShare, {kDisplay}},
};

constexpr std::string_view kBin = "/usr/bin";
constexpr std::array kPrograms = {
    FileRow{"nvidia-smi", kBin, {kUtility}},
    FileRow{"nvidia-debugdump", kBin, {kUtility}},
    FileRow{"nvidia-persistenced", kBin, {kUtility}},
    FileRow{"nvidia-imex", kBin, {kUtility}},
    FileRow{"nvidia-imex-ctl", kBin, {kUtility}},
    FileRow{"nv-fabricmanager", kBin, {kUtility}},
    FileRow{"nvidia-cuda-mps-control", kBin, kComputing},
    FileRow{"nvidia-cuda-mps-server", kBin, kComputing},
    FileRow{"nvidia-xconfig", kBin, {kDisplay}},
};

}  // namespace

const LibraryRow& library_row(std::string_view stem) {
  const auto at = std::ranges::find(kLibraries, stem, &LibraryRow::stem);
  return at == kLibraries.end() ? kUnknown : *at;
}

std::span<const LibraryRow> other_versions() {
  return kOtherVersions;
}

std::span<const FileRow> configuration_rows() {
  return kConfiguration;
}

std::span<const FileRow> program_rows() {
  return kPrograms;
}

}  // namespace flense::cdi

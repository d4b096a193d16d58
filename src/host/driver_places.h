// Where distributions, operators and node images put the user-space part of NVIDIA's driver.
#pragma once

#include <array>
#include <string_view>

namespace flense::host {

/// Roots of user-space drivers: the host's own, the GPU operator's, those of COS and of snaps.
inline constexpr std::array<std::string_view, 4> kNvidiaDriverRoots = {
    "", "run/nvidia/driver", "home/kubernetes/bin/nvidia", "var/lib/nvidia"};
/// Where libcuda.so.1 lies below them.
inline constexpr std::array<std::string_view, 13> kNvidiaLibraryFolders = {
    "usr/lib/x86_64-linux-gnu",
    "usr/lib/aarch64-linux-gnu",
    "usr/lib64",
    "usr/lib",
    "lib/x86_64-linux-gnu",
    "lib64",
    "usr/lib/x86_64-linux-gnu/nvidia/current",
    "usr/lib/aarch64-linux-gnu/nvidia/current",
    "usr/lib/aarch64-linux-gnu/nvidia",
    "usr/lib/aarch64-linux-gnu/tegra",
    "usr/local/nvidia/lib64",
    "usr/lib/wsl/lib",
    "run/opengl-driver/lib"};
/// Systems (ID of os-release) that have it in places of their own, which change with their
/// releases.
inline constexpr std::array<std::string_view, 5> kDriversElsewhere = {"bottlerocket", "flatcar",
                                                                      "guix", "nixos", "talos"};

}  // namespace flense::host

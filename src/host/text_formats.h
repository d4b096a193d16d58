// The text formats of /proc, /sys and /etc as values. Pure functions of hostile text: what they do
// not understand is left out.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace flense::host {

using Pairs = std::vector<std::pair<std::string, std::string>>;

/// One line of printable text: trimmed, control characters dropped, at most `most` bytes.
std::string clean(std::string_view text, std::size_t most = 256);

/// "Model: \t NVIDIA H100" -> {"Model", "NVIDIA H100"}: /proc/cpuinfo, gpus/*/information.
Pairs colon_pairs(std::string_view text);
/// "gfx_target_version 90402": properties of KFD nodes.
Pairs blank_pairs(std::string_view text);
/// KEY="value" lines: os-release.
Pairs assignments(std::string_view text);
/// The value of the first pair of that name; empty when there is none.
std::string_view value_of(const Pairs& pairs, std::string_view name);

/// "550.54.15", "615.31": two or three numbers, the first of three digits.
bool is_driver_version(std::string_view text);

struct NvidiaModule {
  std::string version;
  bool open = false;
};
/// /proc/driver/nvidia/version.
std::optional<NvidiaModule> parse_nvidia_version(std::string_view text);

/// The release in /etc/nv_tegra_release: "# R36 (release), REVISION: 3.0, …" -> "36.3.0".
std::optional<std::string> parse_tegra_release(std::string_view text);
/// Compute capability for a device tree's compatible list ("nvidia,tegra234" among NUL bytes).
std::optional<std::string> tegra_architecture(std::string_view compatible);

/// gfx_target_version of a KFD node, decimal: 90402 -> "gfx942", 90010 -> "gfx90a".
std::optional<std::string> gfx_name(std::uint64_t version);
/// domain and location_id of a KFD node: "0000:c1:00.0".
std::string pci_address_of_location(std::uint64_t domain, std::uint64_t location);
/// "0000:17:00.0" in lower case; nullopt for anything else.
std::optional<std::string> pci_address(std::string_view text);

/// "32.0 GT/s PCIe" -> "32.0 GT/s"; nullopt for "Unknown".
std::optional<std::string> link_speed(std::string_view text);

/// The highest x86-64 level that the flags of /proc/cpuinfo allow.
std::optional<std::string> cpu_level(const std::vector<std::string>& flags);

/// "glibc 2.36" of the bytes of a libc.so.6; empty when it does not say.
std::string glibc_version(std::string_view bytes);

/// Version of an installed package in /var/lib/dpkg/status or /lib/apk/db/installed.
std::optional<std::string> dpkg_version(std::string_view status, std::string_view package);
std::optional<std::string> apk_version(std::string_view installed, std::string_view package);

/// The last `key = value` of a TOML file in any table, unquoted; comments do not count.
std::optional<std::string> toml_value(std::string_view text, std::string_view key);
/// True when a line that is not a comment holds `word`.
bool mentions(std::string_view text, std::string_view word);

/// The memory size that a model's name carries ("NVIDIA H100 80GB HBM3"), in bytes.
std::optional<std::uint64_t> memory_in_name(std::string_view model);

}  // namespace flense::host

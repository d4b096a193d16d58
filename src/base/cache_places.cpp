#include "base/cache_places.h"

#include <sys/vfs.h>

#include <algorithm>
#include <array>
#include <cstdint>

#include "base/format.h"

namespace flense {

namespace {

/// linux/magic.h; Lustre, GPFS, BeeGFS, PanFS as coreutils' stat lists them.
constexpr std::array<std::uint32_t, 16> kNetworkFileSystems = {
    0x6969,      // NFS
    0x517B,      // SMB
    0xFF534D42,  // CIFS
    0xFE534D42,  // SMB2
    0x5346414F,  // AFS
    0x6B414653,  // AFS, the kernel's client
    0x73757245,  // Coda
    0x01021997,  // 9p
    0x00C36400,  // CephFS
    0x0BD00BD0,  // Lustre
    0x47504653,  // GPFS
    0x19830326,  // BeeGFS
    0xAAD7AAEA,  // PanFS
    0x20030528,  // OrangeFS
    0x7461636F,  // OCFS2
    0x01161970,  // GFS2
};

std::filesystem::path absolute_value(const CacheSurroundings& surroundings, std::string_view name) {
  const std::string value =
      surroundings.variable ? surroundings.variable(name).value_or("") : std::string();
  return value.starts_with('/') ? std::filesystem::path(value) : std::filesystem::path();
}

}  // namespace

CachePlaces cache_places(const CacheSurroundings& surroundings) {
  CachePlaces out;
  const auto value = [&](std::string_view name) { return absolute_value(surroundings, name); };
  if (const std::filesystem::path own = value("FLENSE_CACHE"); !own.empty()) return {{own}, own};
  if (const std::filesystem::path xdg = value("XDG_CACHE_HOME"); !xdg.empty())
    out.images = xdg / "flense";
  else if (const std::filesystem::path home = value("HOME"); !home.empty())
    out.images = home / ".cache" / "flense";

  if (const std::filesystem::path job = value("SLURM_TMPDIR"); !job.empty())
    out.inventories.push_back(job / "flense");
  const auto on_network = [&](const std::filesystem::path& path) {
    return surroundings.on_network && surroundings.on_network(path);
  };
  std::filesystem::path scratch = value("TMPDIR");
  // Directories on such file systems are shared between users.
  if (!scratch.empty()) scratch /= fmt::format("flense-{}", surroundings.user);
  const bool scratch_first =
      !scratch.empty() && !out.images.empty() && on_network(out.images) && !on_network(scratch);
  if (scratch_first) out.inventories.push_back(scratch);
  if (!out.images.empty()) out.inventories.push_back(out.images);
  if (!scratch_first && !scratch.empty()) out.inventories.push_back(scratch);
  return out;
}

bool on_network_file_system(const std::filesystem::path& path) {
  struct statfs found{};
  std::filesystem::path at = path;
  while (::statfs(at.c_str(), &found) != 0) {
    const std::filesystem::path parent = at.parent_path();
    if (parent.empty() || parent == at) return false;
    at = parent;
  }
  // The field is signed, and wider on some machines; the magic numbers have 32 bits.
  const auto type = static_cast<std::uint32_t>(found.f_type);
  return std::find(kNetworkFileSystems.begin(), kNetworkFileSystems.end(), type) !=
         kNetworkFileSystems.end();
}

}  // namespace flense

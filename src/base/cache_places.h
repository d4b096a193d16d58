// Where flense may keep what it can obtain again: one answer for inventories, which are small and
// needed at once, and one for pulled images, which are large and meant to last.
#pragma once

#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace flense {

struct CacheSurroundings {
  /// A variable of the environment; nullopt or empty: not set.
  std::function<std::optional<std::string>(std::string_view)> variable;
  /// Whether a path, or the nearest directory above it that exists, is on a network file system.
  std::function<bool(const std::filesystem::path&)> on_network;
  unsigned user = 0;  ///< effective user id
};

struct CachePlaces {
  /// In the order to be tried; the first usable one wins. $FLENSE_CACHE alone where it
  /// is set; else $SLURM_TMPDIR, and the lasting place, which comes after $TMPDIR where it lies on
  /// a network file system and $TMPDIR does not.
  std::vector<std::filesystem::path> inventories;
  /// $FLENSE_CACHE, $XDG_CACHE_HOME/flense, $HOME/.cache/flense; empty when none is set. Relative
  /// values are no places (XDG Base Directory Specification 0.8).
  std::filesystem::path images;
};

CachePlaces cache_places(const CacheSurroundings& surroundings);

/// By the file system's magic number (statfs(2)): NFS, SMB, AFS, 9p, Lustre, GPFS, BeeGFS, CephFS,
/// PanFS, OrangeFS, GFS2, OCFS2.
bool on_network_file_system(const std::filesystem::path& path);

}  // namespace flense

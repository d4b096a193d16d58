// What differs between two images: packages, runtimes, device code, files, sizes, layers,
// configuration. Only what differs is listed; sizes and totals always stand.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "inventory/compare/snapshot.h"

namespace flense::inventory {

/// One of the two images, in figures.
struct ComparedSide {
  std::string target, digest, platform;
  bool saved = false;  ///< a saved inventory: files and configuration are unknown
  std::uint64_t size_bytes = 0, unpacked_bytes = 0;  ///< layers as stored, and unpacked
  std::uint64_t file_bytes = 0, files = 0;           ///< what a container sees
  std::uint64_t layers = 0;
  bool packages_known = true;  ///< false: there is a package database that flense does not read
};

struct SizeChange {
  std::string name;
  std::uint64_t before = 0, after = 0;  ///< bytes
};

/// A package or runtime. Several installed versions are joined with ", ".
struct VersionChange {
  std::string type;  ///< "pip", "deb", …; "runtime"
  std::string name;
  std::string how;            ///< "added", "removed", "changed"
  std::string before, after;  ///< versions; may be empty where none is told
};

/// Device code of one kind and architecture over the whole image.
struct CodeChange {
  std::string vendor, kind, arch;
  std::uint64_t count_before = 0, count_after = 0, bytes_before = 0, bytes_after = 0;
};

/// Device code of one file.
struct CodeFileChange {
  std::string path;
  std::uint64_t bytes_before = 0, bytes_after = 0;  ///< of device code
  std::vector<std::string> lost, gained;            ///< "sm_75", "compute_90", "gfx942"
};

struct FileChange {
  std::string path;
  std::string how;                                  ///< "added", "removed", "changed"
  std::vector<std::string> what;                    ///< of changed ones: "content", "type", "mode",
                                                    ///< "owner", "link"
  std::uint64_t bytes_before = 0, bytes_after = 0;  ///< of regular files
};

struct FileTotals {
  std::string how;
  std::uint64_t files = 0, bytes_before = 0, bytes_after = 0;
};

struct LayerChange {
  std::string how;  ///< "shared", "changed", "added", "removed"
  std::string instruction, digest_before, digest_after;
  std::uint64_t size_before = 0, size_after = 0, unpacked_before = 0, unpacked_after = 0;
};

struct ConfigurationChange {
  std::string name;  ///< "User", "Env.PATH"
  std::optional<std::string> before, after;
};

struct InventoryChanges {
  ComparedSide before, after;
  std::vector<SizeChange> reasons;  ///< largest change first; sums give the unpacked bytes
  std::vector<VersionChange> packages, runtimes;
  std::vector<CodeChange> code;
  std::vector<CodeFileChange> code_files;  ///< largest change first
  std::vector<FileTotals> file_totals;     ///< in the order removed, added, changed
  std::vector<FileChange> files;           ///< largest change first
  /// Files of equal path and size whose contents nobody compared.
  std::uint64_t files_unread = 0;
  std::vector<LayerChange> layers;  ///< in the order of `after`, removed ones where they were
  std::vector<ConfigurationChange> configuration;

  bool whole() const { return !before.saved && !after.saved; }
  /// Nothing but, perhaps, how layers are cut and packed.
  bool same_content() const;
};

InventoryChanges compare(const Snapshot& before, const Snapshot& after);

}  // namespace flense::inventory

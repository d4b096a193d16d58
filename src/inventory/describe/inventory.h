// What an image holds: the plain value that reports, budgets, comparisons and verdicts work on.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "image/model/image.h"
#include "inventory/names/cuda_libraries.h"
#include "inventory/names/waste.h"
#include "inventory/scan/contents.h"
#include "inventory/scan/layer_scan.h"

namespace flense::inventory {

struct LayerFacts {
  std::string digest, diff_id, media_type, compression, instruction;
  std::uint64_t size_bytes = 0;      ///< as stored in the image (compressed)
  std::uint64_t unpacked_bytes = 0;  ///< of the tar: content + archive
  std::uint64_t content_bytes = 0;
  std::uint64_t archive_bytes = 0;  ///< headers, padding, end marker
  std::uint64_t waste_bytes = 0;    ///< of the content: overwritten or deleted by other entries
  std::uint64_t files = 0;          ///< members other than directories and whiteouts
};

struct DeviceFile {
  std::string path;
  std::uint64_t layer = 0;  ///< index into layers
  std::uint64_t size_bytes = 0, device_bytes = 0, regions = 0;
  std::vector<ArchCount> entries;
  std::optional<PruneSummary> prune;
};

struct DeviceCode {
  std::vector<DeviceFile> files;  ///< largest device code first
  std::vector<ArchCount> totals;  ///< sums over `files`
  std::uint64_t device_bytes = 0;
};

struct Runtime {
  std::string name;     ///< "CUDA runtime", "PyTorch", "distribution", …
  std::string version;  ///< empty when seen without one
  std::string evidence;
  bool operator==(const Runtime&) const = default;
};

struct InstalledPackage {
  Package package;
  std::string path;  ///< of the database or metadata file
  bool operator==(const InstalledPackage&) const = default;
};

struct FlavourReason {
  Flavour flavour = Flavour::kNone;
  std::string library;  ///< the SONAME or tool that the flavour supplies
  std::string user;     ///< path or package that asks for it
  std::string how;      ///< "DT_NEEDED", "dlopen", "runs at run time"
};

struct BaseFlavour {
  Flavour flavour = Flavour::kNone;
  std::vector<FlavourReason> reasons;  ///< strongest first, one per library
};

struct SizedPath {
  std::string path;
  std::uint64_t bytes = 0;
  std::uint64_t layer = 0;  ///< of files
};

struct WastedFile {
  std::string path;
  std::uint64_t bytes = 0, layer = 0;
  std::uint64_t by_layer = 0;  ///< where it was overwritten or deleted
  bool deleted = false;
  /// What overwrote it has its size and its first 4 KiB: mostly a change of mode, owner or time.
  bool looks_equal = false;
};

/// Model weights in the image.
struct ModelEntry {
  std::string path;
  std::uint64_t layer = 0, size_bytes = 0;
  ModelFile file;
  std::uint64_t half_saves = 0;  ///< bytes that 16-bit copies of wider floats would save
  /// Another format in the same directory that loaders take instead, and what says so; empty when
  /// this one is it.
  std::string instead;
  std::string twin;     ///< the same model in another form, by its place; empty for none
  std::string seen_as;  ///< the link that shows a blob of a hub's cache; empty for plain files
  std::vector<TensorGroup> groups;
};

struct Inventory {
  std::string target, form, found_in, platform, digest;
  std::vector<std::string> tags;
  std::uint64_t size_bytes = 0;      ///< sum over layers
  std::uint64_t unpacked_bytes = 0;  ///< sum over layers
  std::uint64_t waste_bytes = 0;     ///< sum over layers
  std::uint64_t file_bytes = 0;      ///< what a container sees, each content once
  std::uint64_t files = 0;           ///< paths a container sees, directories not counted
  std::vector<LayerFacts> layers;
  DeviceCode device_code;
  std::vector<Runtime> runtimes;
  std::vector<InstalledPackage> packages;
  std::vector<SizedPath> largest_files, largest_directories;
  std::vector<WastedFile> wasted_files;  ///< largest first
  BaseFlavour base_flavour;
  std::vector<ModelEntry> models;  ///< largest first
  std::vector<std::string> notices;
  ScanOrigin origin;
};

struct InventoryOptions {
  ScanOptions scan;
  std::size_t largest = 20;  ///< files, directories and wasted files to list
};

/// Members that no container sees: overwritten, deleted, or AUFS bookkeeping; largest first.
std::vector<WastedFile> find_waste(const Contents& contents);

/// From layers already read; does no input or output. What could go is not told: that is a plan
/// (slim/plan/make_plan.h).
Result<Inventory> describe(const image::Image& image, const Contents& contents,
                           const InventoryOptions& options);

}  // namespace flense::inventory

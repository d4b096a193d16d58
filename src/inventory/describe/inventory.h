// What an image holds: the plain value that reports, budgets, comparisons and verdicts work on.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "device/target.h"
#include "image/model/image.h"
#include "inventory/describe/finding.h"
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

/// Something that could go, with what it gives back. `held_back` says why flense would not.
struct Cut {
  std::string id;
  device::Level level = device::Level::kStandard;
  std::string reason;
  std::uint64_t files = 0, bytes = 0;
  std::string held_back;
  std::vector<SizedPath> largest;  ///< up to five examples
};

/// What one file gives to a cut.
struct FileCut {
  std::string id, held_back;
  std::string path;
  std::uint64_t layer = 0, bytes = 0;
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
  device::Targets targets;  ///< that the device cuts were computed for; may be empty
  device::Level level = device::Level::kStandard;
  std::vector<ModelEntry> models;  ///< largest first
  std::vector<Cut> cuts;           ///< largest first, those held back last
  std::vector<FileCut> file_cuts;  ///< `cuts` file by file, when asked for
  std::vector<std::string> notices;
  std::vector<BudgetResult> budgets;
  ScanOrigin origin;
};

struct InventoryOptions {
  ScanOptions scan;
  device::Targets targets;
  device::Level level = device::Level::kStandard;
  bool keep_ptx = false;
  bool drop_vendor = false;  ///< as at aggressive: see device::PruneOptions
  std::size_t largest = 20;  ///< files, directories and wasted files to list
  bool file_cuts = false;    ///< Inventory::file_cuts
};

/// Reads all layers, with what the options ask to know of each file.
Result<Contents> read_contents(const image::Image& image, const InventoryOptions& options);

/// Members that no container sees: overwritten, deleted, or AUFS bookkeeping; largest first.
std::vector<WastedFile> find_waste(const Contents& contents);

/// What of device code and debug sections could go from this image by the options.
device::PruneOptions cut_rules(const image::Image& image, const InventoryOptions& options);

/// From layers already read; does no input or output. What could go is not told: add_cuts()
/// (inventory/candidates/cuts.h).
Result<Inventory> describe(const image::Image& image, const Contents& contents,
                           const InventoryOptions& options);

}  // namespace flense::inventory

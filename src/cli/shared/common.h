// What several commands do alike: style, progress, opening a TARGET.
#pragma once

#include <memory>
#include <string>

#include "base/cache_places.h"
#include "base/progress.h"
#include "cli/shared/args.h"
#include "cli/shared/io.h"
#include "device/prune.h"
#include "image/model/image.h"
#include "inventory/scan/scan_cache.h"
#include "knowledge/knowledge.h"
#include "report/format/style.h"

namespace flense::cli {

/// Colours when standard output is a terminal, unless --no-color, NO_COLOR or TERM=dumb.
report::Style output_style(const ParsedArgs& args, const Io& io);

/// Enabled on a terminal without -q.
std::unique_ptr<Progress> make_progress(const ParsedArgs& args, const Io& io);

Result<void> write_text(Io& io, std::string_view text);

/// --tmpdir, $TMPDIR, /var/tmp. Not /tmp, which often is memory.
std::filesystem::path scratch_directory(const ParsedArgs& args, const Io& io);

/// The tables that verdicts lean on, with the rows of --data in front of flense's own.
Result<knowledge::Knowledge> tables_of(const ParsedArgs& args);

/// --format, or "json" for --json; a usage error when both are given.
Result<std::string> format_of(const ParsedArgs& args);

/// --level with its default, standard.
device::Level level_of(const ParsedArgs& args);

/// TARGET as an image, with --platform and --tmpdir. A misspelt transport is told.
Result<std::unique_ptr<image::Image>> open_target(const std::string& target, const ParsedArgs& args,
                                                  const Io& io);
/// The same, of a registry by manifest and configuration alone.
Result<std::unique_ptr<image::Image>> open_config(const std::string& target, const ParsedArgs& args,
                                                  const Io& io);

/// For progress: what the walks of the layers will report; 0 (unknown) as soon as one is
/// compressed.
std::uint64_t unpacked_size(const image::Image& image);

/// $FLENSE_MAX_UNPACKED; a usage error when that is no size.
Result<std::optional<std::uint64_t>> max_unpacked(const Io& io);

/// Where caches may lie, by the environment.
CachePlaces places_of(const Io& io);

struct OpenedStore {
  std::optional<inventory::EntryStore> store;  ///< nullopt: no place can be used
  std::vector<std::string> complaints;         ///< why other places cannot
};
/// The directory of inventories with $FLENSE_CACHE_MAX as its limit; a usage error when that is no
/// size.
Result<OpenedStore> open_entry_store(const Io& io);

/// The cache of inventories for commands that read images; null with --no-cache, and where there is
/// no place for one, which is told with -v.
Result<std::unique_ptr<inventory::InventoryCache>> open_inventory_cache(const ParsedArgs& args,
                                                                        Io& io);
/// Tells with -v what could not be kept.
Result<void> report_cache(const ParsedArgs& args, Io& io, const inventory::InventoryCache* cache);

// Options that commands share.
extern const OptionSpec kPlatformOption, kTmpdirOption, kGpuOption, kLevelOption, kNoCacheOption,
    kDataOption;

}  // namespace flense::cli

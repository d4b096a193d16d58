// What several commands do alike: style, progress, opening a TARGET.
#pragma once

#include <functional>
#include <initializer_list>
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

/// How a TARGET is read.
struct ImageOptions {
  std::string platform;
  std::filesystem::path tmpdir;
  bool no_cache = false;
  bool no_variant = false;
  // No options: as image::OpenOptions has them.
  bool whole_index = false;
  std::function<std::optional<std::size_t>(const std::vector<image::Variant>&)> choose = {};
};
void declare(Options& options, ImageOptions& image);
/// With --no-cache.
void declare_cached(Options& options, ImageOptions& image);
Option& add_level(Options& options, device::Level& level);
constexpr std::string_view kGpuHelp =
    "GPUs to serve: h100, sm_90, 9.0, gfx942; several with commas";
/// A SIZE that an option takes.
Result<std::uint64_t> parse_size_of(const std::string& word, std::string_view option);

/// Colours when standard output is a terminal, unless --no-color, NO_COLOR or TERM=dumb.
report::Style output_style(const Request& request, const Io& io);

/// Enabled on a terminal without -q.
std::unique_ptr<Progress> make_progress(const Request& request, const Io& io);

Result<void> write_text(Io& io, std::string_view text);
/// The same for people: long lines are broken between words where the terminal would break words.
Result<void> write_report(Io& io, std::string_view text);
/// The value of an option that names a file to write. An environment error where it cannot be
/// written: better before minutes of work than after them.
Result<std::string> file_to_write(const std::string& file, std::string_view option);
/// A usage error where a report would replace one of the images that are read.
Result<void> spare_inputs(const std::vector<std::string>& targets,
                          std::initializer_list<std::string_view> reports);

/// --tmpdir, $TMPDIR, /var/tmp. Not /tmp, which often is memory.
std::filesystem::path scratch_directory(const ImageOptions& options, const Io& io);

/// A command that uses tables.
struct TableRequest : Request {
  std::optional<std::filesystem::path> data;
};
Option& add_data(Options& options, TableRequest& request);
/// The files over the built-in tables: of --data, $FLENSE_DATA and the system.
Result<knowledge::OwnTables> own_tables_of(const TableRequest& request, const Io& io,
                                           std::span<const std::string_view> names = {});
/// The tables, or those of `names`, under those files; tells which of their rows are old.
Result<knowledge::Knowledge> tables_of(const TableRequest& request, Io& io,
                                       std::span<const std::string_view> names = {});
/// The tables of verdicts: all but those of error messages, which explain and doctor read.
std::vector<std::string_view> judging_tables();

/// --format, or "json" for --json; a usage error when both are given.
Result<std::string> format_of(bool json, const std::string& format);

/// As OpenOptions::told_enough.
using ToldEnough = std::function<bool(const image::Image&)>;

/// TARGET as an image, with --platform and --tmpdir. A misspelt transport is told.
Result<std::unique_ptr<const image::Image>> open_target(const std::string& target,
                                                        const ImageOptions& options,
                                                        const Request& request, const Io& io,
                                                        ToldEnough told_enough = {});
/// The same, of a registry by manifest and configuration alone.
Result<std::unique_ptr<const image::Image>> open_config(const std::string& target,
                                                        const ImageOptions& options,
                                                        const Request& request, const Io& io);

/// "docker-achive:app.tar" is no image name that anybody means: a usage error. `further` are words
/// that an output has.
Result<void> check_transport(const std::string& target,
                             std::initializer_list<std::string_view> further = {});

/// $FLENSE_MAX_UNPACKED; a usage error when that is no size.
Result<std::optional<std::uint64_t>> max_unpacked(const Io& io);

/// $FLENSE_REGISTRY_TIMEOUT; a usage error when that is no number of seconds.
Result<image::RegistryLimits> registry_limits(const Io& io);

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
Result<std::unique_ptr<inventory::InventoryCache>> open_inventory_cache(const Request& request,
                                                                        const ImageOptions& options,
                                                                        Io& io);
/// Tells with -v what could not be kept.
Result<void> report_cache(const Request& request, Io& io, const inventory::InventoryCache* cache);

}  // namespace flense::cli

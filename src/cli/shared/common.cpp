#include "cli/shared/common.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <system_error>

#include "base/file.h"
#include "base/numbers.h"
#include "cli/shared/suggest.h"
#include "image/model/reference.h"
#include "inventory/compare/budget.h"

namespace flense::cli {

namespace {

constexpr std::array<std::string_view, 3> kLevels = {"safe", "standard", "aggressive"};

Result<device::Level> level_named(const std::string& word) {
  if (word == "safe") return device::Level::kSafe;
  return word == "aggressive" ? device::Level::kAggressive : device::Level::kStandard;
}

}  // namespace

void declare(Options& options, ImageOptions& image) {
  options.add("--platform", "OS/ARCH",
              "which image of a multi-platform index (default: this machine's)", image.platform);
  options
      .add("--tmpdir", "DIR", "scratch files go here (default: $TMPDIR, else /var/tmp)",
           image.tmpdir)
      .directory();
}

void declare_cached(Options& options, ImageOptions& image) {
  options.flag("--no-cache", "read every layer, whatever the cache of inventories holds",
               image.no_cache);
  declare(options, image);
}

Option& add_level(Options& options, device::Level& level) {
  return options
      .add("--level", "LEVEL", "how far to go: safe, standard, aggressive (default: standard)",
           level, level_named)
      .one_of(kLevels);
}

Option& add_data(Options& options, TableRequest& request) {
  return options.add("--data", "DIR", "tables whose rows come before flense's own", request.data)
      .directory();
}

Result<std::uint64_t> parse_size_of(const std::string& word, std::string_view option) {
  return with_context(parse_size(word), "reading {}", option);
}

Result<void> check_transport(const std::string& target,
                             std::initializer_list<std::string_view> further) {
  const std::size_t colon = target.find(':');
  if (colon == std::string::npos || colon < 3) return {};
  const std::string_view word = std::string_view(target).substr(0, colon);
  if (word.find_first_not_of("abcdefghijklmnopqrstuvwxyz-") != std::string_view::npos) return {};
  std::vector<std::string_view> known = further;
  for (const image::TransportForm& form : image::transport_forms()) known.push_back(form.word());
  if (std::ranges::find(known, word) != known.end()) return {};
  std::error_code ignored;
  if (std::filesystem::exists(target, ignored)) return {};
  // A short word is an image name with a tag ("dock:1"), a long one near a transport a slip.
  const std::string near = nearest(word, known);
  if (near.empty() || word.size() < 6 || edit_distance(word, near) > 2) return {};
  return fail(Code::kUsage, "unknown transport '{}:' in '{}'", word, target)
      .hint(fmt::format("did you mean {}{}?", near, target.substr(colon)));
}

report::Style output_style(const Request& request, const Io& io) {
  report::Style style;
  style.columns = io.out.is_terminal() ? io.columns : 0;
  if (!request.no_color && io.variable("NO_COLOR").empty() && io.variable("TERM") != "dumb")
    style.mark = io.out.mark();
  return style;
}

std::unique_ptr<Progress> make_progress(const Request& request, const Io& io) {
  const bool enabled = io.err.is_terminal() && !request.quiet;
  return std::make_unique<Progress>(enabled, io.columns, io.stop);
}

Result<void> write_text(Io& io, std::string_view text) {
  return io.out.text(text);
}

Result<void> write_report(Io& io, std::string_view text) {
  return io.out.prose(text);
}

Result<std::string> file_to_write(const std::string& file, std::string_view option) {
  const std::filesystem::path path = file, folder = path.parent_path();
  std::error_code error;
  if (!folder.empty() && !std::filesystem::is_directory(folder, error))
    return fail(Code::kEnvironment, "{}: there is no directory {}", option, folder.string())
        .hint("mkdir -p " + folder.string());
  if (!path.has_filename() || std::filesystem::is_directory(path, error))
    return fail(Code::kEnvironment, "{}: {} is a directory, and a file is written", option, file)
        .hint("name the file in it");
  return file;
}

Result<void> spare_inputs(const std::vector<std::string>& targets,
                          std::initializer_list<std::string_view> reports) {
  for (const std::string& target : targets)
    for (const std::string_view report : reports) {
      std::error_code absent;
      const std::string input = image::parse_target(target).path;
      if (!report.empty() && !input.empty() && std::filesystem::equivalent(input, report, absent) &&
          !absent)
        return fail(Code::kUsage, "{} is the image that is read, and a report would replace it",
                    report)
            .hint("name another file for the report");
    }
  return {};
}

std::filesystem::path scratch_directory(const ImageOptions& options, const Io& io) {
  if (!options.tmpdir.empty()) return options.tmpdir;
  if (const std::string dir = io.variable("TMPDIR"); !dir.empty()) return dir;
  std::error_code ignored;
  return std::filesystem::is_directory("/var/tmp", ignored) ? "/var/tmp" : "/tmp";
}

Result<knowledge::OwnTables> own_tables_of(const TableRequest& request, const Io& io,
                                           std::span<const std::string_view> names) {
  return with_context(knowledge::read_own_tables(
                          knowledge::table_places(request.data, io.variable("FLENSE_DATA")), names),
                      "reading the tables");
}

Result<knowledge::Knowledge> tables_of(const TableRequest& request, Io& io,
                                       std::span<const std::string_view> names) {
  TRY(const knowledge::OwnTables own, own_tables_of(request, io, names));
  TRY(knowledge::Knowledge out,
      with_context(knowledge::Knowledge::load(own, names), "reading the tables"));
  if (!request.quiet)
    for (const std::string& notice : knowledge::age_notices(out.tables))
      TRY_DO(io.err.line(fmt::format("notice: {}", notice)));
  return out;
}

std::vector<std::string_view> judging_tables() {
  std::vector<std::string_view> out = knowledge::table_names();
  std::erase_if(out, [](std::string_view name) { return name.starts_with("errors"); });
  return out;
}

Result<std::string> format_of(bool json, const std::string& format) {
  if (json && !format.empty()) return fail(Code::kUsage, "--json and --format exclude each other");
  return json ? "json" : format.empty() ? "text" : format;
}

namespace {

Result<image::OpenOptions> open_options(const ImageOptions& options, const Io& io) {
  image::OpenOptions out;
  out.platform = options.platform;
  out.scratch_directory = scratch_directory(options, io);
  out.cache_directory = places_of(io).images;
  TRY(out.registry, registry_limits(io));
  out.broker = io.broker.get();
  out.whole_index = options.whole_index;
  out.choose = options.choose;
  if (options.no_cache) return out;
  TRY(OpenedStore opened, open_entry_store(io));
  if (opened.store) out.memory = inventory::memory_in(std::move(*opened.store));
  return out;
}

}  // namespace

Result<std::unique_ptr<const image::Image>> open_target(const std::string& target,
                                                        const ImageOptions& options,
                                                        const Request& request, const Io& io,
                                                        ToldEnough told_enough) {
  TRY_DO(check_transport(target));
  TRY(image::OpenOptions how, open_options(options, io));
  const auto progress = make_progress(request, io);
  how.progress = progress.get();
  how.told_enough = std::move(told_enough);
  return image::open_image(target, how);
}

Result<std::unique_ptr<const image::Image>> open_config(const std::string& target,
                                                        const ImageOptions& options,
                                                        const Request& request, const Io& io) {
  TRY_DO(check_transport(target));
  TRY(image::OpenOptions how, open_options(options, io));
  const auto progress = make_progress(request, io);
  how.progress = progress.get();
  how.config_only = true;
  return image::open_image(target, how);
}

Result<std::optional<std::uint64_t>> max_unpacked(const Io& io) {
  const std::string text = io.variable("FLENSE_MAX_UNPACKED");
  if (text.empty()) return std::nullopt;
  TRY(const std::uint64_t most, with_context(parse_size(text), "reading FLENSE_MAX_UNPACKED"));
  return most;
}

Result<image::RegistryLimits> registry_limits(const Io& io) {
  image::RegistryLimits out;
  const std::string text = io.variable("FLENSE_REGISTRY_TIMEOUT");
  if (text.empty()) return out;
  const auto seconds = parse_number(text);
  constexpr std::uint64_t kDay = 86400;
  if (!seconds || *seconds < 1 || *seconds > kDay) {
    return fail(Code::kUsage, "FLENSE_REGISTRY_TIMEOUT is {}, not a number of seconds from 1 to {}",
                text, kDay);
  }
  out.answer = std::chrono::seconds(*seconds);
  return out;
}

CachePlaces places_of(const Io& io) {
  CacheSurroundings surroundings;
  surroundings.variable = [&io](std::string_view name) {
    return io.environment ? io.environment(name) : std::nullopt;
  };
  surroundings.on_network = on_network_file_system;
  surroundings.user = ::geteuid();
  return cache_places(surroundings);
}

Result<OpenedStore> open_entry_store(const Io& io) {
  std::uint64_t most = inventory::EntryStore::kDefaultBytes;
  if (const std::string text = io.variable("FLENSE_CACHE_MAX"); !text.empty()) {
    TRY(most, with_context(parse_size(text), "reading FLENSE_CACHE_MAX"));
  }
  std::vector<std::filesystem::path> places = places_of(io).inventories;
  for (std::filesystem::path& place : places) place /= "inventories";
  OpenedStore out;
  out.store = inventory::open_first(places, most, out.complaints);
  return out;
}

Result<std::unique_ptr<inventory::InventoryCache>> open_inventory_cache(const Request& request,
                                                                        const ImageOptions& options,
                                                                        Io& io) {
  if (options.no_cache) return std::unique_ptr<inventory::InventoryCache>();
  TRY(OpenedStore opened, open_entry_store(io));
  if (request.verbose)
    for (const std::string& complaint : opened.complaints)
      TRY_DO(io.err.line(fmt::format("notice: no cache there: {}", complaint)));
  if (!opened.store) return std::unique_ptr<inventory::InventoryCache>();
  return std::make_unique<inventory::InventoryCache>(std::move(*opened.store));
}

Result<void> report_cache(const Request& request, Io& io, const inventory::InventoryCache* cache) {
  if (cache == nullptr || !request.verbose) return {};
  const std::string complaint = cache->store().complaint();
  if (complaint.empty()) return {};
  return io.err.line(fmt::format("notice: nothing was cached: {}", complaint));
}

}  // namespace flense::cli

#include "cli/shared/common.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <system_error>

#include "base/numbers.h"
#include "cli/shared/suggest.h"
#include "inventory/compare/budget.h"

namespace flense::cli {

namespace {

constexpr std::array<std::string_view, 3> kLevels = {"safe", "standard", "aggressive"};
constexpr std::array<std::string_view, 7> kTransports = {
    "oci", "oci-archive", "docker-archive", "docker", "docker-daemon", "containers-storage", "dir"};

/// "docker-achive:app.tar" is no image name that anybody means.
Result<void> check_transport(const std::string& target) {
  const std::size_t colon = target.find(':');
  if (colon == std::string::npos || colon < 3) return {};
  const std::string_view word = std::string_view(target).substr(0, colon);
  if (word.find_first_not_of("abcdefghijklmnopqrstuvwxyz-") != std::string_view::npos) return {};
  if (std::find(kTransports.begin(), kTransports.end(), word) != kTransports.end()) return {};
  std::error_code ignored;
  if (std::filesystem::exists(target, ignored)) return {};
  // A short word is an image name with a tag ("dock:1"), a long one near a transport a slip.
  const std::string near = nearest(word, kTransports);
  if (near.empty() || word.size() < 6 || edit_distance(word, near) > 2) return {};
  return fail(Code::kUsage, "unknown transport '{}:' in '{}'", word, target)
      .hint(fmt::format("did you mean {}{}?", near, target.substr(colon)));
}

}  // namespace

const OptionSpec kDataOption{"--data",
                             "",
                             "DIR",
                             "tables whose rows come before flense's own",
                             false,
                             {},
                             Completion::kDirectory};

const OptionSpec kPlatformOption{"--platform", "", "OS/ARCH",
                                 "which image of a multi-platform index (default: this machine's)"};
const OptionSpec kTmpdirOption{"--tmpdir",
                               "",
                               "DIR",
                               "scratch files go here (default: $TMPDIR, else /var/tmp)",
                               false,
                               {},
                               Completion::kDirectory};
const OptionSpec kGpuOption{"--gpu", "", "GPU",
                            "GPUs to serve: h100, sm_90, 9.0, gfx942; several with commas", true};
const OptionSpec kLevelOption{
    "--level", "",     "LEVEL", "how far to go: safe, standard, aggressive (default: standard)",
    false,     kLevels};

const OptionSpec kNoCacheOption{"--no-cache", "", "",
                                "read every layer, whatever the cache of inventories holds"};

report::Style output_style(const ParsedArgs& args, const Io& io) {
  report::Style style;
  style.columns = io.out.is_terminal() ? io.columns : 0;
  if (!args.has("--no-color") && io.variable("NO_COLOR").empty() && io.variable("TERM") != "dumb")
    style.mark = io.out.mark();
  return style;
}

std::unique_ptr<Progress> make_progress(const ParsedArgs& args, const Io& io) {
  const bool enabled = io.err.is_terminal() && !args.has("--quiet");
  return std::make_unique<Progress>(enabled, io.columns, io.stop);
}

Result<void> write_text(Io& io, std::string_view text) {
  return io.out.text(text);
}

std::filesystem::path scratch_directory(const ParsedArgs& args, const Io& io) {
  if (args.has("--tmpdir")) return args.value("--tmpdir");
  if (const std::string dir = io.variable("TMPDIR"); !dir.empty()) return dir;
  std::error_code ignored;
  return std::filesystem::is_directory("/var/tmp", ignored) ? "/var/tmp" : "/tmp";
}

Result<knowledge::Knowledge> tables_of(const ParsedArgs& args) {
  std::optional<std::filesystem::path> data;
  if (args.has("--data")) data = args.value("--data");
  return with_context(knowledge::Knowledge::load(data), "reading the tables");
}

Result<std::string> format_of(const ParsedArgs& args) {
  if (args.has("--json") && args.has("--format"))
    return fail(Code::kUsage, "--json and --format exclude each other");
  return args.has("--json") ? "json" : args.value("--format", "text");
}

device::Level level_of(const ParsedArgs& args) {
  const std::string level = args.value("--level", "standard");
  if (level == "safe") return device::Level::kSafe;
  return level == "aggressive" ? device::Level::kAggressive : device::Level::kStandard;
}

namespace {

image::OpenOptions open_options(const ParsedArgs& args, const Io& io) {
  image::OpenOptions options;
  options.platform = args.value("--platform");
  options.scratch_directory = scratch_directory(args, io);
  options.cache_directory = places_of(io).images;
  return options;
}

}  // namespace

Result<std::unique_ptr<image::Image>> open_target(const std::string& target, const ParsedArgs& args,
                                                  const Io& io) {
  TRY_DO(check_transport(target));
  return image::open_image(target, open_options(args, io));
}

Result<std::unique_ptr<image::Image>> open_config(const std::string& target, const ParsedArgs& args,
                                                  const Io& io) {
  TRY_DO(check_transport(target));
  image::OpenOptions options = open_options(args, io);
  options.config_only = true;
  return image::open_image(target, options);
}

std::uint64_t unpacked_size(const image::Image& image) {
  std::uint64_t total = 0;
  for (const image::Layer& layer : image.layers) {
    if (layer.compression != codec::Compression::kNone) return 0;
    total += layer.blob.size;
  }
  return total;
}

Result<std::optional<std::uint64_t>> max_unpacked(const Io& io) {
  const std::string text = io.variable("FLENSE_MAX_UNPACKED");
  if (text.empty()) return std::nullopt;
  TRY(const std::uint64_t most, with_context(parse_size(text), "reading FLENSE_MAX_UNPACKED"));
  return most;
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

Result<std::unique_ptr<inventory::InventoryCache>> open_inventory_cache(const ParsedArgs& args,
                                                                        Io& io) {
  if (args.has("--no-cache")) return std::unique_ptr<inventory::InventoryCache>();
  TRY(OpenedStore opened, open_entry_store(io));
  if (args.has("--verbose"))
    for (const std::string& complaint : opened.complaints)
      TRY_DO(io.err.line(fmt::format("notice: no cache there: {}", complaint)));
  if (!opened.store) return std::unique_ptr<inventory::InventoryCache>();
  return std::make_unique<inventory::InventoryCache>(std::move(*opened.store));
}

Result<void> report_cache(const ParsedArgs& args, Io& io, const inventory::InventoryCache* cache) {
  if (cache == nullptr || !args.has("--verbose")) return {};
  const std::string complaint = cache->store().complaint();
  if (complaint.empty()) return {};
  return io.err.line(fmt::format("notice: nothing was cached: {}", complaint));
}

}  // namespace flense::cli

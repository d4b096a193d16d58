// flense bench: what data costs, depending on where it lies.
#include <array>
#include <filesystem>

#include "base/interrupt.h"
#include "base/numbers.h"
#include "base/version.h"
#include "cli/shared/command.h"
#include "cli/shared/common.h"
#include "cli/shared/root_places.h"
#include "launch/bench/io.h"
#include "report/format/table.h"

namespace flense::cli {

namespace {

constexpr std::string_view kBenchHelp =
    R"(io measures what reading and writing costs in three places, each against the first:
  mount     a directory of your own disk (--dir, default: the working directory), as -v shows it
  image     the unpacked image, as flense run uses it
  overlay   a writable layer over the image, as --writable and other engines have it

Reading one large file of the image in order and at random, the first write to such a file (which
makes an overlay copy it as a whole), creating files, looking at files by their paths. The page cache is told to
forget the file before it is read in order; reads at random go past it (O_DIRECT) where the file
system can. No privileges are used, so a disk that caches by itself still may.

Takes up to twice --size in --dir for as long as it runs.

Examples:
  flense bench io app.tar
  flense bench io app.tar --dir /scratch/me --size 1GiB
  flense bench io oci:./app --json)";

constexpr auto kBenchActions = std::to_array<std::string_view>({"io"});
constexpr std::uint64_t kLeast = 1u << 20, kMost = 64ull << 30;

struct BenchRequest : Request {
  std::string directory = ".";
  std::optional<std::uint64_t> size;
  bool json = false;
  ImageOptions image;
};

Result<std::uint64_t> size_of_file(const std::string& word, std::string_view option) {
  TRY(const std::uint64_t bytes, parse_size_of(word, option));
  if (bytes < kLeast || bytes > kMost)
    return fail(Code::kUsage, "{} is between 1 MiB and 64 GiB", option);
  return bytes;
}

void declare(Options& options, BenchRequest& request) {
  options.add("--dir", "DIR", "your own disk (default: the working directory)", request.directory)
      .directory();
  options.add("--size", "SIZE", "of the file that is read (default: 256MiB)", request.size,
              size_of_file);
  options.flag("--json", "print JSON (schema flense/bench-io/v1)", request.json);
  declare(options, request.image);
}

/// A row: how long it takes against the mount, and the figure itself.
struct IoRow {
  const char* name;
  const char* json;
  std::optional<double> launch::IoFigures::* value;
  bool is_rate;  ///< more is better
  const char* unit;
};
constexpr std::array<IoRow, 5> kRows = {{
    {"read in order", "sequential_bytes_per_second",
     &launch::IoFigures::sequential_bytes_per_second, true, ""},
    {"read 4 KiB at random", "random_microseconds", &launch::IoFigures::random_microseconds, false,
     "µs"},
    {"first write to a large file", "first_write_milliseconds",
     &launch::IoFigures::first_write_milliseconds, false, "ms"},
    {"create a file", "create_microseconds", &launch::IoFigures::create_microseconds, false, "µs"},
    {"look at a file (stat)", "stat_microseconds", &launch::IoFigures::stat_microseconds, false,
     "µs"},
}};

/// How many times the time of the mount; nullopt where one of the two is missing.
std::optional<double> ratio(const IoRow& row, const launch::IoFigures& mount,
                            const launch::IoFigures& other) {
  const auto base = mount.*row.value, value = other.*row.value;
  if (!base || !value || *base <= 0 || *value <= 0) return std::nullopt;
  return row.is_rate ? *base / *value : *value / *base;
}

std::string figure(const IoRow& row, const launch::IoFigures& place) {
  const auto value = place.*row.value;
  if (!value) return "-";
  if (row.is_rate) return human_bytes(static_cast<std::uint64_t>(*value)) + "/s";
  return fmt::format("{:.{}f} {}", *value, *value < 10 ? 2 : 0, row.unit);
}

std::string times(const std::optional<double>& value) {
  return value ? fmt::format("{:.{}f}×", *value, *value < 10 ? 2 : 0) : "";
}

std::string io_text(const launch::IoReport& report, const std::string& directory,
                    const report::Style& style) {
  std::string out = fmt::format("{} ({}), beside a file of that size in {}\n\n", report.file,
                                human_bytes(report.bytes), directory);
  report::Table table({{"", report::Align::kLeft},
                       {"mount", report::Align::kRight},
                       {"image", report::Align::kRight},
                       {"time", report::Align::kRight},
                       {"overlay", report::Align::kRight},
                       {"time", report::Align::kRight}});
  for (const IoRow& row : kRows)
    table.add({row.name, figure(row, report.mount), figure(row, report.image),
               times(ratio(row, report.mount, report.image)), figure(row, report.overlay),
               times(ratio(row, report.mount, report.overlay))});
  out += table.text(style);
  out += fmt::format("\nIn order: {}. At random: {}.\n", report.sequential_method,
                     report.random_method);
  for (const auto& [name, place] :
       {std::pair{"mount", &report.mount}, std::pair{"image", &report.image},
        std::pair{"overlay", &report.overlay}})
    if (!place->problem.empty()) out += fmt::format("{}: {}\n", name, place->problem);
  return out;
}

text::Json place_json(const launch::IoFigures& place, const launch::IoFigures& mount) {
  text::Json out = text::Json::object();
  text::Json ratios = text::Json::object();
  for (const IoRow& row : kRows) {
    if (const auto value = place.*row.value) out.set(row.json, *value);
    if (const auto one = ratio(row, mount, place)) ratios.set(row.json, *one);
  }
  if (&place != &mount) out.set("time_against_mount", std::move(ratios));
  if (!place.problem.empty()) out.set("problem", place.problem);
  return out;
}

text::Json io_json(const launch::IoReport& report, const std::string& target,
                   const std::string& directory) {
  text::Json out = text::Json::object();
  out.set("schema", "flense/bench-io/v1").set("flense", kVersion);
  out.set("target", target).set("directory", directory);
  out.set("file", report.file).set("bytes", report.bytes).set("entries", report.entries);
  out.set("sequential_method", report.sequential_method);
  out.set("random_method", report.random_method);
  out.set("mount", place_json(report.mount, report.mount));
  out.set("image", place_json(report.image, report.mount));
  out.set("overlay", place_json(report.overlay, report.mount));
  return out;
}

Result<int> run_bench(const BenchRequest& request, Io& io) {
  const std::string& action = request.words.front();
  if (action != "io")
    return fail(Code::kUsage, "bench has no action '{}'", action).hint("flense bench io IMAGE");
  if (request.words.size() < 2) return fail(Code::kUsage, "bench io needs an IMAGE or DIR");
  const std::string& target = request.words[1];
  launch::IoBenchOptions options;
  options.bytes = request.size.value_or(options.bytes);
  InterruptWatch interrupts;
  interrupts.start();
  options.stop = interrupts.token();
  options.directory = std::filesystem::absolute(request.directory);
  TRY(const OpenedRoot root,
      with_context(open_root(target, request, request.image, false, io), "opening {}", target));
  options.root = root.root.path;
  const auto measured = with_context(launch::bench_io(options), "measuring {}", target);
  if (!measured) interrupts.end_as_signalled();
  TRY(const launch::IoReport report, measured);
  const std::string directory = options.directory.lexically_normal().string();
  if (request.json)
    TRY_DO(write_text(io, text::dump_json(io_json(report, root.image->name, directory), 2) + "\n"));
  else
    TRY_DO(write_report(io, io_text(report, directory, output_style(request, io))));
  return 0;
}

}  // namespace

const Command& bench_command() {
  static const Command kCommand{
      .name = "bench",
      .group = "Run",
      .summary = "measure what data costs in an image, an overlay and a mount",
      .positionals = "ACTION IMAGE|DIR",
      .min_positionals = 1,
      .max_positionals = 2,
      .help = kBenchHelp,
      .words = kBenchActions,
      .call = [] { return call_of(run_bench); }};
  return kCommand;
}

}  // namespace flense::cli

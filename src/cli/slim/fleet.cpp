#include "cli/slim/fleet.h"

#include <set>
#include <system_error>

#include "base/ascii.h"
#include "base/private_directory.h"
#include "cli/shared/common.h"
#include "cli/slim/run.h"
#include "cli/slim/steps.h"
#include "report/images/slim_fleet_report.h"
#include "slim/apply/layer_pool.h"

namespace flense::cli {

namespace {

/// What the results are called in the output directory: "app" of dir/app.tar, "app-1" of
/// docker://host/team/app:1.
std::string name_of(std::string target) {
  while (target.ends_with('/')) target.pop_back();
  target.erase(0, target.rfind('/') + 1);
  for (const char* transport : {"oci:", "oci-archive:", "docker-archive:", "docker-daemon:",
                                "containers-storage:", "dir:", "docker:"})
    if (target.starts_with(transport)) target.erase(0, std::string_view(transport).size());
  if (target.ends_with(".tar")) target.resize(target.size() - 4);
  for (char& c : target) {
    const bool plain = is_alphanumeric(c) || c == '.' || c == '_' || c == '-';
    if (!plain) c = '-';
  }
  return target;
}

/// The form and the directory of -o.
struct Destination {
  std::string prefix, directory, suffix;
};

Result<Destination> destination_of(const std::string& output) {
  Destination out{"oci:", output, ""};
  if (output.starts_with("oci:")) out.directory = output.substr(4);
  for (const char* archive : {"docker-archive:", "oci-archive:"})
    if (output.starts_with(archive))
      out = {archive, output.substr(std::string_view(archive).size()), ".tar"};
  for (const char* other : {"dir:", "squashfs:", "sif:"})
    if (output.starts_with(other))
      return usage_error(fmt::format("-o {} is for one image at a time", other),
                         "several images go into a directory of OCI layouts or archives: -o DIR, "
                         "-o docker-archive:DIR");
  if (out.directory.empty()) return usage_error("-o names no directory", "-o DIR");
  return out;
}

/// One request for each image; nothing has been read yet.
Result<std::vector<SlimRequest>> requests_of(const SlimRequest& common, const ParsedArgs& args) {
  if (common.in_place || !common.push_to.empty() || !common.tag.empty())
    return usage_error("several images need -o DIR", "push the results with skopeo, or one by one");
  for (const char* option : {"--plan", "--provenance", "--html", "--save-trace"})
    if (args.has(option) && args.value(option) != "none")
      return usage_error(fmt::format("{} is for one image at a time", option), "leave it out");
  if (common.options.packing.squash)
    return usage_error("--squash is for one image at a time: a squashed layer shares nothing",
                       "leave it out");
  if (common.dry_run && args.has("--json"))
    return usage_error("--dry-run --json prints the plan of one image at a time", "name one image");
  Destination to;
  if (!common.dry_run) {
    TRY(to, destination_of(common.output));
  }
  std::vector<SlimRequest> out;
  std::set<std::string> names;
  for (const std::string& target : args.positionals()) {
    const std::string name = name_of(target);
    if (name.empty() || name == "." || name == "..")
      return usage_error(fmt::format("no name for the result follows from '{}'", target),
                         "slim it alone, with an output of its own");
    if (!names.insert(name).second)
      return usage_error(fmt::format("two images would be written as '{}'", name),
                         "rename one of them, or slim it alone");
    SlimRequest one = common;
    one.target = target;
    one.elf_file = false;
    if (!common.dry_run) {
      const std::string path = (std::filesystem::path(to.directory) / (name + to.suffix)).string();
      one.output = to.prefix + path;
      one.provenance_file = args.has("--provenance") ? "none" : path + ".provenance.json";
    }
    out.push_back(std::move(one));
  }
  return out;
}

/// A cache for this run alone, so that a layer is read once; null where none can be had.
std::unique_ptr<inventory::InventoryCache> cache_of_run(const TemporaryDirectory& work) {
  constexpr std::uint64_t kMost = 4ull << 30;
  auto store = inventory::EntryStore::open(work.path() / "inventories", kMost);
  if (!store) return nullptr;
  return std::make_unique<inventory::InventoryCache>(std::move(*store));
}

/// The result as an input for the next images.
Result<void> remember(const SlimRequest& request, slim::SlimOutcome& outcome,
                      slim::LayerPool& pool) {
  TRY(auto written, image::open_image(request.output, {}));
  pool.add(std::move(written), outcome.keys, std::move(outcome.written));
  return {};
}

Result<void> make_directory(const SlimRequest& request) {
  if (request.dry_run) return {};
  TRY(const image::OutputSpec spec, image::parse_output(request.output, {}));
  std::error_code error;
  std::filesystem::create_directories(spec.path.parent_path(), error);
  if (error)
    return system_error(error.value(), "cannot create " + spec.path.parent_path().string());
  return {};
}

}  // namespace

Result<int> slim_fleet(const ParsedArgs& args, Io& io) {
  TRY(const SlimRequest common, read_slim_request(args, io));
  TRY(const std::vector<SlimRequest> requests, requests_of(common, args));
  TRY_DO(make_directory(requests.front()));
  TRY(const TemporaryDirectory work,
      TemporaryDirectory::create(common.workplace.scratch_directory, "flense-work"));
  const auto cache = cache_of_run(work);
  slim::LayerPool pool;
  report::SlimFleetReport fleet;
  for (const SlimRequest& request : requests) {
    TRY(SlimSubject subject, with_context(read_slim_subject(request, args, io, cache.get()),
                                          "slimming {}", request.target));
    if (!subject.failed_trace.empty()) return report_failed_trace(subject, io);
    if (!subject.broken.empty()) return report_broken(subject, io);
    if (request.dry_run) {
      TRY_DO(report_dry_run(subject, args, io));
      fleet.add_planned(subject.plan, subject.unpacked);
      continue;
    }
    if (!request.verify_command.empty()) {
      TRY(const bool holds, verify_by_running(request, subject, io));
      if (!holds) return 1;
    }
    TRY(slim::SlimOutcome outcome,
        with_context(write_output(request, subject, &pool), "slimming {}", request.target));
    TRY_DO(write_provenance(request, subject, outcome));
    const report::SlimReport report = outcome_report(request, subject, outcome);
    fleet.add(report);
    if (!args.has("--json"))
      TRY_DO(write_text(io, report::slim_text(report, output_style(args, io), false) + "\n"));
    TRY_DO(remember(request, outcome, pool));
  }
  if (args.has("--json"))
    TRY_DO(write_text(io, text::dump_json(fleet.json(), 2) + "\n"));
  else
    TRY_DO(write_text(io, fleet.text(output_style(args, io))));
  return 0;
}

}  // namespace flense::cli

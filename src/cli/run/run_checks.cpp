#include "cli/run/run_checks.h"

#include <algorithm>

#include "base/cache_places.h"
#include "cli/shared/common.h"
#include "launch/container/data_path.h"
#include "launch/gpus/preflight.h"
#include "launch/rootfs/in_root.h"

namespace flense::cli {

namespace {

Result<void> warn(const RunRequest& request, Io& io, const std::string& text) {
  if (request.quiet) return {};
  return io.err.line(fmt::format("warning: {}", text));
}

launch::DataPathQuestion question_of(const launch::OciInput& oci) {
  launch::DataPathQuestion out;
  out.command = oci.args;
  out.environment = oci.env.items();
  out.workdir = oci.cwd;
  out.writable_root = !oci.root_read_only;
  for (const launch::OciMount& mount : oci.mounts) {
    const bool read_only = std::ranges::find(mount.options, "ro") != mount.options.end();
    (read_only ? out.read_only : out.writable).push_back(mount.destination);
  }
  return out;
}

/// Where a path of the container lies on the host, as far as a bind mount tells.
std::string on_host(const launch::OciInput& oci, const std::string& path) {
  std::string out;
  std::size_t best = 0;
  for (const launch::OciMount& mount : oci.mounts) {
    const std::string& target = mount.destination;
    const bool holds = path == target || path.starts_with(target + "/");
    if (!holds || target.size() < best) continue;
    best = target.size();
    out = mount.source.starts_with('/') ? mount.source + path.substr(target.size()) : "";
  }
  return out;
}

}  // namespace

Result<bool> check_image(const RunRequest& request, Io& io, const image::Image& image,
                         const host::Machine& machine, const launch::RootFs& root,
                         const std::vector<std::string>& devices) {
  if (request.no_preflight) return false;
  TRY(const auto cache, open_inventory_cache(request, request.image, io));
  const auto progress = make_progress(request, io);
  launch::PreflightOptions options;
  options.devices = devices;
  options.cache = cache.get();
  options.read_layers = root.unpacked_now;
  TRY(options.tables, own_tables_of(request, io, knowledge::kVerdictTables));
  options.scratch_directory = scratch_directory(request.image, io);
  options.progress = progress.get();
  TRY(const launch::Preflight verdict,
      with_context(launch::preflight(image, machine, options), "checking {}", image.name));
  progress->clear();
  TRY_DO(launch::refuse(verdict));
  for (const launch::PreflightFinding& finding : verdict.warnings)
    TRY_DO(warn(request, io, fmt::format("{} ({})", finding.message, finding.id)));
  if (!request.quiet)
    for (const std::string& notice : verdict.notices)
      TRY_DO(io.err.line(fmt::format("notice: {}", notice)));
  return verdict.use_image_compat;
}

Result<void> check_data(const RunRequest& request, Io& io, const launch::OciInput& oci,
                        const launch::RootFs& root, bool in_place) {
  const launch::DataPathQuestion question = question_of(oci);
  const auto in_image = [&](const std::string& path) {
    return launch::kind_in_root(root.directory.get(), path) != launch::FileKind::kMissing;
  };
  for (const std::string& text : launch::data_path_warnings(question, in_image))
    TRY_DO(warn(request, io, text));
  launch::PlaceQuestion places;
  if (!root.mounted) (in_place ? places.sandbox : places.roots) = root.path.string();
  if (request.verbose) places.workdir = on_host(oci, question.workdir);
  for (launch::DataPath one : launch::data_paths(question))
    if (one.use == launch::DataPath::Use::kCache) {
      one.path = on_host(oci, one.path);
      places.caches.push_back(std::move(one));
    }
  for (const std::string& text : launch::place_warnings(
           places, [](const std::string& path) { return on_network_file_system(path); }))
    TRY_DO(warn(request, io, text));
  return {};
}

Result<std::optional<int>> refuse_command(const launch::CommandCheck& check,
                                          std::string_view program, std::string_view where,
                                          Io& io) {
  constexpr int kCannotExecute = 126, kNotFound = 127;
  const bool missing = check.state == launch::CommandState::kMissing;
  if (!missing && check.state != launch::CommandState::kNotExecutable) return std::nullopt;
  TRY_DO(io.err.line(missing ? fmt::format("error: {} has no command '{}'", where, program)
                             : fmt::format("error: '{}' of {} cannot be executed{}{}", program,
                                           where, check.reason.empty() ? "" : ": ", check.reason)));
  return missing ? kNotFound : kCannotExecute;
}

}  // namespace flense::cli

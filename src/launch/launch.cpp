#include "launch/launch.h"

#include <sys/random.h>

#include <array>

#include "launch/container/mount_plan.h"

namespace flense::launch {

namespace {

constexpr const char* kLibraries = "libraries";

Result<std::string> new_id(const RunOptions& options) {
  if (!options.name.empty()) return options.name;
  std::array<unsigned char, 6> bytes{};
  if (::getrandom(bytes.data(), bytes.size(), 0) != static_cast<ssize_t>(bytes.size()))
    return system_error(errno, "cannot generate a name");
  std::string out = "flense-";
  for (const unsigned char byte : bytes) out += fmt::format("{:02x}", byte);
  return out;
}

/// Binds of `from` and below come from `to`.
void move_sources(const std::filesystem::path& from, const std::filesystem::path& to,
                  std::vector<OciMount>& mounts) {
  for (OciMount& mount : mounts)
    if (is_below(mount.source, from.string()))
      mount.source = to.string() + mount.source.substr(from.string().size());
}

std::vector<std::string> engine_words(const RunOptions& options, const Engine& engine,
                                      const RuntimePlaces& places,
                                      const std::filesystem::path& place, const std::string& id) {
  const bool limits = has_limits(options);
  // Ids of processes that are not ours mean nothing to `flense exec`: their state ends with
  // them.
  const std::filesystem::path state =
      options.die_with_parent || options.other_id ? place / "crun" : places.state();
  std::vector<std::string> out = {
      engine.program, "--root",
      state,          limits ? "--cgroup-manager=cgroupfs" : "--cgroup-manager=disabled",
      "run",          "-b",
      place};
  // A keyring for each container would exceed the user's quota of a few hundred.
  if (!options.isolate) out.emplace_back("--no-new-keyring");
  out.push_back(id);
  return out;
}

void describe_engine(const Engine& engine, CgroupLayout layout, bool covered,
                     std::vector<std::string>& reasons) {
  reasons.push_back(fmt::format("engine: {} {}, control groups: {}{}", engine.program,
                                engine.version.text(), to_string(layout),
                                covered ? ", version 2 covered" : ""));
  if (engine.version < kMendedCrun)
    reasons.push_back(fmt::format(
        "crun before {} follows a link in the place of /dev (CVE-2026-47766); here it could reach "
        "no more than the caller can",
        kMendedCrun.text()));
}

}  // namespace

Result<Launch> plan_launch(const LaunchInput& input, const Engine& engine,
                           const RuntimePlaces& places) {
  const RunOptions& options = input.options;
  Launch out;
  StagePlan& stage = out.stage;
  TRY_DO(check_standard_streams());
  TRY(out.id, new_id(options));
  stage.place = places.stage();
  if (options.other_id) {
    TRY(stage.place, open_common_stage());
  }
  TRY(Assembled plan,
      assemble(
          input,
          {stage.place, staged_root(stage.place), {0, 0}, out.id, engine.version <= kTriedCrun}));
  if (options.overlay) TRY_DO(check_overlay_place(*options.overlay));

  stage.root = input.root.path;
  if (input.root.mounted) stage.mounted_root = input.root.directory.get();
  stage.missing = std::move(plan.missing);
  stage.writable = options.writable;
  stage.overlay = options.overlay.value_or("");
  const CgroupLayout layout = cgroup_layout(kCgroups);
  stage.cgroup_namespaces = !options.isolate && !options.other_id;
  stage.cover_unified = layout == CgroupLayout::kHybrid;
  stage.delegation = std::move(plan.delegation);
  stage.sub_ids = std::move(plan.sub_ids);
  stage.groups = std::move(plan.groups);
  if (input.other != nullptr) stage.other_id = input.other->id;
  if (input.libraries >= 0) {
    stage.trees.emplace_back(kLibraries, input.libraries);
    move_sources(input.library_directory, stage.place / kLibraries, plan.oci.mounts);
  } else {
    stage.kept = input.kept;
  }
  const bool terminal = plan.oci.terminal;
  if (input.traced.empty() && (options.die_with_parent || terminal || is_job()))
    stage.supervise = Supervision{options.die_with_parent, terminal, options.own_processes};
  stage.argv = engine_words(options, engine, places, stage.place, out.id);
  TRY(const text::Json config, oci_config(plan.oci));
  stage.files = std::move(plan.files);
  stage.files.emplace_back("config.json", text::dump_json(config));

  out.oci = std::move(plan.oci);
  out.command = std::move(plan.command);
  out.program = std::move(plan.program);
  out.reasons = std::move(plan.reasons);
  describe_engine(engine, layout, stage.cover_unified, out.reasons);
  if (options.writable)
    out.notices.emplace_back(
        "--writable: the first write to a large file of the image copies all of it, and so does "
        "chmod; keep data on -v mounts");
  return out;
}

}  // namespace flense::launch

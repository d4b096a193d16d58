#include "launch/bundle.h"

#include <unistd.h>

#include <system_error>

#include "base/file.h"
#include "base/process.h"
#include "codec/sha256.h"
#include "launch/container/stage.h"

namespace flense::launch {

namespace {

constexpr const char* kSkeleton = "skeleton";
constexpr const char* kLayeredRoot = "rootfs";
constexpr const char* kChanges = "changes";

/// For an overlay's lowerdir=, the uppermost first.
Result<std::string> layers_text(const std::vector<std::string>& layers) {
  for (const std::string& layer : layers)
    if (layer.find_first_of(":,\\") != std::string::npos)
      return fail(Code::kEnvironment,
                  "{} cannot be a layer of an overlay: its name has a "
                  "colon, a comma or a backslash",
                  layer)
          .hint("write the bundle elsewhere, or set FLENSE_CACHE");
  return fmt::format("{}", fmt::join(layers, ":"));
}

/// What a file cannot say.
Result<void> check_options(const LaunchInput& input) {
  const RunOptions& options = input.options;
  if (input.root.mounted)
    return fail(Code::kUsage,
                "--bundle and --mount-image do not go together: the mount ends with this process")
        .hint("without --mount-image the bundle starts in the unpacked root");
  if (options.sub_ids)
    return fail(Code::kUsage,
                "--bundle and --sub-ids do not go together: flense maps the ids before crun starts")
        .hint("--fake-root is uid 0 in a bundle too");
  if (has_limits(options))
    return fail(Code::kUsage,
                "--bundle does not go together with --memory, --cpus and --pids-limit: whoever "
                "starts it says in which control group")
        .hint(
            "\"systemd-run --user --scope -p MemoryMax=SIZE -p TasksMax=N\" starts the command "
            "of a bundle with limits");
  if (options.overlay) TRY_DO(check_overlay_place(*options.overlay));
  if (options.die_with_parent)
    return fail(
        Code::kUsage,
        "--bundle and --die-with-parent do not go together: whoever starts it sees to that");
  return {};
}

/// The same at every start; two bundles run beside each other.
std::string id_of(const std::filesystem::path& place) {
  return "flense-" + codec::sha256_digest(as_bytes(place.native()))
                         .substr(std::string_view("sha256:").size(), 12);
}

/// As a shell reads it back.
std::string shell_word(std::string_view text) {
  if (!text.empty() && text.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                              "0123456789_@%+=:,./-") == std::string_view::npos)
    return std::string(text);
  return shell_quoted(text);
}

std::string shell_line(const std::vector<std::string>& words) {
  std::string out;
  for (const std::string& word : words) out += (out.empty() ? "" : " ") + shell_word(word);
  return out;
}

/// What the shell does to combine the layers into `root`: read-only, or writable with the changes
/// kept in --overlay or in memory, as mount_stage() does it.
Result<std::string> mounting_words(const RunOptions& options, const std::filesystem::path& place,
                                   const std::vector<std::string>& layers,
                                   const std::string& root) {
  TRY(const std::string lower, layers_text(layers));
  std::string out, mounted = "ro,xino=off,lowerdir=" + lower;
  if (options.writable) {
    std::error_code error;
    const std::filesystem::path changes =
        options.overlay ? std::filesystem::absolute(*options.overlay, error) : place / kChanges;
    if (error) return system_error(error.value(), "cannot use " + *options.overlay);
    const std::string upper = changes / "upper", work = changes / "work";
    TRY_DO(layers_text({upper}));
    if (!options.overlay)
      out += fmt::format("mount -t tmpfs -o mode=0755 tmpfs {} && ", shell_word(changes.string()));
    // A container that had the directory in reach may have put a link there.
    out += fmt::format("[ ! -h {0} ] && [ ! -h {1} ] && mkdir -p {0} {1} && ", shell_word(upper),
                       shell_word(work));
    mounted =
        fmt::format("userxattr,xino=off,lowerdir={},upperdir={},workdir={}", lower, upper, work);
  }
  return out + fmt::format("mount -t overlay overlay -o {} {} && ", shell_word(mounted),
                           shell_word(root));
}

}  // namespace

Result<Bundle> write_bundle(const LaunchInput& input, const Engine& engine,
                            const RuntimePlaces& places, const std::filesystem::path& directory) {
  TRY_DO(check_options(input));
  std::error_code error;
  const std::filesystem::path place = std::filesystem::absolute(directory, error);
  if (error) return system_error(error.value(), "cannot use " + directory.string());
  const bool hybrid = cgroup_layout(kCgroups) == CgroupLayout::kHybrid;
  const std::string id = input.options.name.empty() ? id_of(place) : input.options.name;
  const Identity caller{::geteuid(), ::getegid()}, root_of_namespace{0, 0};
  std::string root = input.root.path;
  TRY(Assembled plan, assemble(input, {place, root, hybrid ? root_of_namespace : caller, id}));
  const bool layered = input.options.writable || !plan.missing.empty();
  if (layered) {
    // What the image lacks, and what changes, is in layers above it, which only a mount combines.
    root = place / kLayeredRoot;
    TRY(plan, assemble(input, {place, root, root_of_namespace, id}));
  }
  std::vector<std::string> command = {
      engine.program,     "--root", places.state(), "--cgroup-manager=disabled", "run", "-b", place,
      "--no-new-keyring", id};
  std::string mounts;
  // crun refuses a hybrid hierarchy; a namespace in which that half is covered has none.
  if (hybrid) mounts += "mount -t tmpfs tmpfs /sys/fs/cgroup/unified && ";
  if (layered) {
    std::vector<std::string> layers = {input.root.path};
    if (!plan.missing.empty()) layers.insert(layers.begin(), place / kSkeleton);
    TRY(const std::string words, mounting_words(input.options, place, layers, root));
    mounts += words;
  }
  if (!mounts.empty()) {
    const std::string script = mounts + "exec " + shell_line(command);
    command = {"unshare", "-Urm", "sh", "-c", script};
  }
  TRY(AtomicDirectory output, AtomicDirectory::create(place));
  if (layered) {
    if (!plan.missing.empty())
      TRY_DO(make_skeleton(output.staging() / kSkeleton, input.root.directory, plan.missing));
    for (const char* name : {kLayeredRoot, kChanges}) {
      std::filesystem::create_directory(output.staging() / name, error);
      if (error) return system_error(error.value(), "cannot create " + (place / name).string());
    }
  }
  // Whoever starts it has the terminal.
  plan.oci.terminal = input.options.tty;
  Bundle out{shell_line(command), std::move(plan.reasons)};
  TRY(const text::Json config, oci_config(plan.oci));
  plan.files.emplace_back("config.json", text::dump_json(config, 2) + "\n");
  plan.files.emplace_back(
      "README", fmt::format("Starts with, as the user who wrote it and on this machine:\n\n  {}\n\n"
                            "The root file system is {}.\n"
                            "It lies in the cache: once `flense cache prune` has removed it, write "
                            "the bundle anew.\n",
                            out.command, input.root.path.string()));
  for (const auto& [name, text] : plan.files) {
    TRY(AtomicFile file, AtomicFile::create(output.staging() / name));
    TRY_DO(write_fully(file.fd(), as_bytes(text), name));
    TRY_DO(file.commit());
  }
  TRY_DO(output.commit());
  return out;
}

}  // namespace flense::launch

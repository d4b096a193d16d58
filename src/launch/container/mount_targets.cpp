#include "launch/container/mount_targets.h"

#include <algorithm>

#include "launch/container/mount_plan.h"

namespace flense::launch {

namespace {

std::string parent_of_target(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  return slash == 0 || slash == std::string::npos ? "/" : path.substr(0, slash);
}

bool wants_directory(const OciMount& mount, const PathKinds& look) {
  return mount.type != "bind" || look.on_host(mount.source) == FileKind::kDirectory;
}

/// crun makes what is missing below a mount, in that mount.
bool lies_in_a_mount(const std::string& target, const std::vector<OciMount>& before) {
  return std::any_of(before.begin(), before.end(), [&](const OciMount& mount) {
    return target != mount.destination && is_below(target, mount.destination);
  });
}

Failure conflict(const std::string& target, std::string_view there) {
  return fail(Code::kBadInput, "{} cannot be mounted on: the image has {} there", target, there)
      .hint("mount elsewhere");
}

}  // namespace

Result<TargetPlan> plan_targets(std::vector<OciMount> mounts, const PathKinds& look) {
  TargetPlan out;
  for (OciMount& mount : mounts) {
    const std::string target = mount.destination;
    const bool directory = wants_directory(mount, look);
    if (lies_in_a_mount(target, out.mounts)) {
      out.mounts.push_back(std::move(mount));
      continue;
    }
    const FileKind there = look.in_image(target);
    if (there != FileKind::kMissing) {
      if (directory != (there == FileKind::kDirectory))
        return conflict(target, there == FileKind::kDirectory ? "a directory" : "a file");
      out.mounts.push_back(std::move(mount));
      continue;
    }
    std::string above = parent_of_target(target);
    while (above != "/" && look.in_image(above) == FileKind::kMissing)
      above = parent_of_target(above);
    if (look.in_image(above) != FileKind::kDirectory) return conflict(target, "a file above it");
    if (above != "/" && look.is_empty_in_image(above)) {
      out.mounts.push_back({above, "tmpfs", "tmpfs", {"nosuid", "nodev", "mode=0555", "size=1m"}});
      out.reasons.push_back(
          fmt::format("{}: made in memory over the image's empty {}", target, above));
    } else {
      out.missing.push_back({target.substr(1), directory});
      out.reasons.push_back(fmt::format(
          "{}: missing in the image, made by a read-only overlay (no copy-up)", target));
    }
    out.mounts.push_back(std::move(mount));
  }
  return out;
}

}  // namespace flense::launch

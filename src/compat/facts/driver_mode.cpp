#include "compat/facts/driver_mode.h"

#include <algorithm>

#include "base/format.h"
#include "base/path.h"
#include "base/version_numbers.h"

namespace flense::compat {

namespace {

using needs::CompatPackage;
using State = CompatUse::State;

/// "12.9" of "usr/local/cuda-12.9/compat/libcuda.so.575.57.08".
std::string cuda_in_path(std::string_view path) {
  constexpr std::string_view kStem = "/cuda-";
  const std::size_t at = path.find(kStem);
  if (at == std::string_view::npos) return {};
  const std::string_view rest = path.substr(at + kStem.size());
  const std::string_view version = rest.substr(0, rest.find('/'));
  const bool plain = version.find('.') != std::string_view::npos &&
                     version.find_first_not_of("0123456789.") == std::string_view::npos;
  return plain ? std::string(version) : std::string();
}

std::string cuda_of(const CompatPackage& package, const knowledge::Drivers& drivers) {
  if (!package.cuda.empty()) return package.cuda;
  if (std::string cuda = cuda_in_path(package.path); !cuda.empty()) return cuda;
  const auto branch = first_number(package.version);
  const knowledge::BranchRow* row = branch ? drivers.branch(*branch) : nullptr;
  return row == nullptr ? std::string() : row->cuda;
}

bool in_cuda_folder(const CompatPackage& package) {
  return !package.aside && package.path.starts_with("usr/local/cuda") &&
         parent_path(package.path).ends_with("/compat");
}

/// The image's own LD_LIBRARY_PATH names the folder: no launcher needs to help.
bool on_library_path(const needs::Needs& image, const CompatPackage& package) {
  const auto path = variable(image, "LD_LIBRARY_PATH");
  if (!path) return false;
  std::string_view rest = *path;
  while (true) {
    const std::size_t colon = rest.find(':');
    std::string_view folder = rest.substr(0, colon);
    while (folder.starts_with('/')) folder.remove_prefix(1);
    while (folder.ends_with('/')) folder.remove_suffix(1);
    if (!folder.empty() && (folder == parent_path(package.path) ||
                            (folder == "usr/local/cuda/compat" && in_cuda_folder(package))))
      return true;
    if (colon == std::string_view::npos) return false;
    rest.remove_prefix(colon + 1);
  }
}

/// The first that programs or the hook would find; of equals, the newest.
const CompatPackage* chosen(const needs::Needs& image) {
  const auto rank = [&](const CompatPackage& one) {
    return on_library_path(image, one) ? 2 : in_cuda_folder(one) ? 1 : 0;
  };
  const auto at = std::ranges::max_element(image.compat, [&](const auto& a, const auto& b) {
    const int one = rank(a), other = rank(b);
    return one != other ? one < other : compare_versions(a.version, b.version) < 0;
  });
  return at == image.compat.end() ? nullptr : &*at;
}

/// Which statement of the compat library the container toolkit on the host relies on.
enum class Reads : std::uint8_t { kMajors, kNote, kEither };

Reads reads_of(const Question& question) {
  const auto& toolkit = question.host.nvidia.toolkit_version.value;
  const knowledge::ForwardCompat& tables = question.tables.forward_compat;
  if (!toolkit) return Reads::kEither;
  if (version_at_least(*toolkit, tables.note_drivers_toolkit)) return Reads::kNote;
  return version_at_least(*toolkit, tables.note_toolkit) ? Reads::kEither : Reads::kMajors;
}

struct Decision {
  bool use = false;
  std::string reason;
};

/// A note without drivers tells of the CUDA alone.
std::optional<Decision> by_note_of_cuda(const CompatPackage& package,
                                        const std::optional<DriverCuda>& own) {
  if (!package.drivers.empty() || package.cuda.empty()) return std::nullopt;
  if (!own) return std::nullopt;
  const bool newer = compare_versions(package.cuda, own->cuda) > 0;
  return Decision{newer, fmt::format("the note of the compat library names CUDA {}, and {}",
                                     package.cuda, own->statement)};
}

Decision by_note(const CompatPackage& package, const HostDriver& driver) {
  if (std::ranges::find(package.drivers, driver.branch) == package.drivers.end())
    return {false, fmt::format("the note of the compat library does not list driver branch {}",
                               driver.branch)};
  if (compare_versions(package.version, driver.version) > 0)
    return {true, fmt::format("the note of the compat library lists driver branch {}, and {} is "
                              "newer than {}",
                              driver.branch, package.version, driver.version)};
  return {false, fmt::format("the compat library {} is not newer than driver {}", package.version,
                             driver.version)};
}

Decision by_majors(const CompatPackage& package, const HostDriver& driver) {
  const bool newer = first_number(package.version).value_or(0) > driver.branch;
  return {newer, fmt::format("compat library {} is {}of a newer branch than driver {}",
                             package.version, newer ? "" : "not ", driver.version)};
}

/// What NVIDIA's toolkit decides: by versions, it does not look at the kind of GPU.
CompatUse toolkit_decision(const Question& question, CompatUse use) {
  const CompatPackage& package = *use.package;
  const auto with = [&](State state, std::string reason) {
    use.state = state;
    use.reason = std::move(reason);
    return use;
  };
  if (!in_cuda_folder(package))
    return with(State::kNotUsed,
                fmt::format("the toolkit looks in /{} only, which {}",
                            question.tables.forward_compat.hook_folder,
                            package.aside ? "does not lead to it" : "is another folder"));
  const auto beside = [&](const CompatPackage& other) {
    return parent_path(other.path) == parent_path(package.path);
  };
  if (std::ranges::count_if(question.image.compat, beside) > 1)
    return with(State::kNotUsed, fmt::format("/{} holds several libcuda, and the toolkit then uses "
                                             "none",
                                             parent_path(package.path)));
  const auto driver = host_driver(question.host);
  if (!driver) return with(State::kUnknown, driver_unknown_reason(question.host));
  const Decision majors = by_majors(package, *driver);
  const Reads reads = package.note ? reads_of(question) : Reads::kMajors;
  const auto by_cuda = by_note_of_cuda(package, driver_cuda(question));
  const Decision decision = reads == Reads::kMajors ? majors
                            : by_cuda               ? *by_cuda
                                                    : by_note(package, *driver);
  if (reads == Reads::kEither && majors.use != decision.use)
    return with(State::kUnknown,
                fmt::format("{}, which container toolkits heed from {} on, and the host's is {}",
                            decision.reason, question.tables.forward_compat.note_drivers_toolkit,
                            question.host.nvidia.toolkit_version.value.value_or("unknown")));
  return with(decision.use ? State::kUsed : State::kNotUsed, decision.reason);
}

bool injects_by_cdi(Launcher launcher) {
  return launcher == Launcher::kDockerCdi || launcher == Launcher::kPodman ||
         launcher == Launcher::kKubernetes;
}

CompatUse by_hook(const Question& question, CompatUse use) {
  const knowledge::ForwardCompat& tables = question.tables.forward_compat;
  use = toolkit_decision(question, std::move(use));
  use.source = tables.hook_source;
  if (use.state != State::kUsed) return use;
  const host::Text& toolkit = question.host.nvidia.toolkit_version;
  // The legacy runtime mounted the library itself, and calls the hook since there is one.
  const bool mounts = toolkit.value && !version_at_least(*toolkit.value, tables.unmounted_toolkit);
  const bool by_cdi = injects_by_cdi(question.launcher);
  if (!by_cdi && (!toolkit.value || mounts)) return use;
  // Before the hook a node's runtime was the legacy one, which mounts the library itself.
  if (!toolkit.value && question.launcher == Launcher::kKubernetes) {
    use.reason += ", which the legacy runtime mounts and, from container toolkit " +
                  tables.hook_toolkit + " on, CDI's hook";
  } else if (!toolkit.value) {
    use.state = State::kUnknown;
    use.reason = fmt::format(
        "the enable-cuda-compat hook came with container toolkit {}, and the "
        "host's version is unknown",
        tables.hook_toolkit);
  } else if (!version_at_least(*toolkit.value, tables.hook_toolkit)) {
    use.state = State::kNotUsed;
    use.reason = fmt::format(
        "container toolkit {} has no enable-cuda-compat hook, which came with "
        "{}",
        *toolkit.value, tables.hook_toolkit);
  }
  return use;
}

/// `who` takes the library where the driver is too old.
CompatUse where_needed(const Question& question, std::string_view who, CompatUse use) {
  const DriverMode mode = driver_mode(question);
  use.state = mode == DriverMode::kTooOld    ? State::kUsed
              : mode == DriverMode::kUnknown ? State::kUnknown
                                             : State::kNotUsed;
  use.reason = mode == DriverMode::kTooOld
                   ? fmt::format("{} uses it, since the driver is too old", who)
               : mode == DriverMode::kUnknown ? "whether it helps is unknown"
                                              : "the driver suffices";
  return use;
}

}  // namespace

DriverMode mode_of(const knowledge::Drivers& drivers, std::string_view driver,
                   std::string_view driver_cuda, std::string_view wanted) {
  const auto major = first_number(wanted);
  // "12" leaves the minor open, and only a driver of a newer major is certainly as new.
  const bool whole = wanted.find('.') != std::string_view::npos;
  if (whole ? version_at_least(driver_cuda, major_minor(wanted))
            : first_number(driver_cuda) > major)
    return DriverMode::kNative;
  if (!major || first_number(driver_cuda) != major) return DriverMode::kTooOld;
  const knowledge::MinorVersionRow* row = drivers.minor_version(*major);
  // A major newer than the table follows the rule of its predecessors from 11 on.
  constexpr std::uint64_t kFirstMajor = 11;
  if (row == nullptr) {
    const knowledge::ToolkitRow* newest = drivers.newest_toolkit();
    const bool newer = newest != nullptr && *major > first_number(newest->cuda).value_or(0);
    return newer && *major >= kFirstMajor ? DriverMode::kMinorVersion : DriverMode::kTooOld;
  }
  if (driver.empty() || version_at_least(driver, row->driver)) return DriverMode::kMinorVersion;
  return DriverMode::kTooOld;
}

DriverMode driver_mode(const Question& question) {
  const auto wanted = image_cuda(question);
  const auto cuda = driver_cuda(question);
  if (!wanted || !cuda) return DriverMode::kUnknown;
  const auto driver = host_driver(question.host);
  const bool tegra = is_tegra(question.host);
  const DriverMode mode =
      mode_of(question.tables.drivers, driver && !tegra ? driver->version : std::string(),
              cuda->cuda, wanted->version);
  // For a driver that is not in the table only the lower bound is known.
  return mode == DriverMode::kTooOld && !cuda->exact ? DriverMode::kUnknown : mode;
}

bool is_for_tegra(const needs::CompatPackage& package) {
  constexpr std::uint64_t kFirstBranch = 100;
  return first_number(package.version).value_or(kFirstBranch) < kFirstBranch;
}

CompatUse compat_use(const Question& question) {
  CompatUse use;
  use.package = chosen(question.image);
  if (use.package == nullptr) return use;
  use.cuda = cuda_of(*use.package, question.tables.drivers);
  use.state = State::kNotUsed;
  use.source = traits(question.launcher).source;
  if (question.launcher != Launcher::kNone && on_library_path(question.image, *use.package)) {
    use.state = State::kUsed;
    use.reason = "LD_LIBRARY_PATH of the image names its folder";
    return use;
  }
  if (const Answer wsl = on_wsl(question.host); wsl != Answer::kNo) {
    use.state = wsl == Answer::kYes ? State::kNotUsed : State::kUnknown;
    use.reason = wsl == Answer::kYes
                     ? "on WSL2 the driver is Windows's, for which there are no compat libraries"
                     : "whether the host is WSL2 is unknown: " + question.host.system.wsl2.evidence;
    return use;
  }
  if (use.package->path.contains("/compat/lib.real/")) {
    use.source = "NGC images: /usr/local/bin/cudaCheck and entrypoint.d of their entry point";
    return where_needed(question, "the entry point of NGC's image", std::move(use));
  }
  switch (traits(question.launcher).compat) {
    case LauncherTraits::Compat::kNo:
      use.reason =
          fmt::format("{} does not put it before the host's libcuda",
                      question.launcher == Launcher::kNone ? "the loader" : "apptainer --nv");
      return use;
    case LauncherTraits::Compat::kAutomatic:
      return where_needed(question, "flense run", std::move(use));
    case LauncherTraits::Compat::kHook:
      return by_hook(question, std::move(use));
  }
  return use;
}

std::optional<DriverCuda> effective_cuda(const Question& question) {
  const CompatUse use = compat_use(question);
  if (use.state == State::kUsed && !use.cuda.empty())
    return DriverCuda{use.cuda, true,
                      fmt::format("the image's compat library {} supports CUDA {}",
                                  use.package->version, use.cuda),
                      "/" + use.package->path};
  // If the compat library is in use, it is the newer one.
  auto own = driver_cuda(question);
  if (own && use.state == State::kUnknown) own->exact = false;
  return own;
}

Answer compiles_ptx(const knowledge::Architectures& tables, const std::optional<DriverCuda>& cuda,
                    std::string_view isa) {
  if (!cuda || isa.empty()) return Answer::kUnknown;
  const knowledge::PtxRow* needed = tables.ptx_of_isa(isa);
  const knowledge::PtxRow* newest = tables.newest_ptx();
  if (needed != nullptr && version_at_least(cuda->cuda, needed->cuda)) return Answer::kYes;
  if (!cuda->exact) return Answer::kUnknown;
  if (needed != nullptr) return Answer::kNo;
  // PTX newer than the table is unknown to every driver that the table covers.
  const bool covered = newest != nullptr && version_at_least(newest->cuda, cuda->cuda);
  return covered ? Answer::kNo : Answer::kUnknown;
}

}  // namespace flense::compat

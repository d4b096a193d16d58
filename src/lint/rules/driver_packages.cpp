// The driver in an image, where it hides that of the host: by packages, or by its installer.
#include <algorithm>
#include <array>
#include <map>
#include <set>
#include <utility>

#include "base/ascii.h"
#include "base/format.h"
#include "knowledge/table_rows.h"
#include "lint/facts/build_steps.h"
#include "lint/facts/script_installs.h"
#include "lint/facts/workload_facts.h"
#include "lint/rules/rules.h"
#include "lint/shell/reached.h"
#include "lint/source/blanks.h"

namespace flense::lint {

namespace {

/// Whether a command takes packages away.
bool is_removal(const StepCommand& command) {
  return (is_one_of(command.program, {"apt-get", "apt", "aptitude", "dnf", "microdnf", "yum"}) &&
          (command.has("purge") || command.has("remove") || command.has("erase") ||
           command.has("autoremove") || command.has("autopurge"))) ||
         (is_one_of(command.program, {"rpm", "dpkg"}) &&
          (command.has("-e") || command.has("--erase") || command.has("-r") || command.has("-P") ||
           command.has("--remove") || command.has("--purge")));
}

/// What the commands of a text take away, by a package's name or by a pattern for it.
class Removals {
 public:
  explicit Removals(const std::vector<StepCommand>& commands) {
    for (const StepCommand& command : commands) {
      if (!is_removal(command)) continue;
      const std::size_t place = command.shell->span.begin;
      // apt leaves what a metapackage brought.
      if (!command.program.starts_with("apt") || command.has("--auto-remove") ||
          command.has("--autoremove") || command.has("autoremove") || command.has("autopurge"))
        cleaned_ = place;
      for (const Argument& word : command.arguments) {
        // apt takes "^nvidia-.*" too.
        std::string pattern = word.text.substr(word.text.starts_with('^') ? 1 : 0);
        if (pattern.ends_with('$')) pattern.pop_back();
        for (std::size_t at = pattern.find(".*"); at != pattern.npos; at = pattern.find(".*", at))
          pattern.erase(at, 1);
        if (!pattern.contains('*'))
          last_[std::move(pattern)] = place;
        else if (patterns_.size() < kMostPatterns)
          patterns_.emplace_back(std::move(pattern), place);
      }
    }
  }

  /// Behind a place, with what the package brought.
  bool take_away(const std::string& package, std::size_t place) const {
    const bool brings = starts_with_any(package, {"nvidia-driver", "nvidia-headless", "cuda"});
    // A pattern may take the libraries along, as "libnvidia-*" does.
    return names(package, place) &&
           (!brings || cleaned_ > place || names("libnvidia-compute-550", place));
  }

 private:
  static constexpr std::size_t kMostPatterns = 100;

  bool names(const std::string& package, std::size_t place) const {
    const auto at = last_.find(package);
    return (at != last_.end() && at->second > place) ||
           std::ranges::any_of(patterns_, [&](const auto& one) {
             return one.second > place && knowledge::matches_pattern(one.first, package);
           });
  }

  std::map<std::string, std::size_t> last_;
  std::vector<std::pair<std::string, std::size_t>> patterns_;
  std::size_t cleaned_ = 0;
};

bool is_of_balena(std::string_view image) {
  return has_part(image, "/:@._-${}", {"balena", "balenalib"});
}

/// balenaOS, which mounts no driver: one container of the device holds it, and the others its
/// libraries. A base or a label of the project says so.
bool is_of_balena(const Project& project) {
  return std::ranges::any_of(project.files, [](const auto& file) {
    if (file->kind == FileKind::kCompose)
      return file->source.text().contains("io.balena.features.");
    return file->dockerfile &&
           std::ranges::any_of(file->dockerfile->stages, [&](const Stage& stage) {
             return is_of_balena(file->source.slice(stage.base.span));
           });
  });
}

/// The directories of balena.yml, which says it of what lies beside it and below.
std::set<std::string, std::less<>> balena_directories(const Project& project) {
  std::set<std::string, std::less<>> out;
  for (const Context& context : project.contexts)
    for (const ContextFile& file : context.files)
      if (is_one_of(file_name(file.path), {"balena.yml", "balena.yaml"}))
        out.insert(directory_of(path_below(context.directory, file.path)));
  return out;
}

bool lies_in_one(std::string_view path, const std::set<std::string, std::less<>>& directories) {
  if (directories.empty()) return false;
  for (std::string at = directory_of(normal_path(path)); !directories.contains(at);) {
    std::string above = directory_of(at);
    if (above == at) return false;
    at = std::move(above);
  }
  return true;
}

/// The project gives its containers NVIDIA's devices by hand, and nowhere asks for GPUs or mounts
/// libraries: nothing brings them the host's files.
bool starts_without_files(const Project& project) {
  const auto brings = [](const WorkloadMount& mount) {
    return !mount.source.starts_with("/dev/") &&
           (holds(mount.source, "nvidia") || holds(mount.source, "libcuda"));
  };
  bool by_hand = false;
  for (const auto& file : project.files) {
    if (!file->dockerfile && file->source.text().contains("nvidia-docker")) return false;
    for (const Workload& workload : file->workloads) {
      if (!workload.gpus.empty() || workload.runtime ||
          std::ranges::any_of(workload.mounts, brings))
        return false;
      by_hand = by_hand || std::ranges::any_of(workload.devices, [](const Word& device) {
                  return device.text.starts_with("/dev/nvidia");
                });
    }
  }
  return by_hand;
}

/// The system of a machine, or packages for one: the image's driver is the machine's. Those of WSL
/// hold no driver.
bool holds_machine(const FileView& view) {
  const auto lineage = view.dockerfile->lineage(view.stages.size() - 1);
  if (has_part(view.text(view.dockerfile->stages[lineage.back()].base.span), "/:@._-${}",
               {"bootc", "warewulf"}))
    return true;
  const auto is_of_kernel = [](std::string_view word) {
    return starts_with_any(word, {"linux-headers", "linux-image", "kernel-devel", "akmod", "dracut",
                                  "warewulf"}) ||
           word.contains("/repos/wsl-ubuntu/");
  };
  return std::ranges::any_of(lineage, [&](std::size_t stage) {
    return std::ranges::any_of(
        view.dockerfile->stages[stage].instructions, [&](const Instruction& step) {
          return mentions(step, is_of_kernel) ||
                 std::ranges::any_of(commands_of(step), [](const StepCommand& command) {
                   return is_one_of(command.program, {"bootc", "dracut", "akmods"});
                 });
        });
  });
}

/// `removals`: of the step, or of the script that it runs. `own`: the image's driver may be meant.
Finding* driver_packages(const FileView& view, const ProjectFile& file, const PackageList& list,
                         const Removals& removals, bool own, FindingSink& sink) {
  if (list.manager != PackageManager::kApt && list.manager != PackageManager::kDnf) return nullptr;
  const PackageRequest* first = nullptr;
  const knowledge::NamePatternRow* row = nullptr;
  std::string names;
  for (const PackageRequest& request : list.packages) {
    const auto* one = find_pattern(view.project->knowledge->build.driver_packages, request.name);
    // Since CUDA 13 its metapackages bring no driver.
    if (one == nullptr || removals.take_away(request.name, list.span.begin) ||
        starts_with_any(request.name, {"cuda-13-", "cuda-runtime-13-"}))
      continue;
    if (first == nullptr) {
      first = &request;
      row = one;
    }
    names += (names.empty() ? "" : ", ") + request.name;
  }
  if (first == nullptr) return nullptr;
  Finding& found = sink.add(
      "driver-package-installed", file, first->span,
      fmt::format("{} brings {} into the image; the driver must be the host's", names, row->what));
  found.evidence = {row->source};
  const bool of_amd = row->what.starts_with("AMD");
  if (!of_amd)
    found.evidence.emplace_back("libcuda of the image against another kernel module: error 803");
  // The container gets these only where it asks for them.
  std::string asks = row->pattern.contains("code-")  ? "video"
                     : row->pattern.contains("-gl-") ? "graphics"
                                                     : "";
  if (!asks.empty() && view.file->source.text().contains("NVIDIA_DRIVER_CAPABILITIES"))
    asks.clear();
  if (view.is_definition())
    asks = " with --nv";
  else if (!asks.empty())
    asks = ", with ENV NVIDIA_DRIVER_CAPABILITIES=compute,utility," + asks;
  found.fix = row->pattern.starts_with("cuda")
                  ? "take packages that bring no driver: cuda-libraries-…, or cuda-toolkit-… where "
                    "something compiles"
              : of_amd ? fmt::format(
                             "delete {}: the kernel's driver is the host's, and the container gets "
                             "/dev/kfd and /dev/dri{}",
                             names, view.is_definition() ? " with --rocm" : "")
                       : fmt::format("delete {}: containers get the host's files{}", names, asks);
  // An image that is built for its host's driver.
  found.pedantic = own || file.source.slice(first->span).contains('$');
  return &found;
}

/// Options of makeself's and NVIDIA's installers that show or unpack what they hold.
bool only_looks(const StepCommand& command) {
  const auto is_option = [](const Argument& one) { return one.text.starts_with('-'); };
  // sh -x FILE: the shell's own come first.
  const auto begin = is_shell(command.program)
                         ? std::ranges::find_if_not(command.arguments, is_option)
                         : command.arguments.begin();
  return std::any_of(begin, command.arguments.end(), [](const Argument& one) {
    // Installers up to CUDA 9 take options with one dash too.
    const std::string_view option =
        std::string_view(one.text).substr(one.text.starts_with("--") ? 1 : 0);
    return is_one_of(
        option.substr(0, option.find('=')),
        {"-extract", "-tar", "-check", "-list", "-info", "-lsm", "-noexec", "-help", "-h", "-x",
         "-extract-only", "-version", "-A", "-advanced-options", "-uninstall"});
  });
}

/// Tools of a distribution or of AMD that install the driver along, or nothing else.
Finding* driver_tool(const ProjectFile& file, const StepCommand& command, bool without_files,
                     FindingSink& sink) {
  const bool amd = command.program == "amdgpu-install";
  const bool ubuntu =
      command.program == "ubuntu-drivers" && (command.has("autoinstall") || command.has("install"));
  if ((!amd && !ubuntu) ||
      (amd &&
       (command.has("--no-dkms") || command.has("--list-usecase") || command.has("--uninstall") ||
        command.has("--dryrun") || std::ranges::any_of(command.arguments, [](const Argument& word) {
          return word.text.starts_with('$');
        }))))
    return nullptr;
  Finding& found = sink.add(
      "driver-package-installed", file, command.program_span,
      amd ? "amdgpu-install brings AMD's kernel driver (amdgpu-dkms) into the image; the driver "
            "must be the host's"
          : "ubuntu-drivers installs the driver for the GPU of the machine that builds, or "
            "nothing; the driver must be the host's");
  found.evidence = {amd ? "ROCm documentation, amdgpu-install --list-usecase: the kernel mode "
                          "driver is included in all use cases"
                        : "Ubuntu Server documentation, NVIDIA drivers installation"};
  // The builder mostly has no GPU, and AMD's libraries are the image's own.
  found.severity = Severity::kWarning;
  found.fix = amd ? "add --no-dkms: the container gets /dev/kfd and /dev/dri of the host"
                  : "delete the command: containers get the host's files";
  found.pedantic = without_files;
  return &found;
}

Finding* driver_installer(const ProjectFile& file, const StepCommand& command, bool without_files,
                          FindingSink& sink) {
  if (only_looks(command)) return nullptr;
  if (Finding* tool = driver_tool(file, command, without_files, sink)) return tool;
  // Under another name it is known by its options.
  const bool no_module = command.has("--no-kernel-module") || command.has("--no-kernel-modules");
  const bool quiet = command.has("--ui=none") && (command.has("-s") || command.has("--silent"));
  const auto runs = [&](std::string_view word) {
    if (file_name(word) == "nvidia-installer") return true;  // what --extract-only unpacked
    return (word.ends_with(".run") && !to_lower(word).contains("nsight") &&
            (word.contains("NVIDIA-Linux-") || no_module || quiet)) ||
           (no_module && word.contains('$') && to_lower(word).contains("nvidia"));
  };
  // The toolkit's installer holds a driver and installs it unless told what to install.
  const auto toolkit = [&](std::string_view word) {
    return file_name(word).starts_with("cuda_") && word.ends_with("_linux.run") &&
           (command.has("--driver") ||
            std::ranges::none_of(command.arguments, [](const Argument& one) {
              // Installers up to CUDA 9 take options with one dash too.
              const std::string_view option =
                  std::string_view(one.text).substr(one.text.starts_with("--") ? 1 : 0);
              return option.starts_with("-toolkit") || option.starts_with("-samples");
            }));
  };
  const auto of_toolkit = std::ranges::find_if(command.arguments, [&](const Argument& one) {
    return is_shell(command.program) && toolkit(one.text);
  });
  if (toolkit(command.program) || of_toolkit != command.arguments.end()) {
    Finding& found =
        sink.add("driver-package-installed", file,
                 of_toolkit == command.arguments.end() ? command.program_span : of_toolkit->span,
                 "this installer brings a driver along; it must be the host's");
    found.evidence = {
        "CUDA Installation Guide, Runfile: --toolkit and --driver choose what is "
        "installed"};
    found.pedantic = without_files;
    found.fix = fmt::format("{}, so that the toolkit alone is installed",
                            !command.has("--driver")   ? "add --silent --toolkit"
                            : command.has("--toolkit") ? "delete --driver"
                                                       : "write --toolkit in place of --driver");
    return &found;
  }
  // Arch has them in packages without versions: the newest on the day of the build.
  const auto packaged = std::ranges::find_if(command.arguments, [](const Argument& one) {
    return is_one_of(one.text, {"nvidia", "nvidia-dkms", "nvidia-lts", "nvidia-open",
                                "nvidia-open-dkms", "nvidia-utils"});
  });
  const bool of_arch =
      command.program == "pacman" && packaged != command.arguments.end() &&
      command.arguments.front().text.starts_with("-S") &&
      command.arguments.front().text.find_first_of("cgilpsw") == std::string::npos &&
      !command.has("--ignore");
  const bool program = !of_arch && runs(command.program);
  const auto at =
      of_arch ? packaged : std::ranges::find_if(command.arguments, [&](const Argument& one) {
        return is_shell(command.program) && runs(one.text);
      });
  if (!program && at == command.arguments.end()) return nullptr;
  Finding& found =
      sink.add("driver-package-installed", file, program ? command.program_span : at->span,
               "this installs NVIDIA's driver into the image; it must be the "
               "host's");
  found.evidence = {
      of_arch     ? "Arch Linux, nvidia-utils: libcuda, NVML and the driver's other libraries"
      : no_module ? "--no-kernel-module is an option of NVIDIA's installer of drivers"
                  : "NVIDIA-Linux-….run is the driver's installer, and holds nvidia-installer"};
  found.pedantic = without_files;
  found.fix =
      "delete the command, and the step where it does nothing else: containers get the host's "
      "files";
  return &found;
}

/// `without_files`: the project's containers get no files of the host's driver.
void driver(const FileView& view, std::size_t stage, bool without_files, FindingSink& sink) {
  const StageSteps steps(view, stage);
  const bool own = without_files || holds_machine(view);
  const Instruction* run = nullptr;
  Removals removals({});
  for (const Install* install : view.installs_in(stage)) {
    if (std::exchange(run, install->instruction) != install->instruction)
      removals = Removals(commands_of(*install->instruction));
    if (Finding* found = driver_packages(view, *view.file, install->command, removals, own, sink))
      found->pedantic = found->pedantic || install->conditional;
  }
  for (const Step& step : steps.all()) {
    const auto& commands = step.instruction->commands;
    std::vector<bool> reached;  // asked once
    for (const StepCommand& command : commands_of(*step.instruction)) {
      Finding* found = driver_installer(*view.file, command, without_files, sink);
      if (found == nullptr) continue;
      if (reached.empty()) reached = surely_reached(commands);
      if (!reached[static_cast<std::size_t>(command.shell - commands.data())])
        found->pedantic = true;
    }
  }
  if (stage + 1 != view.stages.size()) return;
  for (const RunScript& script : scripts_run_by(view)) {
    if (!view.stages[script.stage].final) continue;
    std::size_t budget = 1U << 20;
    const auto commands = step_commands_of(script.commands, *script.environment, budget);
    const auto weigh = [&](Finding* found, Span command) {
      if (found != nullptr && !script.surely_runs(command)) found->pedantic = true;
    };
    const Removals removed(commands);
    for (const PackageList& list :
         package_commands(script.file->source, script.commands, *script.environment))
      weigh(driver_packages(view, *script.file, list, removed, own, sink), list.span);
    for (const StepCommand& command : commands)
      weigh(driver_installer(*script.file, command, without_files, sink), command.shell->span);
  }
}

}  // namespace

void judge_driver_packages(const Project& project, const std::vector<FileView>& views,
                           FindingSink& sink) {
  const bool without_files = is_of_balena(project) || starts_without_files(project);
  const auto of_balena = balena_directories(project);
  for (const FileView& view : views) {
    for (const std::size_t stage : ending_stages(view))
      driver(view, stage, without_files || lies_in_one(view.file->source.path(), of_balena), sink);
  }
}

}  // namespace flense::lint

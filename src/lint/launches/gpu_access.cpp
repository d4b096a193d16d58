// How a container gets its GPUs, with any launcher: privileges, devices mapped by hand, AMD's nodes
// and groups.
#include <algorithm>
#include <array>

#include "base/ascii.h"
#include "base/format.h"
#include "lint/facts/workload_facts.h"
#include "lint/readers/reader_values.h"
#include "lint/rules/rules.h"
#include "lint/source/blanks.h"

namespace flense::lint {

namespace {

bool has_device(const Workload& workload, std::string_view prefix) {
  return std::ranges::any_of(workload.devices,
                             [&](const Word& one) { return one.text.starts_with(prefix); });
}

bool has_unknown_device(const Workload& workload) {
  return std::ranges::any_of(workload.devices,
                             [](const Word& one) { return one.text.find('$') != one.text.npos; });
}

/// Cameras, buses, disks, or the engine itself: what it is privileged for is not the GPU.
bool needs_other_hardware(const Workload& workload) {
  // Its profiling counters want SYS_ADMIN.
  if (workload.image_name && workload.image_name->familiar().ends_with("dcgm-exporter"))
    return true;
  // Docker in a container.
  if (workload.image_name && (file_name(workload.image_name->repository) == "docker" ||
                              workload.image_name->tag.contains("dind") ||
                              workload.image_name->repository.contains("dind")))
    return true;
  const auto is_other = [](std::string_view path) {
    if (path == "/dev" || path == "/dev/" || path.starts_with("/run/udev")) return true;
    return path.starts_with("/dev/") &&
           !starts_with_any(path, {"/dev/nv", "/dev/kfd", "/dev/dri", "/dev/dxg", "/dev/shm",
                                   "/dev/infiniband", "/dev/null", "/dev/zero"});
  };
  return std::ranges::any_of(workload.devices,
                             [&](const Word& one) { return is_other(one.text); }) ||
         std::ranges::any_of(workload.mounts,
                             [&](const WorkloadMount& mount) {
                               return is_other(mount.source) ||
                                      starts_with_any(file_name(mount.source),
                                                      {"docker.sock", "podman.sock"});
                             }) ||
         (workload.node != nullptr && workload.node->find("device_cgroup_rules") != nullptr);
}

/// Of InfiniBand: its devices and locked memory are why people give a container all rights.
bool speaks_of_fabric(std::string_view text) {
  const std::string low = to_lower(text);
  return std::ranges::any_of(
      std::to_array<std::string_view>({"infiniband", "nccl_ib_hca", "rdma", "ibverbs"}),
      [&](std::string_view word) { return low.contains(word); });
}

/// Of what such containers are privileged for whatever the GPU: a robot, a camera, an X server,
/// systemd, engines, mounts and modules.
bool speaks_of_hardware(std::string_view text) {
  constexpr std::string_view kWords =
      "ros2|ros_|realsense|camera|webcam|lidar|jetson|l4t|dustynv|/dev/video|ttyusb|"
      "robot|unitree|px4|drone|udev|display|vnc|xorg|dbus|/sbin/init|dockerd|"
      "buildkitd|bwrap|unshare|criu|gcsfuse|s3fs|mount -t|modprobe|/lib/modules|"
      "sysctl -w|--pid=host|pid: host|nvidia-smi -lgc|nvidia-smi -pm|"
      "nvidia-cuda-mps-control";
  const std::string low = to_lower(text);
  return std::ranges::any_of(parts_of(kWords, "|"),
                             [&](std::string_view word) { return low.contains(word); });
}

/// A program that is profiled: the counters of GPUs and processors want more than a device.
bool speaks_of_profiler(std::string_view text) {
  for (const std::string_view name : {"nsys", "ncu", "nvprof", "rocprof", "rocprofv3", "perf"})
    for (std::size_t at = text.find(name); at != text.npos; at = text.find(name, at + 1)) {
      const auto joins = [](char c) { return is_alphanumeric(c) || c == '_' || c == '-'; };
      std::string_view rest = text.substr(at + name.size());
      if ((at > 0 && joins(text[at - 1])) || rest.empty() || rest.front() != ' ') continue;
      if (name != "perf" || starts_with_any(rest, {" stat", " record", " top", " trace"}))
        return true;
    }
  return false;
}

/// "the service a is", "the services a, b, c are".
std::string titles(const std::vector<const Workload*>& all) {
  if (all.size() == 1) return title(*all.front()) + " is";
  std::string names;
  for (const Workload* one : all)
    names += fmt::format("{}{}", names.empty() ? "" : ", ", one->name);
  return fmt::format("the {}s {} are",
                     all.front()->kind == WorkloadKind::kCompose ? "service" : "container", names);
}

bool is_rocm_image(const Workload& workload, const knowledge::LaunchImageRow* row) {
  if (row != nullptr && row->vendor == "amd") return true;
  return workload.image_name && (workload.image_name->tag.find("rocm") != std::string::npos ||
                                 workload.image_name->repository.find("rocm") != std::string::npos);
}

class GpuAccessRules {
 public:
  GpuAccessRules(FindingSink& sink, const Project& project, const ProjectFile& file,
                 const Workload& workload)
      : sink_(sink),
        project_(project),
        file_(file),
        workload_(workload),
        image_(known_image(workload, *project.knowledge)) {}

  void run() {
    privileged();
    devices_by_hand();
    libraries_by_hand();
    rocm_devices();
    rocm_groups();
    gpus_quoting();
    one_dash();
  }

 private:
  const text::YamlNode* key(std::string_view name) const {
    return workload_.node == nullptr ? nullptr : workload_.node->find(name);
  }

  void privileged() {
    if (!workload_.privileged) return;
    // One anchor of YAML is one place for several services.
    std::vector<const Workload*> all;
    for (const Workload& one : file_.workloads)
      if (one.privileged && one.privileged->span == workload_.privileged->span) all.push_back(&one);
    if (all.front() != &workload_ ||
        std::ranges::any_of(all, [](const Workload* one) { return needs_other_hardware(*one); }))
      return;
    std::erase_if(all, [&](const Workload* one) { return !uses_gpu(*one); });
    if (all.empty()) return;
    Finding& found = sink_.add("privileged-for-gpu", file_, workload_.privileged->span,
                               fmt::format("{} privileged; a GPU does not need that", titles(all)));
    found.evidence.emplace_back(
        "a privileged container has every device and capability of the host");
    // Screens may need it, and what is a part of the node.
    const bool node =
        (workload_.pod != nullptr && ((*workload_.pod)["hostNetwork"].text_or() == "true" ||
                                      (*workload_.object)["kind"].text_or() == "DaemonSet")) ||
        (workload_.node != nullptr && (*workload_.node)["network_mode"].text_or() == "host");
    const bool profiles = speaks_of_profiler(file_.source.text());
    found.pedantic = node || profiles || speaks_of_fabric(file_.source.text()) ||
                     speaks_of_hardware(file_.source.text()) ||
                     speaks_of_hardware(file_.source.path()) ||
                     std::ranges::any_of(workload_.mounts, [](const WorkloadMount& mount) {
                       return starts_with_any(mount.source, {"/dev", "/sys"}) ||
                              mount.source.contains("X11") || mount.source.ends_with(".sock");
                     });
    found.fix = fmt::format(
        "delete privileged{}; {}", ask_instead(),
        profiles ? "add SYS_ADMIN for the profiler (--cap-add SYS_ADMIN)"
                 : "add single capabilities or devices where something else needs them");
  }

  /// How the GPU comes without privileges, where the container does not ask for it already.
  std::string_view ask_instead() const {
    const bool amd = has_kfd(workload_) || is_rocm_image(workload_, image_);
    if (workload_.kind == WorkloadKind::kKubernetes)
      return !workload_.gpus.empty() ? ""
             : amd                   ? ", and ask by resources.limits: amd.com/gpu: 1"
                                     : ", and ask by resources.limits: nvidia.com/gpu: 1";
    if (amd)
      return has_kfd(workload_) && has_device(workload_, "/dev/dri")
                 ? ""
                 : ", and map /dev/kfd and /dev/dri";
    return workload_.gpus.empty() ? ", and ask for GPUs by gpus: all, --gpus all or a CDI device"
                                  : "";
  }

  bool uses_gpu(const Workload& workload) const {
    const auto* image = known_image(workload, *project_.knowledge);
    return !workload.gpus.empty() || (workload.runtime && workload.runtime->text == "nvidia") ||
           has_device(workload, "/dev/nvidia") || has_device(workload, "/dev/kfd") ||
           (image != nullptr && !image->vendor.empty());
  }

  void devices_by_hand() {
    const auto first = std::ranges::find_if(
        workload_.devices, [](const Word& one) { return one.text.starts_with("/dev/nvidia"); });
    if (first == workload_.devices.end()) return;
    const bool asks = !workload_.gpus.empty() || workload_.runtime;
    Finding& found = sink_.add("nvidia-devices-by-hand", file_, first->span,
                               fmt::format("{} maps {} by hand: {}", title(workload_), first->text,
                                           asks ? "what it asks for GPUs with maps it already"
                                                : "the driver's libraries do not come with it"));
    found.evidence.emplace_back(
        "NVIDIA Container Toolkit documentation, Support for Container Device Interface");
    found.fix = ask_for_nvidia();
  }

  std::string_view ask_for_nvidia() const {
    switch (workload_.kind) {
      case WorkloadKind::kKubernetes:
        return "ask by resources.limits: nvidia.com/gpu: 1 instead of hostPath volumes";
      case WorkloadKind::kQuadlet:
        return "write AddDevice=nvidia.com/gpu=all";
      case WorkloadKind::kCompose:
        return "write gpus: all, or devices: [nvidia.com/gpu=all] (CDI), for all of them";
      case WorkloadKind::kApptainer:
        return "write --nv";
      default:
        return "write --device nvidia.com/gpu=all (CDI) or --gpus all";
    }
  }

  /// A file of the driver, of a machine whose toolkit would bring it: Jetson's and WSL's lie
  /// elsewhere.
  bool is_driver_file(const WorkloadMount& mount) const {
    if (mount.kind != MountKind::kBind || mount.target.contains("libnvidia-container") ||
        std::ranges::any_of(std::to_array<std::string_view>({"tegra", "/wsl", "/compat/"}),
                            [&](std::string_view part) { return mount.source.contains(part); }))
      return false;
    const std::string_view name = file_name(mount.target);
    return name == "nvidia-smi" ||
           knowledge::find_pattern(project_.knowledge->build.driver_libraries, name) != nullptr;
  }

  /// Docker makes a directory where the host has no such file.
  void libraries_by_hand() {
    const auto first = std::ranges::find_if(
        workload_.mounts, [&](const WorkloadMount& mount) { return is_driver_file(mount); });
    if (first == workload_.mounts.end()) return;
    const bool asks = !workload_.gpus.empty() || workload_.runtime;
    Finding& found =
        sink_.add("nvidia-devices-by-hand", file_, first->span,
                  fmt::format("{} mounts the host's {} by hand: {}", title(workload_),
                              file_name(first->target),
                              asks ? "what it asks for GPUs with brings it already, and of a newer "
                                     "driver the container keeps the old file"
                                   : "the driver's other files do not come with it"));
    found.evidence.emplace_back(
        "libnvidia-container, src/nvc_info.c: what is injected from the host");
    found.fix = asks ? "delete the mounts of the driver's files"
                     : fmt::format("{}, in place of the mounts of its files", ask_for_nvidia());
  }

  static bool has_kfd(const Workload& workload) { return has_device(workload, "/dev/kfd"); }

  void rocm_devices() {
    if (!is_engine(workload_.kind) || !is_rocm_image(workload_, image_) || workload_.privileged ||
        has_unknown_device(workload_) || !is_complete(file_, workload_) || is_client(workload_) ||
        workload_.unknown_options || is_added_elsewhere(project_, file_, workload_, has_kfd))
      return;
    const bool by_name = std::ranges::any_of(workload_.gpus, [](const GpuAsk& ask) {
      return ask.vendor == "amd" && !ask.devices.empty();
    });
    if (by_name || (workload_.runtime && workload_.runtime->text == "amd")) return;
    // WSL's node in place of both.
    if (has_device(workload_, "/dev/dxg")) return;
    const bool kfd = has_device(workload_, "/dev/kfd"), dri = has_device(workload_, "/dev/dri");
    // A volume of nodes goes with rules for the engine.
    if ((kfd && dri) || mount_of(workload_, "/dev/kfd") != nullptr ||
        mount_of(workload_, "/dev/dri") != nullptr)
      return;
    // A service that only builds or converts has neither, and does not need a GPU.
    const bool wants =
        kfd || dri || !workload_.gpus.empty() || (image_ != nullptr && image_->role == "serve");
    if (!wants) return;
    const std::string_view missing = kfd ? "/dev/dri" : dri ? "/dev/kfd" : "/dev/kfd and /dev/dri";
    Finding& found = sink_.add(
        "rocm-devices", file_, workload_.image.span.empty() ? workload_.span : workload_.image.span,
        fmt::format("{} runs a ROCm image without {}", title(workload_), missing));
    found.evidence.emplace_back("ROCm documentation, Running ROCm Docker containers");
    const std::string_view how = workload_.kind == WorkloadKind::kCompose   ? "its devices"
                                 : workload_.kind == WorkloadKind::kQuadlet ? "AddDevice="
                                                                            : "--device";
    found.fix = fmt::format(
        "map {} by {}; a program that is not root also wants the host's groups video and render",
        missing, how);
  }

  void rocm_groups() {
    if (!is_engine(workload_.kind) || !has_device(workload_, "/dev/kfd") ||
        !workload_.groups.empty() || workload_.privileged || !is_complete(file_, workload_) ||
        workload_.unknown_options)
      return;
    const std::string user = stated_user();
    // Of a name the image's own /etc/group may hold the groups, and 1000:109 may name the one.
    const std::size_t colon = user.find(':');
    if (user.empty() || !is_digit(user.front()) ||
        (colon != user.npos && user.substr(colon + 1) != user.substr(0, colon)))
      return;
    Finding& found = sink_.add(
        "rocm-groups", file_, device_span("/dev/kfd"),
        fmt::format("{} runs as {} and joins neither video nor render: it may not open /dev/kfd",
                    title(workload_), user));
    found.evidence.emplace_back(
        "ROCm documentation, prerequisites: /dev/kfd and /dev/dri/renderD* belong to group render");
    found.fix = workload_.kind == WorkloadKind::kCompose
                    ? "write group_add: [video, \"109\"], the second the host's number of render "
                      "(getent group render)"
                    : "add --group-add video --group-add $(getent group render | cut -d: -f3); "
                      "Podman: --group-add keep-groups";
  }

  Span device_span(std::string_view path) const {
    for (const Word& one : workload_.devices)
      if (one.text.starts_with(path)) return one.span;
    return workload_.span;
  }

  static bool is_root(std::string_view user) {
    const std::string_view name = user.substr(0, user.find(':'));
    return name.empty() || name == "0" || name == "root";
  }

  /// The non-root user, if the service names it, or the Dockerfile that it builds.
  std::string stated_user() const {
    if (const text::YamlNode* user = key("user")) {
      const auto known = interpolate(user->text_or());
      return known && !is_root(*known) ? *known : std::string();
    }
    if (!workload_.build_context) return {};
    const std::string context =
        path_below(directory_of(workload_.path), workload_.build_context->text);
    const ProjectFile* file = project_.find(
        path_below(context, workload_.dockerfile ? workload_.dockerfile->text : "Dockerfile"));
    if (file == nullptr || !file->dockerfile || file->dockerfile->final_stage() == nullptr)
      return {};
    std::string user;
    for (const Instruction& one : file->dockerfile->final_stage()->instructions)
      if (one.keyword == Keyword::kUser && !one.words.empty()) user = one.words.front().text;
    return is_root(user) || user.find('$') != user.npos ? std::string() : user;
  }

  /// docker reads the value as CSV: device=0,1 is the pair device=0 and the count 1.
  void gpus_quoting() {
    if (workload_.kind != WorkloadKind::kDocker && workload_.kind != WorkloadKind::kSystemd) return;
    for (const GpuAsk& ask : workload_.gpus) {
      const std::string_view text = file_.source.slice(ask.span);
      const std::size_t at = text.find("device=");
      if (at == text.npos) continue;
      if (at > 0 && text[at - 1] == '"' && at > 1 && (text[at - 2] == '\'' || text[at - 2] == '\\'))
        continue;
      const std::size_t comma = text.find(',', at);
      if (comma == text.npos) continue;
      const std::string_view next =
          text.substr(comma + 1, text.find_first_of(",'\" ", comma + 1) - comma - 1);
      if (next.empty() || next.find('=') != next.npos) continue;
      std::string_view list = text.substr(at, text.find_first_of("'\" \\", at) - at);
      Finding& found = sink_.add("docker-gpus-quoting", file_, ask.span,
                                 fmt::format("docker splits {} at its comma and refuses it", list));
      found.evidence.emplace_back(
          "Docker documentation, docker run --gpus: the value is CSV, a list needs quotes of its "
          "own");
      found.fix = fmt::format("write --gpus '\"{}\"'", list);
    }
  }

  /// "-shm-size 1G": letters of short options, of which docker has not all.
  void one_dash() {
    if (!workload_.one_dash) return;
    const std::string name = workload_.one_dash->text.substr(0, workload_.one_dash->text.find('='));
    Finding& found =
        sink_.add("docker-gpus-quoting", file_, workload_.one_dash->span,
                  fmt::format("docker takes {} for a row of one-letter options, and refuses it: "
                              "the container does not start",
                              name));
    found.evidence.emplace_back("docker run: unknown shorthand flag");
    found.fix = fmt::format("write -{}", name);
  }

  FindingSink& sink_;
  const Project& project_;
  const ProjectFile& file_;
  const Workload& workload_;
  const knowledge::LaunchImageRow* image_;
};

}  // namespace

void judge_gpu_access(const Project& project, const std::vector<FileView>& /*views*/,
                      FindingSink& sink) {
  for (const auto& file : project.files)
    for (const Workload& workload : file->workloads)
      GpuAccessRules(sink, project, *file, workload).run();
}

}  // namespace flense::lint

// Images and programs that need a GPU, in containers that ask for none.
#include <algorithm>

#include "base/format.h"
#include "lint/facts/gpu_image.h"
#include "lint/facts/purpose.h"
#include "lint/facts/workload_facts.h"
#include "lint/facts/workload_purpose.h"
#include "lint/rules/rules.h"
#include "lint/source/blanks.h"

namespace flense::lint {

namespace {

class GpuRequestRules {
 public:
  GpuRequestRules(FindingSink& sink, const Project& project, const ProjectFile& file,
                  const Workload& workload)
      : sink_(sink),
        project_(project),
        file_(file),
        workload_(workload),
        image_(known_image(workload, *project.knowledge)) {}

  void run() { gpu_not_requested(); }

 private:
  const text::YamlNode* key(std::string_view name) const {
    return workload_.node == nullptr ? nullptr : workload_.node->find(name);
  }

  /// A claim, a resource of some vendor or scheduler, an annotation for a part of a GPU.
  bool asks_otherwise() const {
    const text::YamlNode& resources = (*workload_.node)["resources"];
    if (resources.find("claims") != nullptr) return true;
    for (const std::string_view part : {"limits", "requests"})
      for (const text::YamlMember& member : resources[part].members)
        if (member.key.contains('/')) return true;
    return file_.source.text().contains("gpu-fraction") ||
           file_.source.text().contains("gpu-memory:");
  }

  void gpu_not_requested() {
    const bool stated = workload_.kind != WorkloadKind::kSrun &&
                        workload_.kind != WorkloadKind::kApptainer &&
                        workload_.kind != WorkloadKind::kSystemd;
    if (!stated || !workload_.image_name || workload_.init_container ||
        !is_complete(file_, workload_) || is_client(workload_))
      return;
    const bool serves = image_ != nullptr && !image_->vendor.empty() && image_->role == "serve";
    const GpuImage image = describe_image(*workload_.image_name, project_.knowledge->images);
    const std::string command = serves ? std::string() : gpu_command(workload_);
    if (!serves && (image.vendor.value != "nvidia" || command.empty())) return;
    if (is_for_other_device(file_.source.project_path()) || is_for_processor(workload_) ||
        leaves_gpu_out(file_, workload_))
      return;
    const bool has = !workload_.gpus.empty() || !workload_.devices.empty() ||
                     workload_.privileged || workload_.runtime ||
                     workload_.image_name->tag.find("cpu") != std::string::npos;
    if (!workload_.command.empty() && is_tool(workload_.command.front().text))
      return;  // another program than the image's own
    if (has || (serves && image_->vendor == "amd") || has_unknown_options(file_, workload_) ||
        is_added_elsewhere(project_, file_, workload_, [](const Workload& one) {
          return one.image.text.empty() && (!one.gpus.empty() || one.runtime);
        }))
      return;
    // A node whose default runtime is NVIDIA's.
    if (variable(workload_, "NVIDIA_VISIBLE_DEVICES") != nullptr) return;
    if (workload_.kind == WorkloadKind::kKubernetes && asks_otherwise()) return;
    // An override file adds to a service defined elsewhere; what that one sets is not known here.
    const text::YamlNode* devices = key("deploy");
    if (key("gpus") != nullptr ||
        (devices != nullptr && (*devices)["resources"]["reservations"].find("devices") != nullptr))
      return;
    Finding& found = sink_.add(
        "gpu-not-requested", file_, workload_.image.span,
        fmt::format("{} runs {}{}, which needs a GPU, and asks for none", title(workload_),
                    workload_.image_name->familiar(), serves ? "" : " with " + command));
    found.evidence.push_back(serves ? image_->source : image.vendor.evidence);
    found.pedantic = is_example(file_.source.project_path());
    found.fix = workload_.kind == WorkloadKind::kKubernetes
                    ? "write resources.limits: {nvidia.com/gpu: 1}"
                : workload_.kind == WorkloadKind::kQuadlet ? "write AddDevice=nvidia.com/gpu=all"
                : workload_.kind == WorkloadKind::kDocker  ? "add --gpus all"
                : workload_.kind == WorkloadKind::kPodman
                    ? "add --device nvidia.com/gpu=all"
                    : "write gpus: all, or reserve one: deploy.resources.reservations.devices with "
                      "driver: nvidia, count: 1, capabilities: [gpu]";
  }

  FindingSink& sink_;
  const Project& project_;
  const ProjectFile& file_;
  const Workload& workload_;
  const knowledge::LaunchImageRow* image_;
};

}  // namespace

void judge_gpu_requests(const Project& project, const std::vector<FileView>& /*views*/,
                        FindingSink& sink) {
  for (const auto& file : project.files)
    for (const Workload& workload : file->workloads)
      GpuRequestRules(sink, project, *file, workload).run();
}

}  // namespace flense::lint

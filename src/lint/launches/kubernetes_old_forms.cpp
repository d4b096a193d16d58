// Pods in the form of before Kubernetes had device plugins: labels of the kubelet's accelerators,
// and the driver's libraries from the node's own folders.
#include "base/format.h"
#include "lint/facts/workload_facts.h"
#include "lint/readers/reader_values.h"
#include "lint/rules/rules.h"
#include "lint/source/blanks.h"

namespace flense::lint {

namespace {

using text::YamlNode;

bool is_old_label(std::string_view label) {
  return label == "alpha.kubernetes.io/nvidia-gpu-name";
}

void tell_label(const ProjectFile& file, Span place, std::string_view label, FindingSink& sink) {
  Finding& found = sink.add(
      "kubernetes-gpu-resource", file, place,
      fmt::format("no node has the label {} since Kubernetes 1.11: the pod stays pending", label));
  found.evidence.emplace_back(
      "Kubernetes 1.11: the accelerators of the kubelet are gone; device plugins took over");
  found.fix =
      "write the label nvidia.com/gpu.product of NVIDIA's GPU feature discovery, with its value, "
      "or one that the nodes have";
}

void old_labels(const ProjectFile& file, const YamlNode& pod, FindingSink& sink) {
  for (const text::YamlMember& one : pod["nodeSelector"].members)
    if (is_old_label(one.key)) tell_label(file, span_of(one.at), one.key, sink);
  const YamlNode& required =
      pod["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"];
  for (const YamlNode* term : required["nodeSelectorTerms"].items)
    for (const YamlNode* expression : (*term)["matchExpressions"].items) {
      const YamlNode& key = (*expression)["key"];
      const std::string_view how = (*expression)["operator"].text_or();
      if (is_old_label(key.text_or()) && !is_one_of(how, {"NotIn", "DoesNotExist"}))
        tell_label(file, word_of(key).span, key.text, sink);
    }
}

/// What runs on every node manages its GPUs. GKE's own folder, /home/kubernetes/bin/nvidia, is
/// right where it has no plugin.
void driver_libraries(const ProjectFile& file, const Workload& workload, FindingSink& sink) {
  if (workload.object == nullptr || (*workload.object)["kind"].text_or() == "DaemonSet" ||
      (*workload.object)["metadata"]["namespace"].text_or() == "kube-system")
    return;
  for (const WorkloadMount& mount : workload.mounts) {
    if (mount.kind != MountKind::kBind ||
        !(mount.source == "/usr/local/nvidia" ||
          starts_with_any(mount.source, {"/usr/local/nvidia/", "/var/lib/nvidia-docker/volumes",
                                         "/usr/lib/nvidia-"})))
      continue;
    Finding& found = sink.add(
        "nvidia-devices-by-hand", file, mount.span,
        fmt::format("{} takes the driver's files from the node's {}, which the device plugin's "
                    "runtime mounts itself, from where they are",
                    title(workload), mount.source));
    found.evidence.emplace_back(
        "NVIDIA Container Toolkit documentation, Support for Container Device Interface");
    found.fix = "delete these volumes, and ask by resources.limits: nvidia.com/gpu: 1";
    return;
  }
}

}  // namespace

void judge_kubernetes_old_forms(const Project& project, const std::vector<FileView>& /*views*/,
                                FindingSink& sink) {
  for (const auto& file : project.files) {
    if (file->kind != FileKind::kKubernetes) continue;
    const YamlNode* last = nullptr;
    for (const Workload& workload : file->workloads) {
      if (workload.pod != nullptr && workload.pod != last) old_labels(*file, *workload.pod, sink);
      last = workload.pod;
      driver_libraries(*file, workload, sink);
    }
  }
}

}  // namespace flense::lint

// GPUs in Kubernetes manifests: resources, pulls, ephemeral storage.
#include <algorithm>
#include <map>
#include <set>

#include "base/ascii.h"
#include "base/format.h"
#include "lint/facts/workload_facts.h"
#include "lint/readers/reader_values.h"
#include "lint/rules/rules.h"

namespace flense::lint {

namespace {

using text::YamlMember;
using text::YamlNode;

constexpr std::string_view kScheduling = "Kubernetes documentation, Schedule GPUs";

bool is_gpu_resource(std::string_view name) {
  return name.starts_with("nvidia.com/gpu") || name.starts_with("nvidia.com/mig-") ||
         name == "amd.com/gpu" || name.starts_with("gpu.intel.com/");
}

std::optional<std::uint64_t> replicas_of(const Workload& workload) {
  if (workload.object == nullptr) return std::nullopt;
  const std::string_view kind = (*workload.object)["kind"].text_or();
  if (kind == "DaemonSet") return 2;
  if (kind != "Deployment" && kind != "StatefulSet" && kind != "ReplicaSet") return std::nullopt;
  const auto count = (*workload.object)["spec"]["replicas"].integer();
  if (!count || *count < 0) return std::nullopt;
  return static_cast<std::uint64_t>(*count);
}

/// The resource that a name of no device plugin means: of before the plugins, or a slip; empty: not
/// such a name.
std::string_view meant_resource(std::string_view name) {
  if (is_one_of(name, {"alpha.kubernetes.io/nvidia-gpu", "beta.kubernetes.io/nvidia-gpu",
                       "nvidia.com/gpus", "nvidia.com/GPU"}))
    return "nvidia.com/gpu";
  return is_one_of(name, {"amd.com/gpus", "amd.com/GPU"}) ? "amd.com/gpu" : "";
}

/// What an operator makes of its own kinds only it knows.
bool is_operators_own(const Workload& workload) {
  return workload.object != nullptr &&
         !starts_with_any(
             (*workload.object)["apiVersion"].text_or(),
             {"v1", "apps/", "batch/", "extensions/", "kubeflow.org/", "ray.io/",
              "batch.volcano.sh/", "jobset.x-k8s.io/", "leaderworkerset.x-k8s.io/", "serving.k"});
}

/// "1", "1.0" and "1000m" are whole numbers.
bool is_whole(std::string_view text) {
  const auto of = [](std::string_view part, std::string_view letters) {
    return part.find_first_not_of(letters) == part.npos;
  };
  if (text.ends_with("000m")) return of(text.substr(0, text.size() - 1), "0123456789");
  const std::size_t point = std::min(text.find('.'), text.size());
  return of(text.substr(0, point), "0123456789") &&
         (point == text.size() || of(text.substr(point + 1), "0"));
}

/// The limit of a container's ephemeral storage; 0: none.
std::uint64_t storage_limit(const YamlNode& container) {
  return std::min(
      quantity(container["resources"]["limits"]["ephemeral-storage"].text_or()).value_or(0),
      std::uint64_t{1} << 50);
}

std::uint64_t storage_of(const YamlNode& pod) {
  std::uint64_t out = 0;
  for (const YamlNode* container : pod["containers"].items) out += storage_limit(*container);
  return out;
}

class ContainerRules {
 public:
  /// `storage`: storage_of() the pod.
  ContainerRules(FindingSink& sink, const Project& project, const ProjectFile& file,
                 const Workload& workload, std::uint64_t storage)
      : sink_(sink),
        project_(project),
        file_(file),
        workload_(workload),
        node_(*workload.node),
        storage_(storage) {}

  void run() {
    unknown_resource();
    limits();
    vendors();
    visible_devices();
    pull_always();
    ephemeral_storage();
    if (!workload_.init_container) download_per_replica();
  }

 private:
  void limits() {
    const YamlNode& resources = node_["resources"];
    const YamlNode &limits = resources["limits"], &requests = resources["requests"];
    for (const YamlNode* part : {&limits, &requests})
      for (const YamlMember& member : part->members)
        if (is_gpu_resource(member.key)) fraction(member);
    constexpr std::size_t kMostKinds = 64;
    std::size_t kinds = 0;
    for (const YamlMember& request : requests.members) {
      if (!is_gpu_resource(request.key) || ++kinds > kMostKinds) continue;
      const YamlNode* limit = limits.find(request.key);
      if (limit == nullptr && resources.find("limits") != nullptr && limits.tag == "!template")
        continue;
      if (limit == nullptr && !is_complete(file_, workload_)) continue;
      const auto asked = quantity(request.value->text_or());
      const auto allowed = limit == nullptr ? std::nullopt : quantity(limit->text_or());
      if (limit != nullptr && (!asked || !allowed || *asked == *allowed)) continue;
      Finding& found = sink_.add(
          "kubernetes-gpu-limits", file_, span_of(request.at),
          limit == nullptr
              ? fmt::format("{} requests {} without a limit: the API server refuses the pod",
                            title(workload_), request.key)
              : fmt::format("{} requests {} of {} and limits it to {}: they must be equal",
                            title(workload_), *asked, request.key, *allowed));
      found.evidence.emplace_back(kScheduling);
      found.pedantic = is_operators_own(workload_);
      found.fix = limit == nullptr
                      ? fmt::format("write limits: {{{}: {}}}; the request follows from the limit",
                                    request.key, request.value->text_or("1"))
                      : std::string("delete the request: it follows from the limit");
    }
  }

  void unknown_resource() {
    std::vector<Edit> edits;
    const YamlMember* first = nullptr;
    bool there = false;  // the resource that is meant stands beside it
    bool twice = false;  // two names for it in one map
    std::string_view last;
    for (const std::string_view part : {"limits", "requests"})
      for (const YamlMember& member : node_["resources"][part].members) {
        const std::string_view meant = meant_resource(member.key);
        if (meant.empty() || edits.size() == 2) continue;
        if (first == nullptr) first = &member;
        there = there || node_["resources"][part].find(meant) != nullptr;
        twice = twice || last == part;
        last = part;
        // A key may stand in quotes.
        const Span span = span_of(member.at);
        if (const std::size_t at = file_.source.slice(span).find(member.key);
            at != std::string_view::npos)
          edits.push_back(
              {{span.begin + at, span.begin + at + member.key.size()}, std::string(meant)});
      }
    if (first == nullptr) return;
    Finding& found =
        sink_.add("kubernetes-gpu-resource", file_, span_of(first->at),
                  fmt::format("no device plugin offers {}: the pod stays pending", first->key));
    found.evidence.emplace_back(
        first->key.contains("kubernetes.io")
            ? "Kubernetes 1.11: the accelerators of the kubelet are gone; device plugins took over"
            : std::string(kScheduling));
    const std::string_view meant = meant_resource(first->key);
    found.pedantic = is_operators_own(workload_);
    found.fix =
        there ? fmt::format("delete it: {} stands beside", meant) : fmt::format("write {}", meant);
    if (!there && !twice) found.edits = std::move(edits);
  }

  void fraction(const YamlMember& member) {
    const std::string_view text = member.value->text_or();
    if (text.empty()) return;
    if (is_whole(text) || !quantity(text) || text.ends_with('k') || text.ends_with('i')) return;
    Finding& found = sink_.add("kubernetes-gpu-fraction", file_, word_of(*member.value).span,
                               fmt::format("{} asks for {} of {}: GPUs are whole numbers",
                                           title(workload_), text, member.key));
    found.evidence.emplace_back("Kubernetes documentation, Extended resources: integers only");
    found.pedantic = is_operators_own(workload_);
    found.fix =
        member.key.starts_with("nvidia.com")
            ? "write 1; a part of a GPU the cluster has to offer: time slicing or MPS of the "
              "device plugin, or a MIG resource such as nvidia.com/mig-1g.10gb"
            : "write 1";
  }

  void vendors() {
    std::set<std::string> vendors;
    for (const GpuAsk& ask : workload_.gpus) vendors.insert(ask.vendor);
    if (vendors.size() < 2) return;
    Finding& found = sink_.add("kubernetes-gpu-vendors", file_, workload_.gpus.back().span,
                               fmt::format("{} asks for GPUs of {} and {}: hardly a node has both",
                                           title(workload_), *vendors.begin(), *vendors.rbegin()));
    found.evidence.emplace_back(kScheduling);
    found.fix = "keep the vendor that the image is built for";
  }

  /// The plugin itself and what the operator runs on a node: they have to see all of its GPUs.
  bool manages_gpus() const {
    const std::string words = fmt::format("{} {} {}", workload_.name, workload_.image.text,
                                          (*workload_.object)["metadata"]["name"].text_or());
    for (const std::string_view part : {"device-plugin", "gpu-operator", "dcgm", "mps-control",
                                        "toolkit", "validat", "feature-discovery", "driver"})
      if (words.contains(part)) return true;
    return false;
  }

  /// Another pod of the project takes its GPU by the variable too.
  bool is_done_twice() const {
    return std::ranges::any_of(project_.files, [&](const auto& file) {
      return std::ranges::any_of(file->workloads, [&](const Workload& other) {
        return other.pod != nullptr && other.pod != workload_.pod && other.gpus.empty() &&
               takes_gpus(variable(other, "NVIDIA_VISIBLE_DEVICES"));
      });
    });
  }

  /// What comes from elsewhere is a scheduler's.
  static bool takes_gpus(const Variable* set) {
    return set != nullptr && set->value && !is_one_of(*set->value, {"", "void", "none"});
  }

  void visible_devices() {
    if (workload_.object == nullptr || manages_gpus()) return;
    // One on every node that asks for no GPU watches or serves all of them.
    if (workload_.gpus.empty() && (*workload_.object)["kind"].text_or() == "DaemonSet") return;
    // AMD's plugin sets no variable: ROCR_VISIBLE_DEVICES only narrows what it has mounted.
    constexpr std::string_view kName = "NVIDIA_VISIBLE_DEVICES";
    const Variable* set = variable(workload_, kName);
    if (set == nullptr) return runtime_class();
    if (!takes_gpus(set)) return;
    Finding& found = sink_.add(
        "kubernetes-visible-devices", file_, set->span,
        workload_.gpus.empty()
            ? fmt::format("{} takes GPUs past the scheduler by {}", title(workload_), kName)
            : fmt::format("{} sets {} beside a GPU resource, which the device plugin sets itself",
                          title(workload_), kName));
    found.evidence.emplace_back(
        "NVIDIA k8s-device-plugin documentation: the plugin passes the allotted devices in "
        "NVIDIA_VISIBLE_DEVICES");
    // Who gives a pod the whole node means it, and who lets several have the one GPU of a node.
    found.pedantic = (workload_.privileged && (*workload_.pod)["hostPID"].text_or() == "true") ||
                     (workload_.gpus.empty() && is_done_twice()) ||
                     !file_.template_language.empty();  // they may stand in two branches
    found.fix = workload_.gpus.empty()
                    ? "delete the variable and ask by resources.limits: nvidia.com/gpu: 1"
                    : fmt::format("delete {}", kName);
  }

  /// NVIDIA's runtime by its class, and no device of the plugin: the image's variable decides.
  void runtime_class() {
    if (!workload_.runtime || workload_.runtime->text != "nvidia" || !workload_.gpus.empty() ||
        workload_.init_container || (*workload_.pod)["containers"].items.size() != 1 ||
        !is_complete(file_, workload_) || is_patched(project_, workload_, {"resources"}))
      return;
    const YamlNode& resources = node_["resources"];
    if (resources.find("claims") != nullptr ||
        std::ranges::any_of(resources["limits"].members,
                            [](const YamlMember& one) { return one.key.contains('/'); }))
      return;
    Finding& found = sink_.add(
        "kubernetes-visible-devices", file_, workload_.runtime->span,
        fmt::format("{} gets GPUs past the scheduler by runtimeClassName: which ones the image's "
                    "NVIDIA_VISIBLE_DEVICES says, all of the node in those of CUDA",
                    title(workload_)));
    found.evidence.emplace_back(
        "NVIDIA k8s-device-plugin documentation: the scheduler counts what resources.limits ask");
    // Who shares the one GPU of a node means it.
    found.pedantic = true;
    found.fix =
        "write resources.limits: {nvidia.com/gpu: 1}; several on one GPU share it by time slicing "
        "or MPS of the device plugin";
  }

  void pull_always() {
    const YamlNode& policy = node_["imagePullPolicy"];
    const knowledge::LaunchImageRow* image = known_image(workload_, *project_.knowledge);
    if (policy.text_or() != "Always" || image == nullptr || !image->large) return;
    // A moving tag would be a reason to want it.
    if (workload_.image_name->digest.empty() &&
        (workload_.image_name->tag.empty() || workload_.image_name->tag == "latest"))
      return;
    Finding& found = sink_.add("kubernetes-pull-always", file_, word_of(policy).span,
                               fmt::format("{} asks the registry for {} at every start",
                                           title(workload_), workload_.image_name->familiar()));
    found.evidence.push_back(image->source);
    found.fix = "write imagePullPolicy: IfNotPresent, and pin the image by digest";
    found.edits.push_back({word_of(policy).span, "IfNotPresent"});
  }

  void ephemeral_storage() {
    const YamlNode& limit = node_["resources"]["limits"]["ephemeral-storage"];
    const auto own = quantity(limit.text_or());
    if (!limit.is_scalar() || !own) return;
    // The volumes of a pod count against the limits of all its containers.
    const std::uint64_t together =
        workload_.init_container ? storage_ + storage_limit(node_) : storage_;
    std::uint64_t volumes = 0;
    for (const WorkloadMount& mount : workload_.mounts)
      if (mount.kind == MountKind::kEmptyDir && mount.bytes)
        volumes += std::min(*mount.bytes, std::uint64_t{1} << 50);
    if (volumes > together) {
      Finding& found =
          sink_.add("kubernetes-ephemeral-storage", file_, word_of(limit).span,
                    fmt::format("{} may use {} of ephemeral storage, and its emptyDir volumes {}",
                                title(workload_), human_bytes(together), human_bytes(volumes)));
      storage_words(found, fmt::format("above {}, or lower the sizeLimit of its volumes",
                                       human_bytes(volumes)));
      return;
    }
    constexpr std::uint64_t kSmallModel = std::uint64_t{8} << 30;
    if (workload_.gpus.empty()) return;
    for (const NamedPath& one : named_paths(workload_, *project_.knowledge)) {
      if (one.means != "model" || !is_hub_model(one.value) || is_small_model(one.value)) continue;
      const std::string cache = cache_directory();
      const WorkloadMount* mount = cache.empty() ? nullptr : mount_of(workload_, cache);
      if (cache.empty() || (mount != nullptr && mount->kind != MountKind::kEmptyDir)) return;
      // What a container writes beside the volumes counts against its own limit.
      const std::uint64_t allowed = mount == nullptr ? *own : together;
      if (allowed >= kSmallModel) return;
      Finding& found =
          sink_.add("kubernetes-ephemeral-storage", file_, word_of(limit).span,
                    fmt::format("{} downloads {} into ephemeral storage that is limited to {}",
                                title(workload_), one.value, human_bytes(allowed)));
      storage_words(found, "above the model's size, or put the model on a persistentVolumeClaim");
      return;
    }
  }

  void storage_words(Finding& found, std::string_view how) {
    found.evidence.emplace_back(
        "Kubernetes documentation, Local ephemeral storage: the container's layer, logs and "
        "emptyDir volumes count, and the pod is evicted above the limit; vllm#17163");
    found.fix = fmt::format("raise limits.ephemeral-storage {}", how);
  }

  /// Where downloads go: of a variable, or of the known image.
  std::string cache_directory() {
    for (const NamedPath& one : named_paths(workload_, *project_.knowledge))
      if (one.means == "cache" && is_plain_path(one.value)) return one.value;
    const knowledge::LaunchImageRow* image = known_image(workload_, *project_.knowledge);
    return image == nullptr ? std::string() : image->cache;
  }

  void download_per_replica() {
    const auto replicas = replicas_of(workload_);
    if (!replicas || *replicas < 2 || workload_.gpus.empty()) return;
    // The image has the model.
    for (const std::string_view name : {"HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"})
      if (variable(workload_, name) != nullptr) return;
    const std::string cache = cache_directory();
    if (cache.empty()) return;
    const WorkloadMount* mount = mount_of(workload_, cache);
    if (mount != nullptr && mount->kind != MountKind::kEmptyDir &&
        mount->kind != MountKind::kMemory)
      return;
    if (mount == nullptr && !is_complete(file_, workload_)) return;
    for (const NamedPath& one : named_paths(workload_, *project_.knowledge)) {
      if (one.means != "model" || !is_hub_model(one.value)) continue;
      Finding& found =
          sink_.add("model-download-per-replica", file_, one.span,
                    fmt::format("each replica downloads {} for itself: {} is {}", one.value, cache,
                                mount == nullptr ? "in the container's own layer" : "an emptyDir"));
      found.evidence.push_back(one.source);
      found.fix = fmt::format(
          "mount a volume that keeps the model at {}: a claim that several pods may have "
          "(ReadOnlyMany, ReadWriteMany), or one for each of them",
          cache);
      return;
    }
  }

  FindingSink& sink_;
  const Project& project_;
  const ProjectFile& file_;
  const Workload& workload_;
  const YamlNode& node_;
  const std::uint64_t storage_;
};

/// A quota for GPUs counts requests alone.
void quotas(const ProjectFile& file, FindingSink& sink) {
  if (!file.yaml) return;
  for (const YamlNode* document : file.yaml->documents) {
    if ((*document)["kind"].text_or() != "ResourceQuota") continue;
    const YamlNode& hard = (*document)["spec"]["hard"];
    for (const YamlMember& member : hard.members) {
      std::string_view name = member.key;
      if (name.starts_with("limits.")) name.remove_prefix(7);
      if (!is_gpu_resource(name)) continue;
      Finding& found =
          sink.add("kubernetes-gpu-resource", file, span_of(member.at),
                   fmt::format("a quota does not count {}: of such resources it counts "
                               "requests.{} alone",
                               member.key, name));
      found.severity = Severity::kWarning;
      found.evidence = {
          "Kubernetes documentation, Resource Quotas, extended resources; kubeflow/website#2460"};
      const bool there = hard.find(fmt::format("requests.{}", name)) != nullptr;
      found.fix = there ? fmt::format("delete it: requests.{} stands beside", name)
                        : fmt::format("write requests.{}", name);
      return;
    }
  }
}

}  // namespace

void judge_kubernetes_gpu(const Project& project, const std::vector<FileView>& /*views*/,
                          FindingSink& sink) {
  for (const auto& file : project.files) {
    if (file->kind != FileKind::kKubernetes) continue;
    quotas(*file, sink);
    std::map<const YamlNode*, std::uint64_t> storage;  // of each pod
    for (const Workload& workload : file->workloads) {
      if (workload.node == nullptr || workload.pod == nullptr) continue;
      const auto [pod, fresh] = storage.try_emplace(workload.pod, 0);
      if (fresh) pod->second = storage_of(*workload.pod);
      ContainerRules(sink, project, *file, workload, pod->second).run();
    }
  }
}

}  // namespace flense::lint

// Kubernetes manifests (core/v1 PodSpec): containers as workloads, wherever there is a pod
// template: in the objects of Kubernetes itself, in lists of `kubectl get`, and in objects of
// operators.
#include <algorithm>
#include <map>
#include <set>

#include "base/ascii.h"
#include "base/format.h"
#include "lint/readers/reader_values.h"
#include "lint/readers/readers.h"

namespace flense::lint {

namespace {

using text::YamlMember;
using text::YamlNode;

constexpr unsigned kMaxSearchDepth = 16;
/// Of one container; a pod's groups are copied for each.
constexpr std::size_t kMaxGroups = 64, kMaxAsks = 64;

struct ResourceVendor {
  std::string_view prefix, vendor;
};
constexpr ResourceVendor kVendors[] = {
    {"nvidia.com/", "nvidia"}, {"amd.com/", "amd"}, {"gpu.intel.com/", "intel"}};

/// A pod's own values are copied for each of its containers and mounts: as much as a path has.
std::string limited(std::string_view text) {
  constexpr std::size_t kMostText = 4096;
  return std::string(text.substr(0, kMostText));
}

/// "nvidia" of nvidia.com/gpu, nvidia.com/gpu.shared and nvidia.com/mig-1g.10gb; empty for others.
std::string vendor_of(std::string_view resource) {
  // Names of before the device plugins: whoever writes them wants a GPU.
  if (resource.ends_with(".kubernetes.io/nvidia-gpu")) return "nvidia";
  for (const ResourceVendor& one : kVendors) {
    if (!resource.starts_with(one.prefix)) continue;
    const std::string_view rest = resource.substr(one.prefix.size());
    // Not HAMi's gpumem and gpucores, which are fractions of one.
    const bool gpu = rest == "gpu" || rest.starts_with("gpu.") || rest.starts_with("mig-") ||
                     rest == "i915" || rest == "xe";
    return gpu ? std::string(one.vendor) : std::string();
  }
  return {};
}

class PodReader {
 public:
  PodReader(const YamlNode& object, const YamlNode& pod, FileContent& file)
      : object_(object), pod_(pod), file_(file) {
    for (const YamlNode* volume : pod["volumes"].items)
      volumes_.emplace((*volume)["name"].text_or(), volume);
    for (const YamlNode* claim : object["spec"]["volumeClaimTemplates"].items)
      claims_.insert((*claim)["metadata"]["name"].text_or());
  }

  void read() {
    for (const YamlNode* item : pod_["initContainers"].items) container(*item, true);
    for (const YamlNode* item : pod_["containers"].items) container(*item, false);
  }

  /// KServe's predictor holds one container without the list.
  void read_single(const YamlNode& node) { container(node, false); }

  /// A container's part of a chart's values: image {repository, tag}, resources, securityContext.
  void read_values(const YamlNode& node, std::string_view name) {
    container(node, false);
    Workload& made = file_.workloads.back();
    made.name = name;
    made.host_ipc = false;
    const YamlNode &repository = node["image"]["repository"], &tag = node["image"]["tag"];
    if (tag.is_scalar() && !tag.text.empty() && repository.is_scalar())
      set_image(made, {fmt::format("{}:{}", repository.text, tag.text), word_of(tag).span});
  }

 private:
  void problem(const YamlNode& at, std::string message) {
    file_.problems.push_back({span_of(at.at), std::move(message)});
  }

  void container(const YamlNode& node, bool init) {
    if (!node.is_mapping()) {
      if (node.tag.empty()) problem(node, "a container is a mapping with a name and an image");
      return;
    }
    Workload out;
    out.kind = WorkloadKind::kKubernetes;
    const Word name = word_of(node["name"]);
    out.name = name.text;
    out.span = name.text.empty() ? Span{node.at.begin, node.at.begin + 1} : name.span;
    out.node = &node;
    out.pod = &pod_;
    out.object = &object_;
    // A sidecar is an init container that keeps running.
    out.init_container = init && node["restartPolicy"].text_or() != "Always";
    if (node["image"].is_scalar()) set_image(out, word_of(node["image"]));
    for (const YamlNode* item : node["command"].items) out.command.push_back(word_of(*item));
    for (const YamlNode* item : node["args"].items) out.arguments.push_back(word_of(*item));
    environment(out, node);
    mounts(out, node);
    resources(out, node["resources"]);
    const YamlNode& security = node["securityContext"];
    if (security["privileged"].boolean() == true) out.privileged = word_of(security["privileged"]);
    out.writable_root = security["readOnlyRootFilesystem"].boolean() != true;
    out.host_ipc = pod_["hostIPC"].boolean() == true;
    const YamlNode& runtime = pod_["runtimeClassName"];
    if (runtime.is_scalar()) out.runtime = Word{limited(runtime.text), word_of(runtime).span};
    for (const YamlNode* group : pod_["securityContext"]["supplementalGroups"].items)
      if (out.groups.size() < kMaxGroups)
        out.groups.push_back({limited(group->text_or()), word_of(*group).span});
    file_.workloads.push_back(std::move(out));
  }

  static void environment(Workload& out, const YamlNode& node) {
    for (const YamlNode* item : node["env"].items) {
      Variable variable;
      const Word name = word_of((*item)["name"]);
      variable.name = name.text;
      variable.span = name.span;
      const YamlNode& value = (*item)["value"];
      // $(NAME) is another variable's value.
      if (value.is_scalar() && value.text.find("$(") == value.text.npos)
        variable.value = value.text;
      out.variables.push_back(std::move(variable));
    }
  }

  void mounts(Workload& out, const YamlNode& node) {
    for (const YamlNode* item : node["volumeMounts"].items) {
      if (!item->is_mapping()) continue;
      WorkloadMount mount;
      mount.target = (*item)["mountPath"].text_or();
      mount.read_only = (*item)["readOnly"].boolean() == true;
      mount.span = word_of((*item)["mountPath"]).span;
      volume(mount, (*item)["name"].text_or());
      if (mount.kind == MountKind::kBind && mount.source.starts_with("/dev/"))
        out.devices.push_back({mount.source, mount.span});
      if (mount.kind == MountKind::kMemory && mount.target == "/dev/shm" && mount.bytes)
        out.shm_bytes = mount.bytes;
      out.mounts.push_back(std::move(mount));
    }
  }

  void volume(WorkloadMount& mount, std::string_view name) {
    mount.kind = MountKind::kOther;
    mount.source = name;
    if (const auto at = volumes_.find(name); at != volumes_.end()) {
      const YamlNode* const volume = at->second;
      if (const YamlNode* empty = volume->find("emptyDir")) {
        mount.kind =
            (*empty)["medium"].text_or() == "Memory" ? MountKind::kMemory : MountKind::kEmptyDir;
        if ((*empty)["sizeLimit"].is_scalar()) mount.bytes = quantity((*empty)["sizeLimit"].text);
      } else if (const YamlNode* claim = volume->find("persistentVolumeClaim")) {
        mount.kind = MountKind::kClaim;
        mount.source = limited((*claim)["claimName"].text_or());
        mount.read_only = mount.read_only || (*claim)["readOnly"].boolean() == true;
      } else if (volume->find("ephemeral") != nullptr) {
        mount.kind = MountKind::kClaim;
      } else if (const YamlNode* host = volume->find("hostPath")) {
        mount.kind = MountKind::kBind;
        mount.source = limited((*host)["path"].text_or());
      } else if (const YamlNode* nfs = volume->find("nfs")) {
        mount.source =
            limited((*nfs)["server"].text_or()) + ":" + limited((*nfs)["path"].text_or());
        mount.read_only = mount.read_only || (*nfs)["readOnly"].boolean() == true;
      } else if (volume->find("configMap") != nullptr || volume->find("secret") != nullptr ||
                 volume->find("projected") != nullptr || volume->find("downwardAPI") != nullptr) {
        mount.kind = MountKind::kConfig;
        mount.read_only = true;
      } else if (volume->find("image") != nullptr) {
        mount.read_only = true;
      }
      return;
    }
    if (claims_.contains(name)) mount.kind = MountKind::kClaim;
  }

  static void resources(Workload& out, const YamlNode& resources) {
    for (const std::string_view part : {"limits", "requests"})
      for (const YamlMember& member : resources[part].members) {
        const std::string vendor = vendor_of(member.key);
        const auto count = member.value->is_scalar() ? quantity(member.value->text) : std::nullopt;
        // Zero is how a chart says "none".
        if (vendor.empty() || count == 0U) continue;
        const auto known = std::ranges::find(out.gpus, member.key, &GpuAsk::resource);
        if (known != out.gpus.end()) {
          // They must be equal; a rule reports it. The larger one is what the container expects.
          if (known->count && count) known->count = std::max(*known->count, *count);
          continue;
        }
        if (out.gpus.size() == kMaxAsks) continue;
        GpuAsk ask;
        ask.vendor = vendor;
        ask.resource = member.key;
        ask.span = span_of(member.at);
        ask.count = count;
        out.gpus.push_back(std::move(ask));
      }
    const YamlNode& memory = resources["limits"]["memory"];
    if (memory.is_scalar()) out.memory_limit = quantity(memory.text);
  }

  const YamlNode& object_;
  const YamlNode& pod_;
  FileContent& file_;
  std::map<std::string_view, const YamlNode*> volumes_;
  std::set<std::string_view> claims_;
};

/// Finds what holds containers, at any depth: a pod's spec, or an operator's own form of one.
void search(const YamlNode& object, const YamlNode& node, unsigned depth, FileContent& file) {
  if (depth > kMaxSearchDepth) return;
  for (const YamlNode* item : node.items) search(object, *item, depth + 1, file);
  if (!node.is_mapping()) return;
  const YamlNode* containers = node.find("containers");
  const bool is_pod = containers != nullptr && containers->is_sequence();
  if (is_pod) PodReader(object, node, file).read();
  // KServe: spec.predictor.model {modelFormat, runtime, resources}. Argo: templates[].container.
  for (const std::string_view key : {"model", "container"}) {
    const YamlNode& single = node[key];
    if (!is_pod && single.is_mapping() &&
        (single.find("resources") != nullptr || single.find("image") != nullptr))
      PodReader(object, node, file).read_single(single);
  }
  for (const YamlMember& member : node.members) {
    if (member.merged || member.key == "containers" || member.key == "initContainers" ||
        member.key == "status" || member.key == "metadata" || member.key == "volumes")
      continue;
    search(object, *member.value, depth + 1, file);
  }
}

/// The values that FluxCD and Argo CD hand to a chart: wherever one mapping has an image by its
/// parts, and resources or a security context beside it, that is a container.
void search_values(const YamlNode& object, const YamlNode& node, std::string_view name,
                   unsigned depth, FileContent& file) {
  if (depth > kMaxSearchDepth || !node.is_mapping()) return;
  if (node["image"]["repository"].is_scalar() &&
      (node["resources"].is_mapping() || node["securityContext"].is_mapping()))
    PodReader(object, node, file).read_values(node, name);
  for (const YamlMember& member : node.members)
    if (!member.merged && member.value->is_mapping())
      search_values(object, *member.value,
                    is_one_of(member.key, {"values", "valuesObject"})
                        ? object["metadata"]["name"].text_or()
                        : std::string_view(member.key),
                    depth + 1, file);
}

void read_object(const YamlNode& object, unsigned depth, FileContent& file) {
  if (object.is_null()) return;
  if (!object.is_mapping()) {
    file.problems.push_back(
        {span_of(object.at), "a Kubernetes object is a mapping with apiVersion and kind"});
    return;
  }
  const std::string_view kind = object["kind"].text_or();
  const YamlNode* items = object.find("items");
  if (items != nullptr && items->is_sequence() && depth < 2 &&
      (kind == "List" || kind.ends_with("List"))) {
    for (const YamlNode* item : items->items) read_object(*item, depth + 1, file);
    return;
  }
  // A document of another tool, such as the machine's part of a Talos configuration.
  if (std::ranges::none_of(
          std::to_array<std::string_view>({"apiVersion", "kind", "metadata", "spec"}),
          [&](std::string_view key) { return object.find(key) != nullptr; }))
    return;
  for (const std::string_view key : {"apiVersion", "kind"}) {
    const YamlNode* value = object.find(key);
    // Items of a typed list need neither.
    if (value == nullptr && depth > 0) continue;
    if (value == nullptr)
      file.problems.push_back(
          {{object.at.begin, object.at.begin + 1},
           fmt::format("the object has no {}: Kubernetes cannot take it", key)});
    else if (!value->is_scalar() && value->tag.empty())
      file.problems.push_back({span_of(value->at), fmt::format("{} is a text", key)});
  }
  // These hold other people's texts and schemas.
  if (kind == "CustomResourceDefinition" || kind == "ConfigMap" || kind == "Secret") return;
  const YamlNode& spec = object["spec"];
  if (object.find("spec") != nullptr && !spec.is_mapping() && !spec.is_null())
    file.problems.push_back({span_of(spec.at), "spec is a mapping"});
  const YamlNode& containers = spec["containers"];
  if (kind == "Pod" && spec.find("containers") != nullptr && !containers.is_sequence() &&
      containers.tag.empty())
    file.problems.push_back({span_of(spec.member("containers")->at), "containers is a list"});
  // Values are a chart's own words: no pod stands there.
  if (kind == "HelmRelease")
    search_values(object, spec["values"], object["metadata"]["name"].text_or(), 0, file);
  else if (kind == "Application" && spec.is_mapping())
    search_values(object, spec["source"]["helm"]["valuesObject"],
                  object["metadata"]["name"].text_or(), 0, file);
  else if (spec.is_mapping())
    search(object, spec, 0, file);
}

}  // namespace

FileContent read_kubernetes(const SourceText& source) {
  FileContent out = read_yaml(source);
  for (const YamlNode* document : out.yaml->documents) read_object(*document, 0, out);
  for (Workload& workload : out.workloads) workload.path = source.path();
  return out;
}

}  // namespace flense::lint

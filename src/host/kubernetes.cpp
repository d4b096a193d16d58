#include "host/kubernetes.h"

#include <algorithm>
#include <array>

#include "base/format.h"
#include "base/numbers.h"
#include "host/node_facts.h"
#include "host/text_formats.h"

namespace flense::host {

namespace {

using text::Json;

/// The labels of one node that speak of its hardware, in order.
class Labels {
 public:
  explicit Labels(const Json& labels) {
    static constexpr std::array<std::string_view, 9> kKinds = {
        "nvidia.com/",         "amd.com/",          "beta.amd.com/",  "feature.node.kubernetes.io/",
        "node.kubernetes.io/", "cloud.google.com/", "kubernetes.io/", "beta.kubernetes.io/",
        "karpenter.k8s.aws/"};
    for (const auto& [key, value] : labels.members())
      if (value.is_string() &&
          std::ranges::any_of(kKinds, [&, name = std::string_view(key)](auto kind) {
            return name.starts_with(kind);
          }))
        labels_.emplace_back(key, value.text());
    std::ranges::sort(labels_);
  }

  /// Empty when there is no such label.
  std::string_view value(std::string_view key) const {
    const auto at = std::ranges::lower_bound(labels_, key, {}, &Label::first);
    return at != labels_.end() && at->first == key ? at->second : std::string_view();
  }
  /// The first label that begins so; null when there is none.
  const std::pair<std::string_view, std::string_view>* first(std::string_view prefix) const {
    const auto at = std::ranges::lower_bound(labels_, prefix, {}, &Label::first);
    return at != labels_.end() && at->first.starts_with(prefix) ? &*at : nullptr;
  }
  bool any(std::string_view prefix) const { return first(prefix) != nullptr; }
  bool is_true(std::string_view key) const { return value(key) == "true"; }

  /// "label nvidia.com/gpu.product"
  std::string evidence(std::string_view key) const { return fmt::format("label {}", key); }
  Text text(std::string_view key) const {
    std::string found = clean(value(key));
    return found.empty() ? Text() : Text::known(std::move(found), evidence(key));
  }
  std::optional<std::uint64_t> number(std::string_view key) const {
    return parse_number(value(key));
  }

 private:
  using Label = std::pair<std::string_view, std::string_view>;
  std::vector<Label> labels_;
};

constexpr std::string_view kNfd = "feature.node.kubernetes.io/";

void read_system(const Json& node, const Labels& labels, System& out) {
  const Json& info = node["status"]["nodeInfo"];
  const auto fact = [&](const char* member) {
    std::string value = clean(info[member].text());
    return value.empty() ? Text()
                         : Text::known(std::move(value), fmt::format("status.nodeInfo.{}", member));
  };
  out.kernel = fact("kernelVersion");
  if (!out.kernel.value) out.kernel = labels.text("feature.node.kubernetes.io/kernel-version.full");
  out.architecture = fact("architecture");
  if (!out.architecture.value) out.architecture = labels.text("kubernetes.io/arch");
  // Kubernetes uses Go's names, a profile the kernel's.
  if (out.architecture.value == "amd64") out.architecture.value = "x86_64";
  if (out.architecture.value == "arm64") out.architecture.value = "aarch64";
  out.distribution = fact("osImage");
  if (!out.distribution.value && clean(info["operatingSystem"].text()) == "windows")
    out.distribution = Text::known("Windows", "status.nodeInfo.operatingSystem");
  out.distribution_id = labels.text("feature.node.kubernetes.io/system-os_release.ID");
  out.distribution_version = labels.text("feature.node.kubernetes.io/system-os_release.VERSION_ID");
  const Json& capacity = node["status"]["capacity"];
  if (const auto cpus = parse_quantity(capacity["cpu"].text()))
    out.cpus = Number::known(*cpus, "status.capacity.cpu");
  if (const auto memory = parse_quantity(capacity["memory"].text()))
    out.memory_bytes = Number::known(*memory, "status.capacity.memory");
}

/// Node Feature Discovery leaves most flags of the levels out of its labels by default; every
/// processor with those that it does label has them.
void read_cpu_level(const Labels& labels, System& out) {
  const auto has = [&](std::string_view flag) {
    return labels.is_true(fmt::format("{}cpu-cpuid.{}", kNfd, flag));
  };
  if (out.architecture.value != "x86_64" || !labels.any("feature.node.kubernetes.io/cpu-cpuid."))
    return;
  const bool v3 = has("AVX2") && has("FMA3");
  const bool v4 = v3 && has("AVX512F") && has("AVX512BW") && has("AVX512CD") && has("AVX512DQ") &&
                  has("AVX512VL");
  if (!v3 && !has("AVX")) return;
  const char* level = v4 ? "x86-64-v4" : v3 ? "x86-64-v3" : "x86-64-v2";
  const char* flag = v4 ? "AVX512F" : v3 ? "AVX2" : "AVX";
  out.cpu_level =
      Text::known(level, labels.evidence(fmt::format("{}cpu-cpuid.{} and its like", kNfd, flag)));
}

void read_runtime(const Json& node, Profile& out) {
  // "containerd://1.7.22"
  const std::string_view runtime = node["status"]["nodeInfo"]["containerRuntimeVersion"].text();
  const std::size_t at = runtime.find("://");
  if (at == std::string_view::npos) return;
  const std::string evidence = "status.nodeInfo.containerRuntimeVersion";
  Engine engine;
  engine.name = clean(runtime.substr(0, at));
  engine.version = Text::known(clean(runtime.substr(at + 3)), evidence);
  engine.path.evidence = evidence;
  engine.cdi = Flag::unknown("a node does not reveal its engine's configuration");
  engine.nvidia_runtime = engine.cdi;
  out.engines.push_back(std::move(engine));
}

/// A version of up to three labels, or of the one that has it whole.
Text joined_version(const Labels& labels, std::string_view whole,
                    std::initializer_list<std::string_view> parts) {
  if (Text full = labels.text(whole); full.value) return full;
  std::string version;
  for (const std::string_view part : parts) {
    const std::string_view value = labels.value(part);
    if (!parse_number(value)) break;
    version += (version.empty() ? "" : ".") + std::string(value);
  }
  return version.empty() ? Text() : Text::known(version, labels.evidence(*parts.begin()));
}

void read_nvidia_driver(const Labels& labels, NodeTables& tables, Nvidia& out) {
  Text driver = joined_version(
      labels, "nvidia.com/cuda.driver-version.full",
      {"nvidia.com/cuda.driver-version.major", "nvidia.com/cuda.driver-version.minor",
       "nvidia.com/cuda.driver-version.revision"});
  if (!driver.value)
    driver = joined_version(labels, "",
                            {"nvidia.com/cuda.driver.major", "nvidia.com/cuda.driver.minor",
                             "nvidia.com/cuda.driver.rev"});
  if (driver.value && !is_driver_version(*driver.value))
    driver = Text::unknown(fmt::format("{} says '{}'", driver.evidence, *driver.value));
  out.module_version = out.library_version = driver;
  if (driver.value) {
    // NVML, which provides these labels, works only if module and library have the same version.
    out.agree = Flag::known(true, driver.evidence);
    out.cuda = joined_version(
        labels, "nvidia.com/cuda.runtime-version.full",
        {"nvidia.com/cuda.runtime-version.major", "nvidia.com/cuda.runtime-version.minor"});
    if (!out.cuda.value)
      out.cuda = joined_version(labels, "",
                                {"nvidia.com/cuda.runtime.major", "nvidia.com/cuda.runtime.minor"});
    if (!out.cuda.value) out.cuda = tables.cuda_of(*driver.value);
  }
}

Flag mig_of(const Labels& labels, bool sliced) {
  constexpr std::string_view kCapable = "nvidia.com/mig.capable";
  constexpr std::string_view kStrategy = "nvidia.com/mig.strategy";
  if (sliced) return Flag::known(true, labels.evidence("nvidia.com/gpu.product"));
  if (const auto* mixed = labels.first("nvidia.com/mig-"))
    return Flag::known(true, labels.evidence(mixed->first));
  if (labels.value(kCapable) == "false") return Flag::known(false, labels.evidence(kCapable));
  if (labels.value(kStrategy) == "single") return Flag::known(false, labels.evidence(kStrategy));
  return Flag::unknown("the labels do not say whether MIG is on");
}

/// How NVIDIA's device plugin gives one GPU to several jobs; releases before MPS (0.15) named no
/// strategy, and sliced time.
void read_sharing(const Labels& labels, Gpu& out) {
  constexpr std::string_view kStrategy = "nvidia.com/gpu.sharing-strategy";
  constexpr std::string_view kReplicas = "nvidia.com/gpu.replicas";
  const auto replicas = labels.number(kReplicas);
  if (!replicas || *replicas < 2) return;
  out.replicas = Number::known(*replicas, labels.evidence(kReplicas));
  out.sharing = labels.text(kStrategy);
  if (!out.sharing.value)
    out.sharing = Text::known(
        "time-slicing", fmt::format("{}, and none of the strategy", labels.evidence(kReplicas)));
}

void read_nvidia_gpus(const Json& node, const Labels& labels, NodeTables& tables, Profile& out) {
  constexpr std::string_view kProduct = "nvidia.com/gpu.product", kCount = "nvidia.com/gpu.count";
  Gpu gpu;
  gpu.vendor = "nvidia";
  gpu.name = labels.text(kProduct);
  bool sliced = false, invalid = false;
  if (gpu.name.value) {
    // "A100-SXM4-40GB-MIG-1g.5gb" with MIG strategy "single"; "-SHARED" where GPUs are shared.
    const std::size_t mig = gpu.name.value->find("-MIG-");
    sliced = mig != std::string::npos;
    invalid = gpu.name.value->ends_with("-MIG-INVALID");
    if (sliced) gpu.name.value->resize(mig);
    if (gpu.name.value->ends_with("-SHARED")) gpu.name.value->resize(gpu.name.value->size() - 7);
  }
  const auto major = labels.number("nvidia.com/gpu.compute.major");
  const auto minor = labels.number("nvidia.com/gpu.compute.minor");
  if (major && minor && *major < 100 && *minor < 10)
    gpu.architecture = Text::known(fmt::format("{}.{}", *major, *minor),
                                   labels.evidence("nvidia.com/gpu.compute.major"));
  else if (gpu.name.value)
    gpu.architecture = tables.architecture_of(*gpu.name.value);
  if (const auto mib = labels.number("nvidia.com/gpu.memory"); mib && *mib < (1u << 30)) {
    gpu.memory_bytes = Number::known(*mib << 20, labels.evidence("nvidia.com/gpu.memory"));
    if (sliced) {
      gpu.memory_bytes.evidence += ", of each MIG device";
      gpu.mig_memory_bytes = gpu.memory_bytes;
    }
  }
  gpu.mig = mig_of(labels, sliced);
  read_sharing(labels, gpu);
  auto count = labels.number(kCount);
  std::string evidence = labels.evidence(kCount);
  if (!count) {
    count = parse_quantity(node["status"]["capacity"]["nvidia.com/gpu"].text());
    evidence = "status.capacity nvidia.com/gpu";
    if (count == 0) count.reset();
  }
  const bool seen = gpu.name.value || gpu.architecture.value || count;
  if (!seen) return;
  if (count == 0) {
    out.gpu_count = Number::known(0, evidence);
    if (!invalid) return;
    // The device plugin offers nothing, though the GPUs are there.
    out.gpu_count.evidence += ", and " + labels.evidence(kProduct) + " ends in MIG-INVALID";
    count = 1;
  } else if (sliced) {
    // The label counts MIG devices, and nothing tells the number of GPUs.
    if (count) gpu.mig_instances = Number::known(*count, evidence + ", over all GPUs of the node");
    out.gpu_count = Number::unknown(evidence + " counts MIG devices");
    count = 1;
  } else if (!count || *count > kMaxGpusOfNode) {
    out.gpu_count = Number::unknown(count ? fmt::format("{} says {}", evidence, *count)
                                          : "no label counts the GPUs");
    count = 1;
  } else {
    out.gpu_count = Number::known(*count, evidence);
  }
  out.gpus.insert(out.gpus.end(), *count, gpu);
}

/// amd.com/gpu.KEY, or the older beta.amd.com/gpu.KEY.VALUE with a count.
Text amd_label(const Labels& labels, std::string_view key, std::optional<std::uint64_t>* count) {
  Text found;
  for (const std::string_view prefix : {"amd.com/gpu.", "beta.amd.com/gpu."}) {
    const std::string whole = fmt::format("{}{}", prefix, key);
    if (!found.value) found = labels.text(whole);
    const auto* counted = labels.first(whole + ".");
    if (counted == nullptr) continue;
    if (!found.value)
      found = Text::known(clean(counted->first.substr(whole.size() + 1)),
                          labels.evidence(counted->first));
    if (count != nullptr && !*count) *count = parse_number(counted->second);
  }
  return found;
}

void read_amd(const Json& node, const Labels& labels, NodeTables& tables, Profile& out) {
  constexpr std::string_view kResource = "amd.com/gpu";
  std::optional<std::uint64_t> count;
  Gpu gpu;
  gpu.vendor = "amd";
  gpu.name = amd_label(labels, "product-name", &count);
  const Text device = amd_label(labels, "device-id", &count);
  if (gpu.name.value) {
    std::ranges::replace(*gpu.name.value, '_', ' ');
    gpu.architecture = tables.architecture_of(*gpu.name.value);
  }
  if (device.value) {
    gpu.pci_id = Text::known("1002:" + *device.value, device.evidence);
    const knowledge::AmdDevice* known = tables.known.instances.amd_device(*device.value);
    if (known != nullptr && !gpu.architecture.value)
      gpu.architecture =
          Text::known(known->architecture, fmt::format("{}; {}", device.evidence, known->source));
    if (known != nullptr && !gpu.name.value)
      gpu.name = Text::known(known->name, gpu.architecture.evidence);
  }
  if (const Text vram = amd_label(labels, "vram", nullptr); vram.value) {
    // The labeller rounds to whole binary gigabytes and writes G.
    const std::string digits = vram.value->substr(0, vram.value->find('G'));
    const auto gib = parse_number(digits);
    if (gib && *gib < 4096 && vram.value->size() == digits.size() + 1)
      gpu.memory_bytes = Number::known(*gib << 30, vram.evidence);
  }
  const Text driver = amd_label(labels, "driver-version", nullptr);
  if (const auto capacity = parse_quantity(node["status"]["capacity"][kResource].text());
      capacity && *capacity > 0)
    count = capacity;
  if (!gpu.name.value && !device.value && !count) return;
  out.amd.driver_version = driver;
  const std::string evidence = fmt::format("status.capacity {} and labels", kResource);
  const bool believable = count && *count > 0 && *count <= kMaxGpusOfNode;
  const std::uint64_t present = believable ? *count : 1;
  if (!believable)
    out.gpu_count = Number::unknown("nothing counts the AMD GPUs of the node");
  else if (out.gpus.empty() || out.gpu_count.value)
    out.gpu_count = Number::known(out.gpu_count.value.value_or(0) + present, evidence);
  out.gpus.insert(out.gpus.end(), present, gpu);
}

/// Cards that Node Feature Discovery saw on the bus, though nothing describes them.
void read_pci(const Labels& labels, Profile& out) {
  for (const auto& [vendor, id] : {std::pair("nvidia", "10de"), std::pair("amd", "1002")}) {
    for (const char* device_class : {"", "0300_", "0302_", "0380_", "1200_"}) {
      const std::string key = fmt::format("{}pci-{}{}.present", kNfd, device_class, id);
      if (!labels.is_true(key)) continue;
      Gpu gpu;
      gpu.vendor = vendor;
      gpu.kernel_driver = Text::unknown("the node has no GPU label from the driver");
      out.gpus.push_back(std::move(gpu));
      out.gpu_count =
          Number::unknown(labels.evidence(key) + " tells that there is one, not how many");
      break;
    }
  }
}

/// What the cloud says about its machine, where the node itself says nothing.
void read_cloud(const Json& node, const Labels& labels, NodeTables& tables, Profile& out) {
  // Nodes of older clusters have the second alone.
  std::string_view kind = "node.kubernetes.io/instance-type";
  if (labels.value(kind).empty()) kind = "beta.kubernetes.io/instance-type";
  constexpr std::string_view kAccelerator = "cloud.google.com/gke-accelerator";
  constexpr std::string_view kCount = "karpenter.k8s.aws/instance-gpu-count";
  // "aws:///us-east-1a/i-0123", "gce://…", "azure://…"; without it instance types still differ.
  const std::string_view id = node["spec"]["providerID"].text();
  const std::size_t scheme = id.find("://");
  std::string_view told = scheme == std::string_view::npos ? "" : id.substr(0, scheme);
  if (told == "gce") told = "gcp";
  for (const std::string& provider : tables.known.instances.providers()) {
    if (!told.empty() && told != provider) continue;
    const knowledge::InstanceType* type = tables.known.instances.find(provider, labels.value(kind));
    if (type == nullptr) continue;
    add_instance(tables.known.gpus, *type,
                 fmt::format("{} {}; {}", labels.evidence(kind), type->type, type->source), out);
    return;
  }
  Text accelerator = labels.text(kAccelerator);
  if (!accelerator.value && labels.value("karpenter.k8s.aws/instance-gpu-manufacturer") == "nvidia")
    accelerator = labels.text("karpenter.k8s.aws/instance-gpu-name");
  if (!accelerator.value) return;
  Gpu gpu;
  gpu.vendor = "nvidia";
  gpu.name = accelerator;
  gpu.architecture = tables.architecture_of(*accelerator.value);
  const auto count = labels.number(kCount).value_or(0);
  const bool counted = count > 0 && count <= kMaxGpusOfNode;
  out.gpu_count = counted ? Number::known(count, labels.evidence(kCount))
                          : Number::unknown("no label of the node counts its GPUs");
  out.gpus.insert(out.gpus.end(), counted ? count : 1, gpu);
}

/// The device plugin's count says how many GPUs there are, and the cloud which.
void name_by_cloud(const Json& node, const Labels& labels, NodeTables& tables, Profile& out) {
  const auto unnamed = [](const Gpu& gpu) { return !gpu.name.value && !gpu.architecture.value; };
  if (out.gpus.empty() || !std::ranges::all_of(out.gpus, unnamed)) return;
  Profile cloud;
  read_cloud(node, labels, tables, cloud);
  if (cloud.gpus.empty()) return;
  const Gpu& kind = cloud.gpus.front();
  for (Gpu& gpu : out.gpus) {
    if (gpu.vendor != kind.vendor) continue;
    gpu.name = kind.name;
    gpu.architecture = kind.architecture;
    if (!gpu.memory_bytes.value) gpu.memory_bytes = kind.memory_bytes;
  }
}

Result<Profile> node_profile(const Json& node, std::size_t index, NodeTables& tables,
                             bool& any_gpu_label) {
  Profile out;
  out.source = clean(node["metadata"]["name"].text());
  if (out.source.empty()) return bad_input("items[{}] has no metadata.name", index);
  const Labels labels(node["metadata"]["labels"]);
  read_system(node, labels, out.system);
  read_cpu_level(labels, out.system);
  read_runtime(node, out);
  read_nvidia_driver(labels, tables, out.nvidia);
  read_nvidia_gpus(node, labels, tables, out);
  read_amd(node, labels, tables, out);
  name_by_cloud(node, labels, tables, out);
  const bool described = !out.gpus.empty() || out.gpu_count.value;
  any_gpu_label |= described;
  if (!described) {
    read_cloud(node, labels, tables, out);
    if (out.gpus.empty()) read_pci(labels, out);
    out.notices.push_back(fmt::format(
        "node {} has no GPU label{}", out.source,
        out.gpus.empty()
            ? ""
            : "; its GPUs are told by " +
                  (out.gpu_count.value ? out.gpu_count.evidence : out.gpus[0].name.evidence)));
  }
  mark_unknown(out, "no label of the node tells it");
  return out;
}

}  // namespace

bool is_kubernetes(const Json& json) {
  const std::string_view kind = json["kind"].text();
  return kind == "Node" || kind == "NodeList" || (kind == "List" && json["items"].is_array());
}

Result<std::vector<Profile>> kubernetes_profiles(const Json& json, std::string_view file,
                                                 const knowledge::Knowledge& known) {
  std::vector<Profile> out;
  NodeTables tables(known);
  bool any_gpu_label = false;
  if (json["kind"].text() == "Node") {
    TRY(Profile profile, node_profile(json, 0, tables, any_gpu_label));
    out.push_back(std::move(profile));
  } else {
    const auto& items = json["items"].items();
    if (items.size() > kMaxNodes)
      return bad_input("{} has {} items, more than {}", file, items.size(), kMaxNodes);
    const bool typed = json["kind"].text() == "NodeList";  // its items have no kind of their own
    std::size_t gpus = 0;
    for (std::size_t i = 0; i < items.size(); ++i) {
      if (!typed && items[i]["kind"].text() != "Node") continue;
      TRY(Profile profile, with_context(node_profile(items[i], i, tables, any_gpu_label),
                                        "reading the nodes in {}", file));
      gpus += profile.gpus.size();
      if (gpus > kMaxGpusOfList) return bad_input("{} has more than {} GPUs", file, kMaxGpusOfList);
      out.push_back(std::move(profile));
    }
  }
  if (out.empty())
    return bad_input("{} lists no Kubernetes node", file)
        .hint("kubectl get nodes -o json writes such a list");
  if (!any_gpu_label)
    for (Profile& profile : out)
      profile.notices.insert(profile.notices.begin(),
                             fmt::format("no node of {} has a GPU label: NVIDIA's GPU feature "
                                         "discovery and AMD's node labeller write those",
                                         file));
  return out;
}

}  // namespace flense::host

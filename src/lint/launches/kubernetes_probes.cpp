// Probes of model servers in Kubernetes manifests: a model takes minutes to load.
#include <algorithm>
#include <array>
#include <vector>

#include "base/ascii.h"
#include "base/format.h"
#include "lint/facts/workload_facts.h"
#include "lint/facts/workload_purpose.h"
#include "lint/readers/reader_values.h"
#include "lint/rules/rules.h"
#include "lint/source/blanks.h"

namespace flense::lint {

namespace {

using text::YamlMember;
using text::YamlNode;

constexpr std::string_view kSource =
    "Kubernetes documentation, Configure Liveness, Readiness and Startup Probes";

/// Whether a probe asks the program for its model, and not the machine.
bool asks_program(const YamlNode& probe) {
  if (probe.find("exec") == nullptr) return true;
  constexpr std::size_t kMostWords = 100;
  std::size_t seen = 0;
  for (const YamlNode* word : probe["exec"]["command"].items)
    for (const std::string_view part : {"http", "curl", "wget", "grpc", "localhost", "127.0.0.1"})
      if (++seen < kMostWords && word->text_or().contains(part)) return true;
  return false;
}

std::vector<const YamlNode*> services_of(const Project& project) {
  std::vector<const YamlNode*> out;
  for (const auto& file : project.files) {
    if (file->kind != FileKind::kKubernetes || !file->yaml) continue;
    for (const YamlNode* document : file->yaml->documents)
      if ((*document)["kind"].text_or() == "Service" &&
          !(*document)["spec"]["selector"].members.empty())
        out.push_back(document);
  }
  return out;
}

/// Ports by which the pods of one job find each other: of Ray, of torchrun, of SSH.
bool joins_by(std::string_view name, std::int64_t port) {
  const bool number = port == 22 || port == 2222 || port == 6379 || port == 10001 || port == 29500;
  return number || has_part(to_lower(name), "-_",
                            {"gcs", "ray", "ssh", "rdzv", "rendezvous", "master", "nccl", "dist"});
}

bool has_joining_port(const YamlNode& ports) {
  return std::ranges::any_of(ports.items, [](const YamlNode* port) {
    for (const std::string_view key : {"containerPort", "port", "targetPort"})
      if (joins_by((*port)["name"].text_or(), (*port)[key].integer().value_or(0))) return true;
    return false;
  });
}

/// One of several pods that hold a model together: the others join it before it is ready, by the
/// Service that a readiness probe would take it out of.
bool is_joined(const Workload& workload, const YamlNode& node) {
  if (has_joining_port(node["ports"])) return true;
  if (workload.object != nullptr &&
      is_one_of((*workload.object)["kind"].text_or(),
                {"LeaderWorkerSet", "RayCluster", "RayService", "RayJob", "PyTorchJob", "MPIJob"}))
    return true;
  const std::vector<Word> words = command_words(workload);
  for (std::size_t at = 0; at < words.size(); ++at) {
    const std::string_view word = words[at].text;
    if (file_name(word) == "ray" && at + 1 < words.size() && words[at + 1].text == "start")
      return true;
    if (starts_with_any(word, {"--nnodes", "--node-rank", "--node_rank", "--dist-init-addr",
                               "--master-addr", "--master_addr", "--data-parallel-address"}))
      return true;
  }
  return false;
}

class ProbeRules {
 public:
  ProbeRules(FindingSink& sink, const Project& project, const ProjectFile& file,
             const Workload& workload, const std::vector<const YamlNode*>& services)
      : sink_(sink),
        project_(project),
        file_(file),
        workload_(workload),
        node_(*workload.node),
        services_(services) {}

  void run() {
    const knowledge::LaunchImageRow* image = known_image(workload_, *project_.knowledge);
    const bool serves = image != nullptr && image->role == "serve";
    // What an image that needs a GPU runs shows the same where the request lies elsewhere.
    const bool needs_gpu =
        serves && !image->vendor.empty() && !is_for_processor(workload_) && !is_client(workload_);
    if ((workload_.gpus.empty() && !needs_gpu) || (!serves && !loads_model())) return;
    // Triton then serves without a model, until one is asked for.
    if (std::ranges::any_of(command_words(workload_), [](const Word& word) {
          return word.text.contains("--model-control-mode=explicit");
        }))
      return;
    // The others are ready at once, and load a model when they are asked for it, or a small one.
    if (image != nullptr && !image->large) return;
    restarted(image);
    asked_too_early(image);
  }

 private:
  void restarted(const knowledge::LaunchImageRow* image) {
    const YamlNode& liveness = node_["livenessProbe"];
    const YamlNode& startup = node_["startupProbe"];
    const bool has_startup = startup.is_mapping();
    if (is_patched(project_, workload_, {"startupProbe", "livenessProbe"})) return;
    if (!has_startup && !liveness.is_mapping()) return;
    const YamlNode& probe = has_startup ? startup : liveness;
    const bool known = image != nullptr || starts_server();
    // llama.cpp and many a program of its own listen before they load. What a template fills in is
    // not known.
    if (!asks_program(probe) || (image == nullptr && probe.find("tcpSocket") != nullptr) ||
        std::ranges::any_of(std::to_array<std::string_view>(
                                {"initialDelaySeconds", "periodSeconds", "failureThreshold"}),
                            [&](std::string_view key) {
                              const YamlNode* value = probe.find(key);
                              return value != nullptr && !value->integer();
                            }))
      return;
    const auto number = [&](std::string_view key, std::int64_t fallback) {
      return std::clamp<std::int64_t>(probe[key].integer().value_or(fallback), 0, 1000000);
    };
    const std::int64_t seconds = number("initialDelaySeconds", 0) +
                                 number("periodSeconds", 10) * number("failureThreshold", 3);
    constexpr std::int64_t kModelLoad = 300;
    if (seconds >= kModelLoad || (!has_startup && !is_complete(file_, workload_))) return;
    const YamlMember* member = node_.member(has_startup ? "startupProbe" : "livenessProbe");
    Finding& found = sink_.add(
        "kubernetes-startup-probe", file_, span_of(member->at),
        fmt::format("{} is restarted when it does not answer within {} seconds, and a model takes "
                    "minutes to load",
                    title(workload_), seconds));
    found.evidence.push_back(
        fmt::format("{}: initialDelaySeconds + periodSeconds × "
                    "failureThreshold = {} s",
                    member->key, seconds));
    // Four minutes are enough for many a model that is not known here.
    constexpr std::int64_t kUsualLoad = 240, kSmallLoad = 120;
    // So is what weights take that are there already.
    found.pedantic = (seconds >= kUsualLoad && (!names_model() || is_kept())) ||
                     (!known && !names_hub_model()) || (seconds >= kSmallLoad && is_small());
    found.fix =
        has_startup
            ? "raise failureThreshold of startupProbe: 60, with periodSeconds: 10, is ten minutes"
            : "add startupProbe with the same check, periodSeconds: 10 and failureThreshold: 60 "
              "(ten "
              "minutes); livenessProbe counts only after it";
  }

  void asked_too_early(const knowledge::LaunchImageRow* image) {
    // A pod is ready when all of its containers are, and started behind postStart.
    if (std::ranges::any_of(
            (*workload_.pod)["containers"].items,
            [](const YamlNode* one) { return one->find("readinessProbe") != nullptr; }) ||
        workload_.pod->find("readinessGates") != nullptr ||
        node_["lifecycle"].find("postStart") != nullptr || loads_small_file(image) ||
        node_.find("startupProbe") != nullptr || workload_.object == nullptr ||
        !is_complete(file_, workload_) ||
        is_patched(project_, workload_, {"startupProbe", "readinessProbe"}) ||
        is_joined(workload_, node_))
      return;
    const YamlNode& labels = (*workload_.object)["spec"]["template"]["metadata"]["labels"];
    const auto namespace_of = [](const YamlNode& object) {
      return object["metadata"]["namespace"].text_or();
    };
    const std::string_view own = namespace_of(*workload_.object);
    const auto service = std::ranges::find_if(services_, [&](const YamlNode* one) {
      const YamlNode& spec = (*one)["spec"];
      if (const std::string_view its = namespace_of(*one);
          !own.empty() && !its.empty() && its != own)
        return false;
      // For who watches it, not for requests.
      const auto& ports = spec["ports"].items;
      if (!ports.empty() && std::ranges::all_of(ports, [](const YamlNode* port) {
            return has_part((*port)["name"].text_or(), "-", {"metrics", "tensorboard"}) ||
                   (*port)["port"].text_or() == "6006";
          }))
        return false;
      if (spec["publishNotReadyAddresses"].text_or() == "true" ||
          spec["clusterIP"].text_or() == "None" || has_joining_port(spec["ports"]))
        return false;
      return std::ranges::all_of(spec["selector"].members, [&](const YamlMember& label) {
        const std::string_view value = label.value->text_or();
        return !value.empty() && labels[label.key].text_or() == value;
      });
    });
    if (service == services_.end()) return;
    Finding& found = sink_.add(
        "kubernetes-readiness-probe", file_, workload_.span,
        fmt::format("the Service {} sends requests to {} while it still loads its model: nothing "
                    "says when it is ready",
                    (**service)["metadata"]["name"].text_or(), title(workload_)));
    found.evidence.emplace_back(kSource);
    found.fix =
        "add readinessProbe with a check of the server's health: httpGet of its path, or grpc";
  }

  /// A program of its own whose one model is a file as classifiers have them: best_model.pth.
  bool loads_small_file(const knowledge::LaunchImageRow* image) const {
    if (image != nullptr) return false;
    bool small = false;
    for (const NamedPath& one : named_paths(workload_, *project_.knowledge)) {
      if (one.means != "model" || is_small_model(one.value)) continue;
      if (!ends_with_any(to_lower(one.value),
                         {".pth", ".pt", ".onnx", ".pkl", ".h5", ".keras", ".joblib"}))
        return false;
      small = true;
    }
    return small;
  }

  /// The one model that is named loads in seconds: facebook/opt-125m.
  bool is_small() const {
    bool small = false;
    for (const NamedPath& one : named_paths(workload_, *project_.knowledge)) {
      if (one.means != "model") continue;
      if (!is_small_model(one.value)) return false;
      small = true;
    }
    return small;
  }

  bool names_model() const {
    return std::ranges::any_of(named_paths(workload_, *project_.knowledge), [](const auto& one) {
      return one.means == "model" && !one.value.contains('$');
    });
  }

  /// A program that listens when its model is there, or answers 503 till then.
  bool starts_server() const {
    std::vector<Word> words = command_words(workload_);
    words.push_back(workload_.image);
    return std::ranges::any_of(words, [](const Word& word) {
      return std::ranges::any_of(
          std::to_array<std::string_view>({"vllm", "sglang", "llama.cpp", "llama-server", "triton",
                                           "text-generation", "trtllm", "lmdeploy"}),
          [&](std::string_view name) { return word.text.contains(name); });
    });
  }

  bool names_hub_model() const {
    return std::ranges::any_of(named_paths(workload_, *project_.knowledge), [](const auto& one) {
      return one.means == "model" && is_hub_model(one.value);
    });
  }

  /// Its weights, or its downloads, lie on a volume that outlives the pod.
  bool is_kept() const {
    return std::ranges::any_of(named_paths(workload_, *project_.knowledge), [&](const auto& one) {
      if (one.means != "model" && one.means != "cache") return false;
      const WorkloadMount* mount = mount_of(workload_, one.value);
      return mount != nullptr &&
             (mount->kind == MountKind::kClaim || mount->kind == MountKind::kBind);
    });
  }

  bool loads_model() {
    for (const NamedPath& one : named_paths(workload_, *project_.knowledge))
      if (one.means == "model" && !is_small_model(one.value)) return true;
    return false;
  }

  FindingSink& sink_;
  const Project& project_;
  const ProjectFile& file_;
  const Workload& workload_;
  const YamlNode& node_;
  const std::vector<const YamlNode*>& services_;
};

}  // namespace

void judge_kubernetes_probes(const Project& project, const std::vector<FileView>& /*views*/,
                             FindingSink& sink) {
  const std::vector<const YamlNode*> services = services_of(project);
  for (const auto& file : project.files) {
    if (file->kind != FileKind::kKubernetes) continue;
    for (const Workload& workload : file->workloads)
      if (workload.node != nullptr && workload.pod != nullptr && !workload.init_container)
        ProbeRules(sink, project, *file, workload, services).run();
  }
}

}  // namespace flense::lint

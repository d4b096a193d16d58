// How Compose files request GPUs, and the problems when two services request the same ones.
#include <algorithm>
#include <array>
#include <map>
#include <set>

#include "base/ascii.h"
#include "base/format.h"
#include "lint/facts/inserted_line.h"
#include "lint/facts/workload_facts.h"
#include "lint/readers/reader_values.h"
#include "lint/rules/rules.h"

namespace flense::lint {

namespace {

using text::YamlNode;

constexpr std::string_view kDocument = "Docker documentation, Run Compose services with GPU access";

class ServiceRules {
 public:
  ServiceRules(FindingSink& sink, const ProjectFile& file, const Workload& service)
      : sink_(sink), file_(file), service_(service), node_(*service.node) {}

  void run() {
    const YamlNode& devices = node_["deploy"]["resources"]["reservations"]["devices"];
    for (const YamlNode* request : devices.items) {
      if (!request->is_mapping()) continue;
      capabilities(*request);
      count_and_ids(*request);
      driver(*request);
      options(*request);
    }
    for (const YamlNode* request : node_["gpus"].items) {
      count_and_ids(*request);
      driver(*request);
      options(*request);
    }
    form();
    runtime();
    memory();
  }

 private:
  /// Without an anchor, which an alias may need, and without a tag.
  static bool is_plain(std::string_view text) {
    return !text.starts_with('&') && !text.starts_with('!');
  }

  void capabilities(const YamlNode& request) {
    if (request.find("capabilities") != nullptr) return;
    Finding& found = sink_.add(
        "compose-gpu-capabilities", file_, span_of(request.at),
        fmt::format("{} reserves a device without capabilities: Compose refuses to start it",
                    title(service_)));
    found.evidence.emplace_back(kDocument);
    found.fix = "write capabilities: [gpu] into the entry";
    const std::string_view text = file_.source.slice(span_of(request.at));
    const bool json = trim_space(file_.source.text()).starts_with('{');
    if (text.starts_with('{'))
      found.edits.push_back(
          {{request.at.begin + 1, request.at.begin + 1},
           fmt::format("{}{}", json ? "\"capabilities\": [\"gpu\"]" : "capabilities: [gpu]",
                       request.members.empty() ? "" : ", ")});
    else if (is_plain(text))
      if (auto edit = line_above(file_.source, request.at.begin, "capabilities: [gpu]"))
        found.edits.push_back(*std::move(edit));
  }

  void count_and_ids(const YamlNode& request) {
    const text::YamlMember* count = request.member("count");
    if (count == nullptr || request.find("device_ids") == nullptr) return;
    Finding& found =
        sink_.add("compose-gpu-count-and-ids", file_, span_of(count->at),
                  fmt::format("{} has count and device_ids in one reservation", title(service_)));
    found.evidence.emplace_back(kDocument);
    found.fix = "keep device_ids and delete count, or the other way round";
  }

  void driver(const YamlNode& request) {
    const YamlNode& driver = request["driver"];
    if (!driver.is_scalar()) return;
    const std::optional<std::string> name = interpolate(driver.text);
    if (!name || *name == "nvidia" || *name == "amd" || *name == "cdi") return;
    // Another driver may be somebody's own; these are typing errors.
    static constexpr std::array<std::string_view, 13> kSlips = {"nvidia.com/gpu",
                                                                "nvidia.com",
                                                                "nvidia-docker",
                                                                "nvidia-docker2",
                                                                "nvidia-container-runtime",
                                                                "nvidia-runtime",
                                                                "nvidea",
                                                                "nvida",
                                                                "nvidai",
                                                                "cuda",
                                                                "gpu",
                                                                "nvidia-gpu",
                                                                "nvidia"};
    if (!is_one_of(to_lower(*name), kSlips)) return;
    Finding& found = sink_.add(
        "compose-gpu-driver", file_, word_of(driver).span,
        fmt::format("{} names the driver {}; Docker's is called nvidia", title(service_), *name));
    found.evidence.emplace_back(kDocument);
    found.fix = "write driver: nvidia";
    if (driver.text == *name && is_plain(file_.source.slice(word_of(driver).span)))
      found.edits.push_back({word_of(driver).span, "nvidia"});
  }

  /// The nvidia driver has no such option.
  void options(const YamlNode& request) {
    for (const text::YamlMember& option : request["options"].members) {
      if (option.key != "memory" && option.key != "mem" && option.key != "gpu_memory" &&
          option.key != "vram")
        continue;
      Finding& found =
          sink_.add("memory-limit-for-gpu", file_, span_of(option.at),
                    fmt::format("the option {} limits nothing: Docker cannot divide a GPU's memory",
                                option.key));
      memory_fix(found);
    }
  }

  void form() {
    const YamlNode& gpus = node_["gpus"];
    if (!gpus.is_scalar() || !gpus.tag.empty() || interpolate(gpus.text) != gpus.text ||
        gpus.text == "all")
      return;
    Finding& found =
        sink_.add("compose-gpus-form", file_, word_of(gpus).span,
                  fmt::format("gpus: {} is neither all nor a list of requests", gpus.text));
    found.evidence.emplace_back("Compose Specification, gpus: the text all, or a list");
    const auto count = gpus.integer();
    found.fix = count && *count <= 0
                    ? std::string("delete it, or write gpus: all")
                    : fmt::format("write gpus: [{{driver: nvidia, count: {}}}], or gpus: all",
                                  count.value_or(1));
    if (count && *count > 0 && is_plain(file_.source.slice(span_of(gpus.at))))
      found.edits.push_back(
          {span_of(gpus.at), fmt::format("[{{driver: nvidia, count: {}}}]", *count)});
  }

  void runtime() {
    if (!service_.runtime || service_.runtime->text != "nvidia") return;
    Finding& found = sink_.add("compose-runtime-nvidia", file_, service_.runtime->span,
                               fmt::format("{} takes its GPUs by runtime: nvidia, which needs that "
                                           "runtime in the daemon's configuration",
                                           title(service_)));
    found.evidence.emplace_back(
        "NVIDIA Container Toolkit documentation: gpus and CDI need no registered runtime");
    found.fix =
        "replace runtime and NVIDIA_VISIBLE_DEVICES by gpus: all, or by deploy.resources."
        "reservations.devices with driver: nvidia and capabilities: [gpu]";
  }

  void memory_fix(Finding& found) {
    found.evidence.emplace_back(
        "Docker documentation, Resource constraints: memory limits are of the host's memory");
    found.fix =
        "limit it in the program (vLLM: --gpu-memory-utilization, PyTorch: "
        "torch.cuda.set_per_process_memory_fraction, MPS: "
        "CUDA_MPS_PINNED_DEVICE_MEM_LIMIT=0=8G), or give a MIG device";
  }

  /// A limit whose comment says that it is meant for the GPU.
  void memory() {
    if (service_.gpus.empty()) return;
    const YamlNode* const deploy = node_["deploy"]["resources"].find("limits");
    for (const text::YamlMember* member :
         {node_.member("mem_limit"), deploy == nullptr ? nullptr : deploy->member("memory")}) {
      if (member == nullptr || member->merged) continue;
      const std::size_t line = file_.source.position(member->at.begin).line;
      const std::size_t end = file_.source.line_span(line).end;
      const std::string_view behind =
          file_.source.slice({member->at.begin, std::min(end, member->at.begin + kMostComment)});
      const std::string_view above =
          line > 1 ? file_.source.line(line - 1).substr(0, kMostComment) : std::string_view();
      if (!speaks_of_gpu_memory(comment_of(behind)) &&
          !(is_comment(above) && speaks_of_gpu_memory(above)))
        continue;
      Finding& found = sink_.add("memory-limit-for-gpu", file_, span_of(member->at),
                                 fmt::format("{} limits the host's memory of {}, not the GPU's",
                                             member->key, title(service_)));
      memory_fix(found);
    }
  }

  /// A file may be a single line: no more than this is examined for each service.
  static constexpr std::size_t kMostComment = 400;

  static std::string_view comment_of(std::string_view line) {
    const std::size_t at = line.find(" #");
    return at == line.npos ? std::string_view() : line.substr(at);
  }
  static bool is_comment(std::string_view line) {
    const std::size_t at = line.find_first_not_of(" \t");
    return at != line.npos && line[at] == '#';
  }

  FindingSink& sink_;
  const ProjectFile& file_;
  const Workload& service_;
  const YamlNode& node_;
};

/// What a service holds of a machine's GPUs. Docker's `count: N` takes the first N each time.
struct Share {
  const Workload* service = nullptr;
  Span span;
  bool all = false, on_purpose = false;
  std::set<std::string> devices;
  std::vector<std::string> profiles;
};

/// MPS, or a program that is configured to leave room.
bool shares_on_purpose(const Workload& service) {
  for (const std::string_view name : {"CUDA_MPS_PIPE_DIRECTORY", "CUDA_MPS_PINNED_DEVICE_MEM_LIMIT",
                                      "CUDA_MPS_ACTIVE_THREAD_PERCENTAGE"})
    if (variable(service, name) != nullptr) return true;
  // What an entry point hands on: GPU_MEMORY_UTILIZATION, VLLM_GPU_MEMORY_UTILIZATION.
  if (std::ranges::any_of(service.variables, [](const Variable& one) {
        return ends_with_any(one.name, {"GPU_MEMORY_UTILIZATION", "MEM_FRACTION_STATIC"});
      }))
    return true;
  const std::vector<Word> words = command_words(service);
  return std::ranges::any_of(words, [](const Word& word) {
    return starts_with_any(word.text, {"--gpu-memory-utilization", "--gpu_memory_utilization",
                                       "--mem-fraction-static", "--cuda-memory-fraction"});
  });
}

std::optional<Share> share_of(const Workload& service) {
  Share out;
  out.service = &service;
  for (const GpuAsk& ask : service.gpus) {
    if (ask.vendor != "nvidia") continue;
    out.span = ask.span;
    if (ask.all) out.all = true;
    for (const std::string& device : ask.devices) {
      // A MIG device, or a name that only the machine can resolve.
      if (device.starts_with("MIG-") || device.find('$') != device.npos ||
          device.find(':') != device.npos)
        return std::nullopt;
      const std::size_t equals = device.find('=');
      const std::string id = equals == device.npos ? device : device.substr(equals + 1);
      if (id == "all") out.all = true;
      out.devices.insert(id);
    }
    constexpr std::uint64_t kMostCounted = 64;
    if (ask.devices.empty() && ask.count)
      for (std::uint64_t i = 0; i < std::min(*ask.count, kMostCounted); ++i)
        out.devices.insert(std::to_string(i));
  }
  if (!out.all && out.devices.empty()) return std::nullopt;
  out.on_purpose = shares_on_purpose(service);
  for (const YamlNode* profile : (*service.node)["profiles"].items)
    out.profiles.emplace_back(profile->text_or());
  return out;
}

bool start_together(const Share& a, const Share& b) {
  if (a.profiles.empty() || b.profiles.empty()) return true;
  return std::ranges::any_of(a.profiles, [&](const std::string& profile) {
    return std::ranges::find(b.profiles, profile) != b.profiles.end();
  });
}

bool overlap(const Share& a, const Share& b) {
  if (a.all || b.all) return true;
  return std::ranges::any_of(a.devices,
                             [&](const std::string& one) { return b.devices.contains(one); });
}

/// A program that allots itself most of a GPU's memory.
bool takes_memory(const Workload& service) {
  if (!service.image_name || shares_on_purpose(service) || is_client(service)) return false;
  const std::string& repository = service.image_name->repository;
  return std::ranges::any_of(
      std::to_array<std::string_view>({"vllm", "sglang", "lmdeploy", "text-generation-inference"}),
      [&](std::string_view part) { return repository.contains(part); });
}

/// Named by its id, which a variable may hold: the owner has thought of it.
bool is_chosen(const Share& share) {
  return std::ranges::all_of(share.service->gpus, [](const GpuAsk& ask) {
    return !ask.all && !ask.devices.empty() && ask.devices.front() != "all";
  });
}

void shared(FindingSink& sink, const ProjectFile& file) {
  constexpr std::size_t kMostServices = 500;
  std::vector<Share> shares;
  for (const Workload& service : file.workloads) {
    if (service.node == nullptr || shares.size() == kMostServices) continue;
    if (auto share = share_of(service)) shares.push_back(std::move(*share));
  }
  // A GPU that several services have is one finding, at the second of them.
  std::map<std::size_t, std::vector<std::size_t>> sharers;
  for (std::size_t i = 1; i < shares.size(); ++i)
    for (std::size_t first = 0; first < i; ++first)
      if (overlap(shares[first], shares[i]) && start_together(shares[first], shares[i]) &&
          !(shares[first].on_purpose && shares[i].on_purpose)) {
        sharers[first].push_back(i);
        break;
      }
  for (const auto& [at, others] : sharers) {
    const Share &first = shares[at], &second = shares[others.front()];
    std::string names;
    bool chosen = is_chosen(first), fills = false;
    for (const std::size_t one : others) {
      names += fmt::format("{}{}", names.empty() ? "" : ", ", title(*shares[one].service));
      chosen = chosen && is_chosen(shares[one]);
      fills = fills || takes_memory(*shares[one].service);
    }
    Finding& found =
        sink.add("gpu-shared-by-services", file, second.span,
                 fmt::format("{} {} a GPU that {} has too; nothing divides its memory between them",
                             names, others.size() == 1 ? "gets" : "get", title(*first.service)));
    // Most programs take what they need; these take nearly all of the memory when they start.
    found.pedantic = chosen || !fills || !takes_memory(*first.service);
    found.evidence.push_back(
        second.all || first.all
            ? fmt::format("{} takes all GPUs", title(second.all ? *second.service : *first.service))
            : fmt::format("both name device {}",
                          *std::ranges::find_if(second.devices, [&](const std::string& one) {
                            return first.devices.contains(one);
                          })));
    found.evidence.emplace_back("count: N gives the first N GPUs to every service that asks");
    found.fix =
        "where the machine has several, give each service its own device_ids: ['0'], ['1']; to "
        "share "
        "one, limit each program (vLLM: --gpu-memory-utilization), or give MIG devices";
  }
}

}  // namespace

void judge_compose_gpu(const Project& project, const std::vector<FileView>& /*views*/,
                       FindingSink& sink) {
  for (const auto& file : project.files) {
    if (file->kind != FileKind::kCompose) continue;
    for (const Workload& service : file->workloads)
      if (service.node != nullptr) ServiceRules(sink, *file, service).run();
    shared(sink, *file);
  }
}

}  // namespace flense::lint

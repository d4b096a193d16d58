// What reaches the container: devices, driver libraries by capability, and what in the image gets
// in their way.
#include <algorithm>
#include <array>
#include <span>

#include "base/format.h"
#include "base/path.h"
#include "base/version_numbers.h"
#include "compat/facts/facts.h"
#include "compat/rules/rules.h"

namespace flense::compat {

namespace {

constexpr const char* kDevicesSource = "nvidia-container-toolkit, NVIDIA_VISIBLE_DEVICES";
constexpr const char* kCapabilitiesSource =
    "libnvidia-container, libraries by NVIDIA_DRIVER_CAPABILITIES";
constexpr const char* kStubSource =
    "CUDA toolkit: lib64/stubs is for linking; a stub libcuda fails with error 34";

std::vector<std::string_view> words_of(std::string_view text) {
  std::vector<std::string_view> out;
  while (!text.empty()) {
    const std::size_t comma = text.find(',');
    if (comma != 0) out.push_back(text.substr(0, comma));
    text.remove_prefix(comma == std::string_view::npos ? text.size() : comma + 1);
  }
  return out;
}

std::optional<std::uint64_t> index_of(std::string_view word) {
  if (word.empty() || word.size() > 4 ||
      word.find_first_not_of("0123456789") != std::string_view::npos)
    return std::nullopt;
  return first_number(word);
}

std::uint64_t gpu_count(const host::Profile& host) {
  return host.gpu_count.value.value_or(nvidia_gpus(host).size());
}

/// A card in partitions is several devices.
std::uint64_t devices_of(const std::vector<const host::Gpu*>& gpus) {
  std::uint64_t out = 0;
  for (const host::Gpu* gpu : gpus)
    out += std::max<std::uint64_t>(1, gpu->partitions.value.value_or(1));
  return out;
}

/// An image from before NVIDIA_REQUIRE_CUDA: the toolkit then gives it all devices.
bool is_legacy_image(const needs::Needs& image) {
  return variable(image, "CUDA_VERSION") && !variable(image, "NVIDIA_REQUIRE_CUDA");
}

struct Trouble {
  std::string text;  ///< empty: none
  bool certain = true;
};

/// A GPU of one machine, named in an image for many.
Trouble foreign_uuid(const Question& question, std::string_view uuid) {
  const auto gpus = nvidia_gpus(question.host);
  const bool there = std::ranges::any_of(
      gpus, [&](const host::Gpu* gpu) { return gpu->uuid.value && *gpu->uuid.value == uuid; });
  const bool known = !gpus.empty() && std::ranges::all_of(gpus, [](const host::Gpu* gpu) {
    return gpu->uuid.value.has_value();
  });
  if (there) return {};
  const bool certain = known && uuid.starts_with("GPU-");
  return {fmt::format("NVIDIA_VISIBLE_DEVICES of the image names {}, {}", uuid.substr(0, 48),
                      certain ? "which the host does not have" : "a GPU of one machine"),
          certain};
}

/// "0:1" and "MIG-…".
bool names_mig(std::string_view word) {
  const std::size_t colon = word.find(':');
  return word.starts_with("MIG-") ||
         (colon != std::string_view::npos && index_of(word.substr(0, colon)) &&
          index_of(word.substr(colon + 1)));
}

bool mig_is_off(const host::Profile& host) {
  const auto gpus = nvidia_gpus(host);
  return !gpus.empty() &&
         std::ranges::all_of(gpus, [](const host::Gpu* gpu) { return gpu->mig.value == false; });
}

Trouble devices_trouble(const Question& question) {
  const auto value = variable(question.image, "NVIDIA_VISIBLE_DEVICES");
  if (!value && is_legacy_image(question.image) && question.launcher != Launcher::kEnroot)
    return {};
  if (!value) return {"the image does not set NVIDIA_VISIBLE_DEVICES, and no GPU is injected"};
  if (value->empty() || *value == "void")
    return {fmt::format("NVIDIA_VISIBLE_DEVICES={} of the image means that nothing is injected",
                        *value)};
  if (*value == "none")
    return {"NVIDIA_VISIBLE_DEVICES=none of the image means driver libraries but no GPU"};
  for (const std::string_view word : words_of(*value)) {
    if (names_mig(word) && mig_is_off(question.host))
      return {
          fmt::format("NVIDIA_VISIBLE_DEVICES of the image names the MIG device {}, and no GPU "
                      "of the host is in MIG mode",
                      word.substr(0, 48))};
    if (word.starts_with("GPU-") || word.starts_with("MIG-")) return foreign_uuid(question, word);
    if (const auto index = index_of(word); index && *index >= gpu_count(question.host))
      return {fmt::format("NVIDIA_VISIBLE_DEVICES of the image names GPU {}, and the host has {}",
                          *index, gpu_count(question.host))};
  }
  return {};
}

/// Nothing on a probed machine would bring GPUs into the containers of Docker or Podman.
bool engine_brings_nothing(const Question& question) {
  const bool podman = question.launcher == Launcher::kPodman;
  if (!podman && question.launcher != Launcher::kDocker &&
      question.launcher != Launcher::kDockerCdi)
    return false;
  const host::Profile& host = question.host;
  const auto engine =
      std::ranges::find(host.engines, podman ? "podman" : "docker", &host::Engine::name);
  // From 1.18 on the toolkit writes Podman's specification when the machine starts.
  const auto& version = host.nvidia.toolkit_version.value;
  const bool writes_none = host.nvidia.toolkit.value == false ||
                           (podman && version && !version_at_least(*version, "1.18"));
  return engine != host.engines.end() && engine->nvidia_runtime.value == false &&
         host.cdi_specs.value && host.cdi_specs.value->empty() && writes_none;
}

/// GPUs on which nobody can make a context: closed by their mode, or in MIG mode without instances.
void judge_closed(const Question& question, std::vector<Check>& checks) {
  const auto gpus = nvidia_gpus(question.host);
  const auto prohibited = [](const host::Gpu* gpu) {
    return gpu->compute_mode.value == "Prohibited";
  };
  const auto empty = [](const host::Gpu* gpu) {
    return gpu->mig.value == true && gpu->mig_instances.value == std::uint64_t{0};
  };
  if (gpus.empty() || !std::ranges::all_of(gpus, [&](const host::Gpu* gpu) {
        return prohibited(gpu) || empty(gpu);
      }))
    return;
  const host::Gpu& gpu = *gpus.front();
  const bool mode = prohibited(&gpu);
  checks.push_back(
      {"visible-devices",
       Verdict::kFail,
       mode ? fmt::format("the compute mode of {} is Prohibited: no program gets a context (error "
                          "46)",
                          gpu_text(gpu))
            : fmt::format("{} is in MIG mode and has no instance: CUDA sees no device (error 100)",
                          gpu_text(gpu)),
       {{"host", mode ? gpu.compute_mode.evidence : gpu.mig_instances.evidence}},
       mode ? "nvidia-smi -c DEFAULT" : "make an instance (nvidia-smi mig -cgi 0 -C), or leave MIG",
       mode ? "CUDA C++ Programming Guide, compute modes" : "NVIDIA MIG user guide"});
}

void judge_injection(const Question& question, std::vector<Check>& checks) {
  if (engine_brings_nothing(question)) {
    const bool podman = question.launcher == Launcher::kPodman;
    checks.push_back({"visible-devices",
                      Verdict::kFail,
                      podman
                          ? "nothing on the host brings its GPUs into Podman's containers: "
                            "podman run --device fails (unresolvable CDI devices)"
                          : "nothing on the host brings its GPUs into Docker's containers: docker "
                            "run --gpus fails (could not select device driver)",
                      {{"host", question.host.nvidia.toolkit.evidence},
                       {"host", question.host.cdi_specs.evidence + ": no specification"}},
                      fmt::format("{}, or flense cdi install --engine {}",
                                  question.host.nvidia.toolkit.value == true
                                      ? "nvidia-ctk cdi generate --output=/etc/cdi/nvidia.yaml"
                                      : "install nvidia-container-toolkit",
                                  podman ? "podman" : "docker"),
                      kDevicesSource});
    return;
  }
  if (!traits_on(question.launcher, question.host).honours_visible_devices) return;
  const auto value = variable(question.image, "NVIDIA_VISIBLE_DEVICES");
  Check check{"visible-devices", Verdict::kOk, "", {}, "", kDevicesSource};
  check.evidence = {{"image", value ? fmt::format("NVIDIA_VISIBLE_DEVICES={}", value->substr(0, 80))
                                    : "NVIDIA_VISIBLE_DEVICES is not set"},
                    {"launcher", traits(question.launcher).source}};
  const auto [trouble, certain] = devices_trouble(question);
  if (trouble.empty()) {
    check.message =
        fmt::format("{} injects the GPUs that the image asks for", to_string(question.launcher));
  } else if (question.launcher == Launcher::kDocker) {
    check.verdict = Verdict::kWarn;
    check.message = trouble + ", unless --gpus names them";
    check.fix = "docker run --gpus all";
  } else {
    check.verdict = certain ? Verdict::kFail : Verdict::kUnknown;
    check.message = trouble;
    check.fix = "set NVIDIA_VISIBLE_DEVICES=all for the container";
  }
  checks.push_back(std::move(check));
}

/// A variable of the runtime itself works with every launcher; the first word that names no GPU
/// ends the list.
void judge_variable(const Question& question, const char* name, std::string_view error,
                    std::uint64_t count, const char* source, std::vector<Check>& checks) {
  const auto value = variable(question.image, name);
  if (!value) return;
  const auto words = words_of(*value);
  const auto first = words.empty() ? std::nullopt : index_of(words.front());
  const bool hidden = words.empty() || words.front() == "-1" || words.front() == "NoDevFiles" ||
                      (first && *first >= count);
  if (!hidden) return;
  checks.push_back({"visible-devices",
                    Verdict::kFail,
                    fmt::format("{}={} of the image hides every GPU of the host ({})", name,
                                value->substr(0, 40), error),
                    {{"image", fmt::format("{}={}", name, value->substr(0, 80))},
                     {"host", fmt::format("{} GPUs", count)}},
                    "remove the variable from the image, or set it at launch",
                    source});
}

/// The words that count: those of the image, or the launcher's default.
std::vector<std::string> capabilities_of(const Question& question) {
  const auto value = variable(question.image, "NVIDIA_DRIVER_CAPABILITIES");
  if (!value || value->empty())
    return question.launcher == Launcher::kEnroot ? std::vector<std::string>{"utility"}
                                                  : std::vector<std::string>{"utility", "compute"};
  std::vector<std::string> out;
  for (const std::string_view word : words_of(*value)) out.emplace_back(word);
  return out;
}

bool grants(const std::vector<std::string>& granted, std::string_view capability) {
  const auto has = [&](std::string_view word) {
    return std::ranges::find(granted, word) != granted.end();
  };
  // "display" shares the libraries of "graphics".
  return has(capability) || has("all") || (capability == "display" && has("graphics")) ||
         (capability == "graphics" && has("display"));
}

/// A word that the hook does not know ends the start.
void judge_words(const Question& question, const std::vector<std::string>& granted, bool perhaps,
                 const Check& pattern, std::vector<Check>& checks) {
  constexpr std::array<std::string_view, 8> kKnown = {"compute", "compat32", "graphics", "utility",
                                                      "video",   "display",  "all",      "ngx"};
  const bool enroot = question.launcher == Launcher::kEnroot;
  const auto known = std::span(kKnown).first(kKnown.size() - (enroot ? 1 : 0));
  const auto other = std::ranges::find_if(granted, [&](const std::string& word) {
    return std::ranges::find(known, word) == known.end();
  });
  const bool all = std::ranges::find(granted, "all") != granted.end();
  const bool odd = other != granted.end();
  if (all ? granted.size() == 1 || enroot : !odd) return;
  Check check = pattern;
  check.verdict = all || perhaps ? Verdict::kWarn : Verdict::kFail;
  check.message =
      all ? "older versions of the container toolkit start nothing whose capabilities name 'all' "
            "beside others (unsupported capabilities found)"
          : fmt::format(
                "{} does not start the image: '{}' is no capability of the driver "
                "(unsupported capabilities found)",
                to_string(question.launcher), other->substr(0, 40));
  check.fix = all ? "set NVIDIA_DRIVER_CAPABILITIES=all" : "take the word out of the variable";
  checks.push_back(std::move(check));
}

/// "550.54.15" of "libcuda.so.550.54.15".
std::string_view version_in_name(std::string_view path) {
  const std::string_view name = base_name(path);
  const std::size_t at = name.find(".so.");
  if (at == std::string_view::npos) return {};
  const std::string_view version = name.substr(at + 4);
  const bool driver = version.size() >= 5 && version.find('.') == 3 &&
                      version.find_first_not_of("0123456789.") == std::string_view::npos;
  return driver ? version : std::string_view();
}

struct Baked {
  Verdict verdict = Verdict::kOk;
  std::string message, fix;
};

Baked judge_baked(const Question& question, const needs::Sighting& file) {
  const std::string_view version = version_in_name(file.path);
  const std::string remove = "remove it from the image: the launcher brings the host's";
  const auto driver = host_driver(question.host);
  if (version.empty() || !base_name(file.path).starts_with("lib"))
    return {Verdict::kWarn,
            fmt::format("/{} belongs to a driver and is baked into the image", file.path), remove};
  if (!driver)
    return {
        Verdict::kUnknown,
        fmt::format("/{} of driver {} is baked into the image, and the host's driver is unknown",
                    file.path, version),
        remove};
  // Windows's library is libcuda.so.1.1 there, whatever its driver's version is.
  if (on_wsl(question.host) == Answer::kYes && base_name(file.path).starts_with("libcuda.so."))
    return {Verdict::kFail,
            fmt::format("/{} of a Linux driver is baked into the image and hides the library of "
                        "Windows's driver",
                        file.path),
            remove};
  const int order = compare_versions(version, driver->version);
  if (order == 0)
    return {Verdict::kWarn,
            fmt::format("/{} is baked into the image: it fits this host's driver only by chance",
                        file.path),
            remove};
  // ldconfig links the SONAME to the newest file; apptainer searches the image's directories first.
  if (order > 0 || question.launcher == Launcher::kApptainer)
    return {Verdict::kFail,
            fmt::format("/{} of driver {} is baked into the image and hides the host's {} (error "
                        "803)",
                        file.path, version, driver->version),
            remove};
  return {Verdict::kWarn,
          fmt::format("/{} of driver {} is baked into the image, beside the host's {}", file.path,
                      version, driver->version),
          remove};
}

}  // namespace

void rule_visible_devices(const Question& question, std::vector<Check>& checks) {
  if (const auto amd = gpus_of(question.host, "amd");
      !amd.empty() && !question.facts->rocm_evidence.empty())
    for (const char* name : {"ROCR_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES"})
      judge_variable(question, name, "error 100", devices_of(amd),
                     "ROCm documentation, GPU isolation techniques", checks);
  if (!concerns_nvidia(question) || needs_cuda(question) != Answer::kYes) return;
  judge_variable(question, "CUDA_VISIBLE_DEVICES", "error 100", gpu_count(question.host),
                 "CUDA C++ Programming Guide, environment variables", checks);
  judge_closed(question, checks);
  judge_injection(question, checks);
}

void rule_driver_capabilities(const Question& question, std::vector<Check>& checks) {
  const needs::Needs& image = question.image;
  const auto& linked = image.start.driver_libraries;
  const auto is_linked = [&](std::string_view library) {
    return std::ranges::find(linked, library, &needs::Sighting::path) != linked.end();
  };
  const bool cuda = needs_cuda(question) == Answer::kYes || is_linked("libcuda.so.1");
  if (nvidia_gpus(question.host).empty() || (!cuda && image.capabilities.empty())) return;
  // The device plugin's node may still run the legacy hook.
  const bool plugin =
      question.launcher == Launcher::kKubernetes && !question.host.nvidia.toolkit_version.value;
  const bool perhaps = plugin || question.launcher_assumed;
  if (!perhaps && !traits_on(question.launcher, question.host).honours_capabilities) return;
  const std::string_view condition = plugin ? ", should the container toolkit be older than 1.18"
                                     : perhaps
                                         ? ", should the launcher go by the legacy hook, not by CDI"
                                         : "";
  const std::vector<std::string> granted = capabilities_of(question);
  const auto value = variable(image, "NVIDIA_DRIVER_CAPABILITIES");
  const std::vector<Evidence> evidence = {
      {"image", value ? fmt::format("NVIDIA_DRIVER_CAPABILITIES={}", value->substr(0, 80))
                      : "NVIDIA_DRIVER_CAPABILITIES is not set"},
      {"launcher",
       fmt::format("{} injects for {}", to_string(question.launcher), fmt::join(granted, ", "))}};
  const auto fix = [&](std::string_view capability) {
    const bool compute = cuda && capability != "compute" && !grants(granted, "compute");
    return fmt::format("set NVIDIA_DRIVER_CAPABILITIES={},{}{}", fmt::join(granted, ","),
                       compute ? "compute," : "", capability);
  };
  const std::size_t before = checks.size();
  judge_words(question, granted, perhaps,
              {"driver-capabilities", Verdict::kOk, "", evidence, "", kCapabilitiesSource}, checks);
  bool all = checks.size() == before;
  if (cuda && !grants(granted, "compute")) {
    all = false;
    checks.push_back({"driver-capabilities", perhaps ? Verdict::kWarn : Verdict::kFail,
                      fmt::format("{} does not inject libcuda: the capability 'compute' is "
                                  "missing{}",
                                  to_string(question.launcher), condition),
                      evidence, fix("compute"), kCapabilitiesSource});
  }
  for (const needs::CapabilityNeed& need : image.capabilities) {
    if (grants(granted, need.capability)) continue;
    all = false;
    Check check{
        "driver-capabilities",
        is_linked(need.library) && !perhaps ? Verdict::kFail : Verdict::kWarn,
        fmt::format("{} is not injected: the capability '{}' is missing, and /{} asks for it{}",
                    need.library, need.capability, need.user, condition),
        evidence,
        fix(need.capability),
        kCapabilitiesSource};
    check.evidence.push_back({"image", fmt::format("/{} loads {}", need.user, need.library)});
    checks.push_back(std::move(check));
  }
  if (all && !plugin)
    checks.push_back({"driver-capabilities", Verdict::kOk,
                      "the capabilities cover the driver libraries that the image asks for",
                      evidence, "", kCapabilitiesSource});
}

void rule_driver_baked(const Question& question, std::vector<Check>& checks) {
  if (question.image.driver_files.empty() || has_gpus_of_others(question.host)) return;
  std::optional<Baked> worst;
  const needs::Sighting* file = nullptr;
  for (const needs::Sighting& one : question.image.driver_files) {
    Baked judged = judge_baked(question, one);
    if (worst && judged.verdict <= worst->verdict) continue;
    worst = std::move(judged);
    file = &one;
  }
  const auto driver = host_driver(question.host);
  Check check{
      "driver-baked", worst->verdict,
      worst->message, {},
      worst->fix,     "libnvidia-container: ldconfig prefers the newest driver library it finds"};
  if (question.image.driver_files.size() > 1)
    check.message +=
        fmt::format(", with {} more driver files", question.image.driver_files.size() - 1);
  check.evidence = {{"image", fmt::format("/{}: {}", file->path, file->what)},
                    {"host", driver ? driver->evidence : driver_unknown_reason(question.host)}};
  checks.push_back(std::move(check));
}

void rule_stub_in_path(const Question& question, std::vector<Check>& checks) {
  if (question.image.stubs_in_path.empty() || has_gpus_of_others(question.host)) return;
  // Programs load libcuda.so.1; a stub that is named libcuda.so alone is met by dlopen of that.
  const auto by_soname = [](const needs::Sighting& stub) {
    return base_name(stub.path).ends_with(".so.1");
  };
  const auto& stubs = question.image.stubs_in_path;
  const auto at = std::ranges::find_if(stubs, by_soname);
  const bool fatal = at != stubs.end();
  const needs::Sighting& stub = fatal ? *at : stubs.front();
  checks.push_back(
      {"stub-in-path",
       fatal ? Verdict::kFail : Verdict::kWarn,
       fatal
           ? fmt::format("the stub /{} is found before the driver's library (error 34)", stub.path)
           : fmt::format("the stub /{} lies where the loader looks: a program that loads it by "
                         "that name gets no driver (error 34)",
                         stub.path),
       {{"image", fmt::format("/{}: {}", stub.path, stub.what)}},
       "take the stubs folder off LD_LIBRARY_PATH and the loader's configuration",
       kStubSource});
}

}  // namespace flense::compat

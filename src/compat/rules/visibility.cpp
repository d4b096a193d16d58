// What reaches the container: devices, and driver libraries by capability.
#include <algorithm>
#include <array>
#include <span>

#include "base/format.h"
#include "base/version_numbers.h"
#include "compat/facts/facts.h"
#include "compat/facts/visible_gpus.h"
#include "compat/rules/rules.h"

namespace flense::compat {

namespace {

constexpr const char* kDevicesSource = "nvidia-container-toolkit, NVIDIA_VISIBLE_DEVICES";
constexpr const char* kCapabilitiesSource =
    "libnvidia-container, libraries by NVIDIA_DRIVER_CAPABILITIES";

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

/// What on a probed machine would bring GPUs into the containers of this launcher, and does not.
struct Nothing {
  std::string message, fix;
  std::vector<Evidence> evidence;
};

/// Without the toolkit, and nobody knows whether Docker takes specifications.
bool may_bring_nothing(const Question& question) {
  const host::Profile& host = question.host;
  const auto engine = std::ranges::find(host.engines, "docker", &host::Engine::name);
  return question.launcher == Launcher::kDocker && engine != host.engines.end() &&
         engine->nvidia_runtime.value == false && host.nvidia.toolkit.value == false &&
         !engine->cdi.value && !host.cdi_specs.value;
}

std::optional<Nothing> brings_nothing(const Question& question) {
  const host::Profile& host = question.host;
  const host::Flag& toolkit = host.nvidia.toolkit;
  const bool none = toolkit.value == false;
  const Evidence seen{"host", toolkit.evidence};
  if (question.launcher == Launcher::kEnroot) {
    if (!none) return std::nullopt;
    return Nothing{
        "enroot's hook needs nvidia-container-cli, and the host has no container toolkit",
        "install nvidia-container-toolkit (libnvidia-container-tools)",
        {seen}};
  }
  if (question.launcher == Launcher::kKubernetes) {
    const auto engine = std::ranges::find(host.engines, "containerd", &host::Engine::name);
    if (engine == host.engines.end() || engine->nvidia_runtime.value != false ||
        engine->cdi.value != false)
      return std::nullopt;
    return Nothing{
        "containerd has neither NVIDIA's runtime nor CDI, so nothing brings the host's "
        "GPUs into pods",
        "nvidia-ctk runtime configure --runtime=containerd, and restart containerd",
        {{"host", engine->nvidia_runtime.evidence}, {"host", engine->cdi.evidence}}};
  }
  const bool podman = question.launcher == Launcher::kPodman;
  if (!podman && question.launcher != Launcher::kDocker &&
      question.launcher != Launcher::kDockerCdi)
    return std::nullopt;
  const auto engine =
      std::ranges::find(host.engines, podman ? "podman" : "docker", &host::Engine::name);
  if (engine == host.engines.end() || engine->nvidia_runtime.value != false) return std::nullopt;
  const bool no_specs = host.cdi_specs.value && host.cdi_specs.value->empty();
  // From 1.18 on the toolkit writes Podman's specification when the machine starts.
  const auto& version = host.nvidia.toolkit_version.value;
  const bool writes_none = none || (podman && version && !version_at_least(*version, "1.18"));
  // Docker asks the toolkit's hook where it does not take specifications.
  const bool no_cdi = !podman && engine->cdi.value == false;
  if (!none || !no_cdi)
    if (!no_specs || !writes_none) return std::nullopt;
  const bool off = no_cdi && !no_specs && host.cdi_specs.value;
  Nothing out;
  out.message =
      podman ? "nothing on the host brings its GPUs into Podman's containers: podman run --device "
               "fails (unresolvable CDI devices)"
      : off  ? "Docker's CDI is off, so nothing on the host brings its GPUs into Docker's "
               "containers: docker run --gpus fails (could not select device driver)"
             : "nothing on the host brings its GPUs into Docker's containers: docker run --gpus "
               "fails (could not select device driver)";
  out.evidence = {seen};
  if (no_specs)
    out.evidence.push_back({"host", host.cdi_specs.evidence + ": no specification"});
  else
    out.evidence.push_back({"host", fmt::format("CDI is off: {}", engine->cdi.evidence)});
  const std::string_view first =
      off ? "set features.cdi in /etc/docker/daemon.json, or install nvidia-container-toolkit"
      : toolkit.value == true ? "nvidia-ctk cdi generate --output=/etc/cdi/nvidia.yaml"
                              : "install nvidia-container-toolkit";
  out.fix =
      fmt::format("{}, or flense cdi install --engine {}", first, podman ? "podman" : "docker");
  return out;
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
  if (auto nothing = brings_nothing(question)) {
    checks.push_back({"visible-devices", Verdict::kFail, std::move(nothing->message),
                      std::move(nothing->evidence), std::move(nothing->fix), kDevicesSource});
    return;
  }
  if (may_bring_nothing(question)) {
    checks.push_back({"visible-devices",
                      Verdict::kUnknown,
                      "the host has no container toolkit, and whether Docker takes CDI "
                      "specifications is unknown",
                      {{"host", question.host.nvidia.toolkit.evidence}},
                      "install nvidia-container-toolkit, or flense cdi install --engine docker",
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

/// A variable of the runtime itself works with every launcher.
void judge_variables(const Question& question, std::string_view vendor,
                     std::vector<Check>& checks) {
  for (const HidingVariable& one : hiding_variables(question, vendor)) {
    const std::string text = fmt::format("{}={}", one.name, one.value.substr(0, 60));
    checks.push_back(
        {"visible-devices",
         one.doubt.empty() ? Verdict::kFail : Verdict::kUnknown,
         one.doubt.empty()
             ? fmt::format("{} of the image hides every GPU of the host (error 100)", text)
             : fmt::format("whether {} of the image leaves a GPU is unknown: {}", text, one.doubt),
         {{"image", fmt::format("{}={}", one.name, one.value.substr(0, 80))},
          {"host", fmt::format("{} GPUs", one.devices)}},
         "remove the variable from the image, or set it at launch",
         one.source});
  }
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

}  // namespace

void rule_visible_devices(const Question& question, std::vector<Check>& checks) {
  if (!gpus_of(question.host, "amd").empty() && !question.facts->rocm_evidence.empty())
    judge_variables(question, "amd", checks);
  if (!concerns_nvidia(question) || needs_cuda(question) != Answer::kYes) return;
  judge_variables(question, "nvidia", checks);
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

}  // namespace flense::compat

#include "host/host_argument.h"

#include <algorithm>
#include <system_error>

#include "base/file.h"
#include "base/format.h"
#include "host/gpu_models.h"
#include "host/kubernetes.h"
#include "host/node_facts.h"
#include "host/probe.h"
#include "host/profile_json.h"
#include "host/slurm.h"
#include "host/text_formats.h"
#include "knowledge/spelling.h"

namespace flense::host {

namespace {

/// Five thousand nodes with the list of their images take some 100 MB.
constexpr std::uint64_t kFileLimit = 256u << 20;
constexpr std::size_t kMaxWords = 200, kMaxGpus = 64;
constexpr const char* kDescribed = "as described";
constexpr const char* kForms =
    "a host is 'this', a file (a profile, Kubernetes or Slurm nodes), GPU@DRIVER (h100@550.54.15), "
    "or an instance type (aws:p5.48xlarge)";

Failure usage(std::string message, std::string hint) {
  return fail(Code::kUsage, "{}", message).hint(std::move(hint));
}

Result<void> add_gpus(const knowledge::Gpus& gpus, std::string_view word, Profile& out) {
  TRY(const std::vector<std::string> architectures, gpus.resolve(word));
  const knowledge::GpuProduct* product = gpus.named(knowledge::plain_spelling(word));
  const Text name = product != nullptr ? Text::known(product->display, kDescribed)
                                       : Text::unknown("only an architecture is named");
  for (const std::string& architecture : architectures) {
    Gpu gpu;
    gpu.vendor = architecture.starts_with("gfx") ? "amd" : "nvidia";
    gpu.name = name;
    gpu.architecture = Text::known(architecture, fmt::format("product table, by '{}'", word));
    out.gpus.push_back(std::move(gpu));
  }
  if (out.gpus.size() > kMaxGpus)
    return usage(fmt::format("more than {} GPUs are named", kMaxGpus), kForms);
  return {};
}

/// What people write where a driver version belongs.
Failure no_driver_version(const knowledge::Drivers& drivers, std::string_view gpus,
                          std::string_view driver) {
  std::string hint = fmt::format("a driver version has the form {}@550.54.15", gpus);
  const std::string cuda = drivers.cuda_of(driver);
  if (!cuda.empty()) {
    // A bare branch: its first driver is the one that its CUDA came with.
    hint = fmt::format("name the whole version, such as {}@{}", gpus, drivers.floor_for_cuda(cuda));
  } else if (const std::string floor = drivers.floor_for_cuda(driver); !floor.empty()) {
    hint = fmt::format("CUDA {} came with driver {}: {}@{}", driver, floor, gpus, floor);
  }
  return usage(fmt::format("'{}' is not a version of NVIDIA's driver", driver), std::move(hint));
}

void set_nvidia_driver(const knowledge::Drivers& drivers, const std::string& driver, Nvidia& out) {
  out.module_version = out.library_version = Text::known(driver, kDescribed);
  out.agree = Flag::known(true, kDescribed);
  out.cuda = cuda_by_branch(drivers, driver);
}

bool is_amd_version(std::string_view text) {
  return text.size() <= 32 && text.find('.') != std::string_view::npos &&
         text.find_first_not_of("0123456789.") == std::string_view::npos && text.front() != '.' &&
         text.back() != '.' && text.find("..") == std::string_view::npos;
}

/// "aws:p5.48xlarge"; nullopt when no provider is named.
std::optional<Result<void>> add_instance_word(const knowledge::Knowledge& tables,
                                              std::string_view word, Profile& out) {
  const std::size_t colon = word.find(':');
  if (colon == std::string_view::npos) return std::nullopt;
  const std::string provider = knowledge::plain_spelling(word.substr(0, colon));
  const std::string_view type = word.substr(colon + 1);
  const std::vector<std::string> providers = tables.instances.providers();
  if (std::ranges::find(providers, provider) == providers.end()) return std::nullopt;
  if (const knowledge::InstanceType* known = tables.instances.find(provider, type)) {
    add_instance(tables.gpus, *known,
                 fmt::format("instance type {}; {}", known->type, known->source), out);
    return Result<void>();
  }
  std::vector<std::string> names;
  for (const knowledge::InstanceType& one : tables.instances.types)
    if (one.provider == provider) names.push_back(one.type);
  const std::vector<std::string> near = knowledge::near_matches(clean(type), names, 3);
  return usage(
      fmt::format("'{}' is not a GPU instance type of {} that flense knows", clean(type), provider),
      near.empty() ? "name its GPUs and driver instead: h100@550.54.15"
                   : fmt::format("did you mean {}:{}?", provider,
                                 fmt::join(near, fmt::format(" or {}:", provider))));
}

bool looks_like_file(const std::string& spec) {
  std::error_code ignored;
  return spec.find('/') != std::string::npos || spec.ends_with(".json") ||
         std::filesystem::exists(spec, ignored);
}

}  // namespace

Result<Profile> described_profile(std::string_view words, const knowledge::Knowledge& tables) {
  if (words.size() > kMaxWords) return usage("the description of a host is too long", kForms);
  Profile out;
  out.source = clean(words);
  const std::size_t at = words.find('@');
  std::string_view rest = words.substr(0, at);
  const std::string_view gpus = rest;
  const std::optional<Result<void>> instance = add_instance_word(tables, rest, out);
  if (instance && !*instance) return std::unexpected(instance->error());
  while (!instance) {
    const std::size_t comma = rest.find(',');
    if (Result<void> added = add_gpus(tables.gpus, rest.substr(0, comma), out); !added) {
      // Similar names are the better hint; otherwise the word may have been meant as another form.
      if (!added.error().hint.starts_with("did you mean")) added.error().hint = kForms;
      return std::unexpected(std::move(added).error());
    }
    if (comma == std::string_view::npos) break;
    rest.remove_prefix(comma + 1);
  }
  if (!instance) out.gpu_count = Number::known(out.gpus.size(), kDescribed);
  infer_processors(tables, {&out, 1});
  const bool nvidia =
      std::ranges::any_of(out.gpus, [](const Gpu& g) { return g.vendor == "nvidia"; });
  const bool amd = std::ranges::any_of(out.gpus, [](const Gpu& g) { return g.vendor == "amd"; });
  if (at == std::string_view::npos) {
    const Text none = Text::unknown("no driver is named");
    if (nvidia) out.nvidia.module_version = out.nvidia.library_version = out.nvidia.cuda = none;
    if (amd) out.amd.driver_version = none;
    return out;
  }
  const std::string_view driver = words.substr(at + 1);
  if (nvidia && amd)
    return usage(fmt::format("'@{}' does not say which vendor's driver it is", clean(driver)),
                 "describe the GPUs of one vendor at a time");
  if (nvidia) {
    if (!is_driver_version(driver)) return no_driver_version(tables.drivers, gpus, clean(driver));
    set_nvidia_driver(tables.drivers, std::string(driver), out.nvidia);
  } else {
    if (driver.empty() || !is_amd_version(driver))
      return usage(fmt::format("'{}' is not a version of amdgpu", clean(driver)),
                   fmt::format("a driver version has the form {}@6.10.5", gpus));
    out.amd.driver_version = Text::known(std::string(driver), kDescribed);
  }
  return out;
}

Result<Profile> parse_profile(std::string_view text, const std::string& name) {
  TRY(const text::Json json, text::parse_json(text, name));
  TRY(Profile out, from_json(json, name));
  out.source = name;
  return out;
}

namespace {

using Profiles = std::vector<Profile>;

Result<Profiles> read_profiles(std::string_view text, const std::string& name,
                               const knowledge::Knowledge& tables) {
  constexpr const char* kHint =
      "a host file is written by flense host --json, kubectl get nodes -o json, scontrol show node "
      "(also with --json) or sinfo -o \"%N %G %f\"";
  const std::size_t start = text.find_first_not_of(" \t\r\n");
  if (start == std::string_view::npos) return bad_input("{} is empty", name).hint(kHint);
  if (is_slurm_text(text.substr(start)))
    return slurm_text_profiles(text.substr(start), name, tables);
  if (text[start] != '{' && text[start] != '[')
    return bad_input("{} is neither JSON nor a list of Slurm nodes", name).hint(kHint);
  TRY(const text::Json json, text::parse_json(text, name));
  if (is_kubernetes(json)) return kubernetes_profiles(json, name, tables);
  if (is_slurm(json)) return slurm_profiles(json, name, tables);
  Profiles out;
  if (!json.is_array()) {
    TRY(Profile profile, with_hint(from_json(json, name), kHint));
    profile.source = name;
    out.push_back(std::move(profile));
    return out;
  }
  if (json.items().size() > kMaxNodes)
    return bad_input("{} has {} profiles, more than {}", name, json.items().size(), kMaxNodes);
  for (std::size_t i = 0; i < json.items().size(); ++i) {
    const std::string place = fmt::format("{}[{}]", name, i);
    TRY(Profile profile, with_hint(from_json(json.items()[i], place), kHint));
    // Every machine calls itself "this".
    if (profile.source.empty() || profile.source == "this") profile.source = place;
    out.push_back(std::move(profile));
  }
  if (out.empty()) return bad_input("{} lists no host", name).hint(kHint);
  return out;
}

}  // namespace

Result<std::vector<Profile>> parse_profiles(std::string_view text, const std::string& name,
                                            const knowledge::Knowledge& tables) {
  TRY(Profiles out, read_profiles(text, name, tables));
  for (Profile& profile : out)
    for (Gpu& gpu : profile.gpus)
      // A profile written by hand may say no more than nvidia-smi.
      if (gpu.name.value && !gpu.architecture.value && gpu.architecture.evidence.empty())
        gpu.architecture = architecture_by_name(tables.gpus, *gpu.name.value);
  infer_processors(tables, out);
  return out;
}

Result<std::vector<Profile>> profiles_of(const std::string& spec, const Places& places,
                                         const knowledge::Knowledge& tables) {
  std::vector<Profile> out;
  if (spec == "this") {
    out.push_back(probe(Machine(places), tables));
  } else if (!looks_like_file(spec)) {
    TRY(Profile profile, described_profile(spec, tables));
    out.push_back(std::move(profile));
  } else {
    Result<std::string> text = read_file(spec, kFileLimit);
    // Of a file that is there but too large.
    if (!text && text.error().path.empty())
      return with_hint<std::vector<Profile>>(
          std::unexpected(std::move(text).error()),
          "the images of Kubernetes nodes are not needed: jq 'del(.items[].status.images)'");
    TRY(const std::string read, std::move(text));
    return parse_profiles(read, spec, tables);
  }
  return out;
}

Result<Profile> profile_of(const std::string& spec, const Places& places,
                           const knowledge::Knowledge& tables) {
  TRY(std::vector<Profile> profiles, profiles_of(spec, places, tables));
  if (profiles.size() != 1)
    return usage(fmt::format("{} has {} hosts where one is asked for", spec, profiles.size()),
                 "flense host --compare takes many");
  return std::move(profiles.front());
}

}  // namespace flense::host

#include "host/spec.h"

#include <algorithm>
#include <system_error>

#include "base/file.h"
#include "base/format.h"
#include "host/parse.h"
#include "host/probe.h"
#include "host/profile_json.h"
#include "knowledge/gpus.h"
#include "knowledge/spelling.h"

namespace flense::host {

namespace {

constexpr std::uint64_t kProfileLimit = 16u << 20;
constexpr std::size_t kMaxWords = 200, kMaxGpus = 64;
constexpr const char* kDescribed = "as described";
constexpr const char* kForms =
    "a host is 'this', the file of a profile, or GPU@DRIVER: h100@550.54.15";

std::unexpected<Error> usage(std::string message, std::string hint) {
  return std::unexpected(Error{Code::kUsage, std::move(message), {}, std::move(hint)});
}

Text name_of(std::string_view word) {
  const std::string plain = knowledge::plain_spelling(word);
  for (const knowledge::GpuProduct& product : knowledge::gpu_products())
    if (product.name == plain || std::ranges::find(product.aliases, plain) != product.aliases.end())
      return Text::known(product.display, kDescribed);
  return Text::unknown("only an architecture is named");
}

Result<void> add_gpus(std::string_view word, Profile& out) {
  TRY(const std::vector<std::string> architectures, knowledge::resolve_gpu_word(word));
  const Text name = name_of(word);
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
std::unexpected<Error> no_driver_version(std::string_view gpus, std::string_view driver) {
  std::string hint = fmt::format("a driver version has the form {}@550.54.15", gpus);
  const std::string cuda = knowledge::cuda_of_driver(driver);
  if (!cuda.empty()) {
    // The branch alone: its first driver is the one that its CUDA came with.
    hint = fmt::format("name the whole version, such as {}@{}", gpus,
                       knowledge::driver_floor_for_cuda(cuda));
  } else if (const std::string floor = knowledge::driver_floor_for_cuda(driver); !floor.empty()) {
    hint = fmt::format("CUDA {} came with driver {}: {}@{}", driver, floor, gpus, floor);
  }
  return usage(fmt::format("'{}' is no version of NVIDIA's driver", driver), std::move(hint));
}

void set_nvidia_driver(std::string_view driver, Nvidia& out) {
  out.module_version = out.library_version = Text::known(std::string(driver), kDescribed);
  out.agree = Flag::known(true, kDescribed);
  const std::string cuda = knowledge::cuda_of_driver(driver);
  out.cuda = cuda.empty()
                 ? Text::unknown(fmt::format("the driver table has no branch of {}", driver))
                 : Text::known(cuda, fmt::format("driver table, by the branch of {}", driver));
}

bool is_amd_version(std::string_view text) {
  return text.size() <= 32 && text.find('.') != std::string_view::npos &&
         text.find_first_not_of("0123456789.") == std::string_view::npos && text.front() != '.' &&
         text.back() != '.' && text.find("..") == std::string_view::npos;
}

bool looks_like_file(const std::string& spec) {
  std::error_code ignored;
  return spec.find('/') != std::string::npos || spec.ends_with(".json") ||
         std::filesystem::exists(spec, ignored);
}

}  // namespace

Result<Profile> described_profile(std::string_view words) {
  if (words.size() > kMaxWords) return usage("the description of a host is too long", kForms);
  Profile out;
  out.source = clean(words);
  const std::size_t at = words.find('@');
  std::string_view rest = words.substr(0, at);
  const std::string_view gpus = rest;
  while (true) {
    const std::size_t comma = rest.find(',');
    if (Result<void> added = add_gpus(rest.substr(0, comma), out); !added) {
      // Near names are the better hint; without one the word may have been meant as another form.
      if (!added.error().hint.starts_with("did you mean")) added.error().hint = kForms;
      return std::unexpected(std::move(added).error());
    }
    if (comma == std::string_view::npos) break;
    rest.remove_prefix(comma + 1);
  }
  out.gpu_count = Number::known(out.gpus.size(), kDescribed);
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
    if (!is_driver_version(driver)) return no_driver_version(gpus, clean(driver));
    set_nvidia_driver(driver, out.nvidia);
  } else {
    if (driver.empty() || !is_amd_version(driver))
      return usage(fmt::format("'{}' is no version of amdgpu", clean(driver)),
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

Result<Profile> profile_of(const std::string& spec, const Places& places) {
  if (spec == "this") return probe(Machine(places));
  if (!looks_like_file(spec)) return described_profile(spec);
  TRY(const std::string text, read_file(spec, kProfileLimit));
  return with_hint(parse_profile(text, spec), "flense host --json writes profiles");
}

}  // namespace flense::host

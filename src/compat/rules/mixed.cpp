// Several CUDA runtimes or cuDNN in one image, and which of them the framework was built with.
#include <algorithm>
#include <iterator>
#include <map>
#include <set>

#include "base/path.h"
#include "base/version_numbers.h"
#include "compat/facts/facts.h"
#include "compat/facts/image_facts.h"
#include "compat/facts/python_environments.h"
#include "compat/facts/software.h"
#include "compat/rules/rules.h"
#include "knowledge/table_rows.h"

namespace flense::compat {

namespace {

using inventory::InstalledPackage;
using needs::Needs;
using Majors = std::map<std::uint64_t, Seen>;  // one example of each

Majors majors_of(const Needs& image, std::initializer_list<std::string_view> runtimes) {
  Majors out;
  for (const std::string_view runtime : runtimes)
    for (Seen& seen : versions_of(image, runtime))
      if (const auto major = first_number(seen.version)) {
        seen.evidence = fmt::format("{} {}: {}", runtime, seen.version, seen.evidence);
        out.emplace(*major, std::move(seen));
      }
  return out;
}

Check mixed(std::string message, std::string fix) {
  Check out;
  out.id = "runtime-mixed";
  out.verdict = Verdict::kWarn;
  out.message = std::move(message);
  out.fix = std::move(fix);
  out.source = "versions of the image's files and packages";
  return out;
}

/// True when it found something.
bool judge_cuda(const Question& question, const Majors& cuda, std::vector<Check>& checks) {
  const auto& torch = question.facts->torch;
  const std::string built = torch ? knowledge::cuda_of_variant(torch->variant) : std::string();
  const auto major = first_number(built);
  if (major) {
    const auto other =
        std::ranges::find_if(cuda, [&](const auto& row) { return row.first != *major; });
    if (other == cuda.end()) return false;
    const auto driver = driver_cuda(question);
    const bool driven =
        !driver || !driver->exact || first_number(driver->cuda).value_or(0) >= other->first;
    Check check = mixed(
        fmt::format("torch {} is built for CUDA {}, and the image also holds CUDA {}",
                    torch->version, built, other->first),
        fmt::format("{}start from an image without CUDA: the wheel brings its own",
                    driven ? fmt::format("install the wheel for CUDA {}, or ", other->first) : ""));
    check.evidence = {{"image", torch->evidence}, {"image", other->second.evidence}};
    if (!torch->assumed.empty()) check.evidence.push_back({"image", torch->assumed});
    checks.push_back(std::move(check));
    return true;
  }
  if (cuda.size() < 2) return false;
  Check check = mixed(fmt::format("the image holds CUDA {} and CUDA {} side by side",
                                  cuda.begin()->first, cuda.rbegin()->first),
                      "keep the CUDA that the programs were built with");
  for (const auto& [number, seen] : cuda) check.evidence.push_back({"image", seen.evidence});
  checks.push_back(std::move(check));
  return true;
}

/// Wheels that bring no CUDA, where the image has another major only. True when it found something.
bool judge_wheels(const Question& question, const Majors& cuda, std::vector<Check>& checks) {
  if (cuda.empty()) return false;
  bool found = false;
  for (const std::string_view name : {"tensorflow", "onnxruntime-gpu"}) {
    const InstalledPackage* installed = find_package(question.facts->packages, name);
    if (installed == nullptr || !is_published_wheel(question.image, *installed)) continue;
    const auto* row = question.tables.frameworks.cuda_of(name, installed->package.version);
    const auto major = row != nullptr ? first_number(row->cuda) : std::nullopt;
    if (!major || cuda.contains(*major)) continue;
    // ONNX Runtime has feeds of the same versions for another CUDA; its provider links what it
    // needs.
    constexpr std::string_view kProvider = "libonnxruntime_providers_cuda.so";
    const auto& missing = question.image.missing_libraries;
    if (name != "tensorflow" &&
        std::ranges::any_of(question.image.code,
                            [&](const auto& file) { return file.path.ends_with(kProvider); }) &&
        std::ranges::none_of(missing, [&](const auto& one) {
          return one.path.empty() && one.user.ends_with(kProvider);
        }))
      continue;
    Check check = mixed(fmt::format("{} {} is built for CUDA {}, and the image has CUDA {}", name,
                                    installed->package.version, row->cuda, cuda.begin()->first),
                        fmt::format("install CUDA {}, or the version that is built for CUDA {}",
                                    row->cuda, cuda.begin()->first));
    check.verdict = Verdict::kFail;
    check.evidence = {{"image", describe(*installed)},
                      {"image", cuda.begin()->second.evidence},
                      {"table", fmt::format("built with CUDA {}", row->cuda)}};
    check.source = row->source;
    checks.push_back(std::move(check));
    found = true;
  }
  return found;
}

bool judge_conda(const Packages& packages, std::vector<Check>& checks) {
  const InstalledPackage *conda = nullptr, *pip = nullptr;
  for (const std::string_view name : {"cudatoolkit", "cuda-cudart", "cuda-runtime"})
    if (const auto* found = find_package(packages, name);
        found != nullptr && found->package.type == "conda")
      conda = found;
  constexpr std::string_view kWheel = "nvidia-cuda-runtime";
  for (auto at = packages.lower_bound(kWheel);
       at != packages.end() && at->first.starts_with(kWheel); ++at)
    if (at->second->package.type == "pip") pip = at->second;
  if (conda == nullptr || pip == nullptr) return false;
  const auto first = first_number(conda->package.version),
             second = first_number(pip->package.version);
  if (!first || !second || *first == *second) return false;
  Check check =
      mixed(fmt::format("conda brings CUDA {}, and Python wheels bring CUDA {}", *first, *second),
            "take the framework and CUDA both from conda, or both from pip");
  check.evidence = {{"image", describe(*conda)}, {"image", describe(*pip)}};
  checks.push_back(std::move(check));
  return true;
}

bool judge_cudnn(const Question& question, std::vector<Check>& checks) {
  const Majors cudnn = majors_of(question.image, {"cuDNN"});
  if (cudnn.empty()) return false;
  bool found = false;
  const auto& torch = question.facts->torch;
  for (const std::string_view name :
       {"torch", "tensorflow", "jax-cuda12-plugin", "jax-cuda13-plugin", "onnxruntime-gpu"}) {
    const InstalledPackage* installed = find_package(question.facts->packages, name);
    if (installed == nullptr) continue;
    if (name == "torch" && (!torch || !torch->variant.starts_with("cu"))) continue;
    const auto* row = question.tables.frameworks.cudnn_of(name, installed->package.version);
    if (row == nullptr || cudnn.contains(row->major)) continue;
    Check check =
        mixed(fmt::format("{} {} needs cuDNN {}, and the image has cuDNN {}", name,
                          installed->package.version, row->major, cudnn.begin()->first),
              fmt::format("install cuDNN {}; majors do not replace each other", row->major));
    check.verdict = Verdict::kFail;
    check.evidence = {{"image", describe(*installed)},
                      {"image", cudnn.begin()->second.evidence},
                      {"table", fmt::format("built with cuDNN {}", row->major)}};
    check.source = row->source;
    checks.push_back(std::move(check));
    found = true;
  }
  if (found || cudnn.size() < 2) return found;
  Check check = mixed(fmt::format("the image holds cuDNN {} and cuDNN {} side by side",
                                  cudnn.begin()->first, cudnn.rbegin()->first),
                      "keep the one that the framework was built with");
  for (const auto& [number, seen] : cudnn) check.evidence.push_back({"image", seen.evidence});
  checks.push_back(std::move(check));
  return true;
}

/// "2.6" of torch 2.6.0+cu124; empty for builds that are no release.
std::string release_of(const InstalledPackage& installed) {
  const std::string& version = installed.package.version;
  const std::string number = version.substr(0, version.find('+'));
  return is_version(number) ? major_minor(number) : std::string();
}

/// Both are installed by the same tool, in the same folder.
bool beside(const InstalledPackage& one, const InstalledPackage& other) {
  return one.package.type == other.package.type &&
         parent_path(parent_path(one.path)) == parent_path(parent_path(other.path));
}

/// The release of torch that a package is linked against: its wheel pins it; without that, each
/// torch 2.N has torchvision 0.(N+15), and the torchaudio of its own number up to 2.8.
std::string torch_of(const InstalledPackage& installed, const std::string& torch) {
  if (!installed.package.torch.empty()) return installed.package.torch;
  constexpr std::uint64_t kLastTied = 8, kFirstVision = 15;
  const std::string own = release_of(installed);
  if (own.empty() || !torch.starts_with("2.")) return {};
  const std::uint64_t minor = first_number(torch.substr(2)).value_or(0),
                      own_minor = first_number(own.substr(2)).value_or(0);
  if (installed.package.name == "torchvision" && own.starts_with("0.") && own_minor >= kFirstVision)
    return fmt::format("2.{}", own_minor - kFirstVision);
  return installed.package.name == "torchaudio" && minor <= kLastTied ? own : std::string();
}

/// What is linked against one release of torch does not load with another.
void judge_torch_family(const Question& question, std::vector<Check>& checks) {
  const InstalledPackage* torch = find_package(question.facts->packages, "torch");
  if (torch == nullptr) return;
  const std::string release = release_of(*torch);
  if (release.empty()) return;
  for (const auto& [name, installed] : question.facts->packages) {
    if (installed == torch || !beside(*installed, *torch)) continue;
    const std::string wanted = torch_of(*installed, release);
    if (wanted.empty() || major_minor(wanted) == release) continue;
    std::string module = name;
    std::ranges::replace(module, '-', '_');
    module = fmt::format("{}/{}", parent_path(parent_path(installed->path)), module);
    const bool linked = name == "torchvision" || name == "torchaudio" ||
                        std::ranges::any_of(question.image.code, [&](const needs::CodeFile& file) {
                          return file.path.starts_with(module);
                        });
    Check check = mixed(
        fmt::format("{} {} is for torch {}, and the image has torch {}{}", name,
                    installed->package.version, wanted, torch->package.version,
                    linked ? ": its libraries do not load with another (undefined symbol)" : ""),
        fmt::format("install the {} that is for torch {}, or torch {}", name, release, wanted));
    if (linked) check.verdict = Verdict::kFail;
    check.evidence = {{"image", describe(*torch)}, {"image", describe(*installed)}};
    check.source = installed->package.torch.empty()
                       ? "README of pytorch/vision and installation guide of torchaudio: tables of "
                         "versions"
                       : "METADATA of the package: Requires-Dist";
    checks.push_back(std::move(check));
  }
}

/// Torch refuses a cuDNN that is older than the one that it was compiled with, when it is asked
/// for.
void judge_torch_cudnn(const Question& question, std::vector<Check>& checks) {
  const InstalledPackage* torch = find_package(question.facts->packages, "torch");
  if (torch == nullptr || torch->package.cudnn.empty()) return;
  for (const std::string_view name :
       {"nvidia-cudnn-cu13", "nvidia-cudnn-cu12", "nvidia-cudnn-cu11"}) {
    const InstalledPackage* cudnn = find_package(question.facts->packages, name);
    if (cudnn == nullptr || !beside(*cudnn, *torch)) continue;
    const std::string wanted = major_minor(torch->package.cudnn),
                      there = major_minor(cudnn->package.version);
    if (first_number(wanted) != first_number(there) || version_at_least(there, wanted)) continue;
    Check check = mixed(
        fmt::format("torch {} is compiled with cuDNN {} and refuses the image's {} (cuDNN version "
                    "incompatibility)",
                    torch->package.version, wanted, there),
        fmt::format("install {}=={}", name, torch->package.cudnn));
    check.evidence = {{"image", describe(*torch)}, {"image", describe(*cudnn)}};
    check.source = "METADATA of torch; torch/backends/cudnn/__init__.py";
    checks.push_back(std::move(check));
  }
}

/// bitsandbytes has one library for each CUDA, and opens that of torch's CUDA or of
/// BNB_CUDA_VERSION.
void judge_bitsandbytes(const Question& question, std::vector<Check>& checks) {
  const InstalledPackage* installed = find_package(question.facts->packages, "bitsandbytes");
  const auto& torch = question.facts->torch;
  if (installed == nullptr || !torch) return;
  std::string wanted = knowledge::cuda_of_variant(torch->variant);
  std::erase(wanted, '.');
  if (const auto own = question.image.environment.find("BNB_CUDA_VERSION");
      own != question.image.environment.end())
    wanted = own->second;
  if (wanted.empty()) return;
  std::set<std::string_view> there;
  for (const needs::CodeFile& file : question.image.code) {
    constexpr std::string_view kStem = "libbitsandbytes_cuda";
    std::string_view name = base_name(file.path);
    if (!name.starts_with(kStem)) continue;
    name.remove_prefix(kStem.size());
    there.insert(name.substr(0, name.find_first_not_of("0123456789")));
  }
  if (there.empty() || there.contains(wanted)) return;
  Check check =
      mixed(fmt::format("bitsandbytes {} has no library for CUDA {}, which torch is built "
                        "for: it computes on the processor, or refuses to",
                        installed->package.version, wanted),
            "install a newer bitsandbytes, or set BNB_CUDA_VERSION to one that it has");
  check.verdict = Verdict::kFail;
  check.evidence = {{"image", torch->evidence},
                    {"image", fmt::format("{}; its libraries are for {}", describe(*installed),
                                          fmt::join(there, ", "))}};
  check.source = "bitsandbytes, cextension.py and cuda_specs.py";
  checks.push_back(std::move(check));
}

/// Distributions of one module for several CUDA write over each other's files.
void judge_distributions(const Question& question, std::vector<Check>& checks) {
  for (const knowledge::VariantSetRow& row : question.tables.frameworks.variants) {
    if (!row.by_cuda) continue;
    std::vector<const InstalledPackage*> there;
    for (const std::string& name : row.packages)
      if (const auto* one = find_package(question.facts->packages, name);
          one != nullptr && (there.empty() || beside(*one, *there[0])))
        there.push_back(one);
    if (there.size() < 2) continue;
    Check check = mixed(fmt::format("{} and {} are both installed: {}", there[0]->package.name,
                                    there[1]->package.name, row.effect),
                        "uninstall them all, and install the one for the image's CUDA");
    for (const InstalledPackage* one : there) check.evidence.push_back({"image", describe(*one)});
    check.source = row.source;
    checks.push_back(std::move(check));
  }
}

/// JAX releases both together. From 0.5.3 on jaxlib goes on without a plug-in of another version.
void judge_jax_plugin(const Question& question, std::vector<Check>& checks) {
  const InstalledPackage* jaxlib = find_package(question.facts->packages, "jaxlib");
  if (jaxlib == nullptr) return;
  for (const std::string_view name :
       {"jax-cuda13-plugin", "jax-cuda12-plugin", "jax-rocm7-plugin", "jax-rocm60-plugin"}) {
    const InstalledPackage* plugin = find_package(question.facts->packages, name);
    if (plugin == nullptr || !beside(*plugin, *jaxlib) ||
        compare_versions(plugin->package.version, jaxlib->package.version) == 0)
      continue;
    const bool checks_it = version_at_least(jaxlib->package.version, "0.5.3");
    Check check = mixed(fmt::format("{} {} and jaxlib {} are of different releases{}", name,
                                    plugin->package.version, jaxlib->package.version,
                                    checks_it ? ": jaxlib does not use the plug-in" : ""),
                        fmt::format("install {} {}", name, jaxlib->package.version));
    check.evidence = {{"image", describe(*jaxlib)}, {"image", describe(*plugin)}};
    check.source = checks_it ? "jaxlib/plugin_support.py, check_plugin_version"
                             : "METADATA of jax: what its extra cuda12 requires";
    checks.push_back(std::move(check));
  }
}

void judge_all(const Question& question, std::vector<Check>& checks) {
  judge_torch_family(question, checks);
  judge_torch_cudnn(question, checks);
  judge_bitsandbytes(question, checks);
  judge_distributions(question, checks);
  judge_jax_plugin(question, checks);
  const Majors cuda = majors_of(question.image, {"CUDA runtime", "cuBLAS", "CUDA toolkit"});
  bool found = judge_wheels(question, cuda, checks);
  found = judge_cuda(question, cuda, checks) || found;
  if (!found) found = judge_conda(question.facts->packages, checks);
  found = judge_cudnn(question, checks) || found;
  if (found || cuda.empty()) return;
  Check check = mixed(fmt::format("all CUDA libraries are of CUDA {}", cuda.begin()->first), {});
  check.verdict = Verdict::kOk;
  check.evidence = {{"image", cuda.begin()->second.evidence}};
  checks.push_back(std::move(check));
}

/// Each costs a look at the whole image, and none of them decides.
constexpr std::size_t kMostAside = 16;

/// Of an environment in which the image's command does not run.
void add_aside(const std::string& prefix, std::vector<Check> found, std::vector<Check>& checks) {
  for (Check& check : found) {
    if (check.verdict == Verdict::kOk) continue;
    if (check.verdict == Verdict::kFail) check.verdict = Verdict::kWarn;
    check.message = fmt::format("in {}: {}", prefix.empty() ? "the system's Python" : "/" + prefix,
                                check.message);
    checks.push_back(std::move(check));
  }
}

}  // namespace

void rule_runtime_mixed(const Question& question, std::vector<Check>& checks) {
  if (!question.image.contents)
    return;  // one variable of the configuration cannot contradict itself
  const PythonEnvironments environments(question.image);
  if (environments.prefixes().size() < 2) {
    judge_all(question, checks);
    return;
  }
  const auto judge_one = [&](const std::string& prefix) {
    const Needs image = environments.seen_from(prefix);
    const ImageFacts facts(image, question.tables);
    std::vector<Check> found;
    judge_all({image, question.host, question.tables, question.launcher, question.redistribution,
               &facts, question.launcher_assumed},
              found);
    return found;
  };
  const std::string& started = environments.started();
  if (environments.prefixes().contains(started))
    std::ranges::move(judge_one(started), std::back_inserter(checks));
  std::size_t aside = 0;
  for (const std::string& prefix : environments.prefixes())
    if (prefix != started && aside++ < kMostAside) add_aside(prefix, judge_one(prefix), checks);
  if (aside <= kMostAside) return;
  Check check = mixed(fmt::format("{} of the image's {} Python environments were not compared",
                                  aside - kMostAside, environments.prefixes().size()),
                      {});
  check.verdict = Verdict::kUnknown;
  check.decisive = false;
  check.fix = "check their directories one by one: flense check DIR";
  checks.push_back(std::move(check));
}

}  // namespace flense::compat

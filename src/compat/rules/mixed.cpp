// Several CUDA runtimes or cuDNN in one image, and which of them the framework was built with.
#include <algorithm>
#include <map>

#include "base/path.h"
#include "base/version_numbers.h"
#include "compat/facts/image_facts.h"
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
    Check check = mixed(
        fmt::format("torch {} is built for CUDA {}, and the image also holds CUDA {}",
                    torch->version, built, other->first),
        fmt::format("install the wheel for CUDA {}, or start from an image without CUDA: the wheel "
                    "brings its own",
                    other->first));
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

/// torchvision and torchaudio are linked against one release of torch, which their wheels pin: each
/// torch 2.N has torchvision 0.(N+15), and the torchaudio of its own number up to 2.8.
void judge_torch_family(const Packages& packages, std::vector<Check>& checks) {
  const InstalledPackage* torch = find_package(packages, "torch");
  if (torch == nullptr) return;
  const std::string release = release_of(*torch);
  if (!release.starts_with("2.")) return;
  const std::uint64_t minor = first_number(release.substr(2)).value_or(0);
  constexpr std::uint64_t kLastTied = 8, kFirstVision = 15;
  for (const auto& [name, wanted] :
       {std::pair("torchvision", fmt::format("0.{}", minor + kFirstVision)),
        std::pair("torchaudio", minor <= kLastTied ? release : std::string())}) {
    const InstalledPackage* installed = find_package(packages, name);
    if (installed == nullptr || wanted.empty() || installed->package.type != torch->package.type ||
        parent_path(parent_path(installed->path)) != parent_path(parent_path(torch->path)))
      continue;
    const std::string there = release_of(*installed);
    if (there.empty() || there == wanted) continue;
    Check check =
        mixed(fmt::format("{} {} is not the one of torch {}, which is {}: importing it "
                          "fails (undefined symbol, or no operator torchvision::nms)",
                          name, installed->package.version, torch->package.version, wanted),
              fmt::format("install {} {}", name, wanted));
    check.verdict = Verdict::kFail;
    check.evidence = {{"image", describe(*torch)}, {"image", describe(*installed)}};
    check.source =
        "README of pytorch/vision and installation guide of torchaudio: tables of versions";
    checks.push_back(std::move(check));
  }
}

}  // namespace

void rule_runtime_mixed(const Question& question, std::vector<Check>& checks) {
  if (!question.image.contents)
    return;  // one variable of the configuration cannot contradict itself
  judge_torch_family(question.facts->packages, checks);
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

}  // namespace flense::compat

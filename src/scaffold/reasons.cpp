#include "scaffold/reasons.h"

#include <algorithm>
#include <array>
#include <set>

#include "base/format.h"
#include "base/version_numbers.h"

namespace flense::scaffold {

namespace {

using compat::Check;

std::string product_of(const Template& chosen) {
  switch (chosen.stack) {
    case Stack::kTorch:
    case Stack::kRocm:
      return "PyTorch";
    case Stack::kJax:
      return "JAX";
    case Stack::kConda:
      return "PyTorch of conda-forge";
    case Stack::kToolkit:
      break;
  }
  return "CUDA toolkit";
}

std::string version_of(const Template& chosen, const Candidate& candidate) {
  switch (chosen.stack) {
    case Stack::kTorch:
    case Stack::kRocm:
      return fmt::format("{}+{}", candidate.version, candidate.variant);
    case Stack::kJax:
      return fmt::format("{} with its {} plug-in", candidate.version, candidate.variant);
    case Stack::kConda:
      return candidate.version;
    case Stack::kToolkit:
      break;
  }
  return candidate.cuda;
}

std::string why_this(const Template& chosen, const Choice& choice) {
  const bool several = choice.hosts.size() > 1;
  if (chosen.stack != Stack::kToolkit)
    return fmt::format("the newest release of which a build runs on {}",
                       several ? "every host" : choice.hosts.front().name);
  const bool native = std::ranges::all_of(choice.hosts, &HostSide::native);
  if (choice.candidate.ended)
    return "the only one that serves these GPUs and drivers; its image tag may be deleted, as its "
           "driver branch has ended";
  return native ? "the newest that every driver supports itself, with a maintained image"
                : "the newest that runs in minor-version mode, with a maintained image: the "
                  "program holds machine code for each GPU, so no driver compiles any PTX";
}

/// What compat said about each host, the same sentence once.
void add_checks(const Choice& choice, std::vector<Reason>& out) {
  constexpr std::array<std::pair<std::string_view, std::string_view>, 6> kNames = {
      {{"driver-cuda", "driver"},
       {"arch-too-new", "GPU and driver"},
       {"framework-build", "GPU and wheel"},
       {"device-code", "device code"},
       {"rocm-driver", "amdgpu and ROCm"},
       {"rocm-gpu", "GPU and ROCm"}}};
  std::set<std::string> seen;
  for (const HostSide& host : choice.hosts)
    for (const Check& check : host.checks)
      for (const auto& [id, name] : kNames)
        if (check.id == id && seen.insert(check.message).second)
          out.push_back({std::string(name), host.name, check.message, check.source});
}

}  // namespace

std::vector<Reason> reasons_for(const Template& chosen, const Choice& choice,
                                const knowledge::Knowledge& tables, const std::string& base,
                                const std::string& build) {
  std::vector<Reason> out;
  const Candidate& candidate = choice.candidate;
  out.push_back({product_of(chosen), version_of(chosen, candidate), why_this(chosen, choice),
                 candidate.source});
  if (chosen.stack == Stack::kJax || chosen.stack == Stack::kConda)
    out.push_back({"CUDA", candidate.cuda,
                   "what this build was made with; pinned, since its packages would accept any "
                   "newer one, and the driver decides which is too new",
                   candidate.source});
  if (!build.empty())
    out.push_back(
        {"builder image", build, "compilers stay in it: none of it is shipped", candidate.source});
  const char* const why_base =
      chosen.stack == Stack::kToolkit
          ? "nvcc links the CUDA runtime into the program, so no CUDA image is needed below it"
          : "the packages bring their own CUDA or ROCm, so the image below has none";
  std::string source;
  for (const knowledge::PlainImage& row : tables.releases.images)
    if (row.image == base) source = row.source;
  out.push_back({"base image", base, why_base, source});
  add_checks(choice, out);
  if (!choice.march.empty())
    out.push_back({"processor", choice.march,
                   "what the weakest host has; the program's file states an x86-64 level, so that "
                   "the loader and flense check refuse a lesser one",
                   ""});
  for (const HostSide& host : choice.hosts)
    if (host.assumed)
      out.push_back({"driver", host.name,
                     "no driver is named: assumed to be the minimum that this build runs on", ""});
  if (!choice.driver.empty()) {
    const auto major = first_number(candidate.cuda);
    const auto* row = major ? tables.drivers.minor_version(*major) : nullptr;
    out.push_back(
        {"least driver", choice.driver,
         fmt::format("with it CUDA {} and these GPUs work; from {} on the driver supports "
                     "this CUDA itself",
                     major_minor(candidate.cuda), choice.native_driver),
         row == nullptr ? "" : row->source});
  }
  if (const auto& releases = tables.releases.flense; releases.empty())
    out.push_back({"flense", "none",
                   "no release was published when this flense was built: the workflow says where a "
                   "step has to put one, built from its sources, on PATH",
                   ""});
  else
    out.push_back({"flense", releases.front().version,
                   "the newest release, which the workflow downloads and verifies",
                   releases.front().source});
  return out;
}

std::string sentence(const Rejection& rejected) {
  return fmt::format("{} was rejected for {}: {}", rejected.candidate, rejected.host, rejected.why);
}

}  // namespace flense::scaffold

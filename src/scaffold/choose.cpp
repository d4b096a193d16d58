#include "scaffold/choose.h"

#include <algorithm>
#include <set>

#include "base/format.h"
#include "base/version_numbers.h"
#include "compat/facts/driver_mode.h"
#include "compat/facts/facts.h"
#include "compat/judge.h"
#include "knowledge/spelling.h"

namespace flense::scaffold {

using compat::Check;
using compat::Verdict;
using host::Profile;
using knowledge::Knowledge;

namespace {

bool by_version(const std::string& a, const std::string& b) {
  const int order = compare_versions(a, b);
  return order != 0 ? order < 0 : a < b;
}

std::vector<std::string> architectures_of(const Profile& host, std::string_view vendor) {
  std::vector<std::string> out;
  for (const host::Gpu* gpu : compat::gpus_of(host, vendor))
    if (gpu->architecture.value) out.push_back(*gpu->architecture.value);
  std::ranges::sort(out, by_version);
  out.erase(std::unique(out.begin(), out.end()), out.end());
  return out;
}

Failure usage(std::string message, std::string hint) {
  return fail(Code::kUsage, "{}", message).hint(std::move(hint));
}

Result<void> check_vendor(const Template& chosen, const Profile& host) {
  const bool nvidia = chosen.vendor == "nvidia";
  const char* other = nvidia ? "amd" : "nvidia";
  if (compat::gpus_of(host, chosen.vendor).empty() && !compat::gpus_of(host, other).empty())
    return usage(
        fmt::format("{} is for {} GPUs, and {} has {}", chosen.name, nvidia ? "NVIDIA" : "AMD",
                    host.source, compat::gpu_text(*compat::gpus_of(host, other).front())),
        nvidia ? "flense init rocm-pytorch is for AMD"
               : "flense init pytorch-inference is for NVIDIA");
  if (architectures_of(host, chosen.vendor).empty())
    return usage(fmt::format("which GPUs {} has is unknown, or it has none", host.source),
                 fmt::format("name the machine that the image will run on: --host {}",
                             nvidia ? "h100@550.54.15" : "mi300x@6.10.5"));
  if (compat::is_tegra(host))
    return usage(
        fmt::format("{} is an embedded machine: its images are built on NVIDIA's L4T bases, "
                    "which no template has",
                    host.source),
        "name a machine with a discrete GPU");
  return {};
}

/// Images are for one processor: that of the hosts, amd64 where none tells.
Result<std::string> platform_of(const std::vector<Profile>& hosts) {
  std::set<std::string> seen;
  for (const Profile& host : hosts)
    if (host.system.architecture.value)
      seen.insert(*host.system.architecture.value == "aarch64" ? "linux/arm64" : "linux/amd64");
  if (seen.size() > 1)
    return usage("the hosts have processors of two architectures, and an image is for one",
                 "run flense init once for each");
  return seen.empty() ? std::string("linux/amd64") : *seen.begin();
}

bool driver_is_unknown(const Template& chosen, const Profile& host) {
  if (chosen.vendor == "amd") return !host.amd.driver_version.value;
  return !compat::host_driver(host) && !host.nvidia.cuda.value;
}

/// The oldest amdgpu release that a ROCm is supported on.
std::string least_amdgpu(std::string_view rocm, const Knowledge& tables) {
  std::string out;
  for (const knowledge::RocmDriverRow& row : tables.rocm.drivers)
    if (compare_versions(row.rocm_min, rocm) <= 0 && compare_versions(rocm, row.rocm_max) <= 0 &&
        (out.empty() || compare_versions(row.driver, out) < 0))
      out = row.driver;
  return out;
}

/// A host with an unknown driver, given the minimum one that the candidate runs on.
Profile with_least_driver(const Template& chosen, Profile host, const Candidate& candidate,
                          const Knowledge& tables) {
  constexpr const char* kWhy = "the minimum driver for this build";
  if (chosen.vendor == "amd") {
    if (std::string driver = least_amdgpu(candidate.rocm, tables); !driver.empty())
      host.amd.driver_version = host::Text::known(std::move(driver), kWhy);
    return host;
  }
  const std::string driver =
      least_driver(candidate.cuda, architectures_of(host, chosen.vendor), tables);
  if (driver.empty()) return host;
  host.nvidia.module_version = host.nvidia.library_version = host::Text::known(driver, kWhy);
  const auto* branch = tables.drivers.branch(first_number(driver).value_or(0));
  if (branch != nullptr) host.nvidia.cuda = host::Text::known(branch->cuda, branch->source);
  return host;
}

std::string driver_of(const Template& chosen, const Profile& host) {
  if (chosen.vendor == "amd") return host.amd.driver_version.value.value_or("");
  const auto driver = compat::host_driver(host);
  return driver ? driver->version : std::string();
}

bool runs_natively(const Candidate& candidate, const Profile& host, const Knowledge& tables) {
  if (candidate.cuda.empty()) return true;
  const auto driver = compat::host_driver(host);
  return compat::mode_of(tables.drivers, driver ? driver->version : "",
                         host.nvidia.cuda.value.value_or(""),
                         candidate.cuda) == compat::DriverMode::kNative;
}

/// How a candidate compares with others of its version: smaller is better.
struct Rank {
  bool ended = false;
  bool minor_mode = false;
  std::string floor;  ///< least driver, only where a driver is unknown: then the less is asked, the
                      ///< better
  std::string cuda, rocm;
};

bool better(const Rank& a, const Rank& b) {
  if (a.ended != b.ended) return b.ended;
  if (const int order = compare_versions(a.floor, b.floor); order != 0) return order < 0;
  if (a.minor_mode != b.minor_mode) return b.minor_mode;
  if (const int order = compare_versions(a.cuda, b.cuda); order != 0)
    return a.floor.empty() ? order > 0 : order < 0;
  return compare_versions(a.rocm, b.rocm) > 0;
}

struct Side {
  const Profile* told = nullptr;
  Profile judged;
};

std::vector<Side> sides_of(const Template& chosen, const std::vector<Profile>& hosts,
                           const Candidate& candidate, const Knowledge& tables) {
  std::vector<Side> out;
  for (const Profile& host : hosts)
    out.push_back({&host, driver_is_unknown(chosen, host)
                              ? with_least_driver(chosen, host, candidate, tables)
                              : host});
  return out;
}

Rank rank_of(const Template& chosen, const std::vector<Profile>& hosts, const Candidate& candidate,
             const Knowledge& tables) {
  Rank out;
  out.ended = candidate.ended;
  out.cuda = candidate.cuda;
  out.rocm = candidate.rocm;
  for (const Side& side : sides_of(chosen, hosts, candidate, tables)) {
    out.minor_mode = out.minor_mode || !runs_natively(candidate, side.judged, tables);
    if (!driver_is_unknown(chosen, *side.told)) continue;
    const std::string driver = driver_of(chosen, side.judged);
    if (out.floor.empty() || compare_versions(driver, out.floor) > 0) out.floor = driver;
  }
  return out;
}

/// Candidates in the order of preference: newest version, and within one the better rank.
std::vector<Candidate> ordered(const Template& chosen, const std::vector<Profile>& hosts,
                               const Knowledge& tables) {
  std::vector<std::pair<Rank, Candidate>> all;
  for (Candidate& one : candidates(chosen, tables))
    all.emplace_back(rank_of(chosen, hosts, one, tables), std::move(one));
  std::ranges::stable_sort(all, [](const auto& a, const auto& b) {
    const int order = compare_versions(a.second.version, b.second.version);
    return order != 0 ? order > 0 : better(a.first, b.first);
  });
  std::vector<Candidate> out;
  for (auto& [rank, one] : all) out.push_back(std::move(one));
  return out;
}

bool passes(Verdict verdict) {
  return verdict == Verdict::kOk || verdict == Verdict::kWarn;
}

const Check* decisive_check(const compat::HostVerdict& verdict) {
  const Check* out = nullptr;
  for (const Check& check : verdict.checks) {
    if (check.verdict == Verdict::kUnknown && !check.decisive) continue;
    if (out == nullptr || check.verdict > out->verdict) out = &check;
  }
  return out;
}

Rejection rejection(const Candidate& candidate, const std::string& host,
                    const compat::HostVerdict& verdict) {
  const Check* check = decisive_check(verdict);
  if (check == nullptr) return {candidate.name, host, "nothing could be judged", ""};
  return {candidate.name, host, check->message, check->source};
}

HostSide side_of(const Template& chosen, const Candidate& candidate, const Side& side,
                 compat::HostVerdict verdict, const Knowledge& tables) {
  HostSide out;
  out.name = host_words(side.judged, tables);
  out.source = side.told->source;
  out.architectures = architectures_of(side.judged, chosen.vendor);
  out.driver = driver_of(chosen, side.judged);
  out.assumed = driver_is_unknown(chosen, *side.told);
  out.native = runs_natively(candidate, side.judged, tables);
  out.verdict = verdict.verdict;
  out.checks = std::move(verdict.checks);
  return out;
}

Failure nothing_fits(const Template& chosen, const Choice& tried) {
  if (tried.rejected.empty())
    return usage(fmt::format("the tables have no build for {}", chosen.name),
                 "add rows to releases.json (--data)");
  // The last one requires least; whatever rejects even that is the fact to fix.
  const Rejection& last = tried.rejected.back();
  const Rejection& first = tried.rejected.front();
  Failure failure =
      fail(Code::kUsage, "no build of {} runs on {}: {}", chosen.name, last.host, last.why);
  std::vector<std::string>& context = failure.error().context;
  if (!last.source.empty())
    context.push_back(fmt::format("trying {}, by {}", last.candidate, last.source));
  if (first.candidate != last.candidate)
    context.push_back(fmt::format("trying {}: on {} {}", first.candidate, first.host, first.why));
  return std::move(failure).hint(
      tried.hosts.size() > 1
          ? "run flense init for groups of hosts, or update the oldest driver"
          : "update the host's driver, or choose another template (flense init --list)");
}

/// The product's name where the model is one, else the architecture: "h100" of "NVIDIA H100 80GB
/// HBM3".
std::string word_for(const knowledge::Gpus& gpus, const host::Gpu& gpu,
                     const std::string& architecture) {
  const std::string model = knowledge::plain_spelling(gpu.name.value.value_or(""));
  std::string out;
  for (const knowledge::GpuProduct& product : gpus.products)
    if (product.architecture == architecture && product.name.size() > out.size() &&
        model.find(product.name) != std::string::npos)
      out = product.name;
  if (!out.empty()) return out;
  out = architecture;
  if (gpu.vendor == "nvidia") {
    std::erase(out, '.');
    out = "sm_" + out;
  }
  return out;
}

}  // namespace

Result<Choice> choose(const Template& chosen, const std::vector<Profile>& hosts,
                      const Knowledge& tables) {
  Choice out;
  std::set<std::string> architectures;
  for (const Profile& host : hosts) {
    TRY_DO(check_vendor(chosen, host));
    for (std::string& one : architectures_of(host, chosen.vendor)) architectures.insert(one);
  }
  TRY(out.platform, platform_of(hosts));
  out.architectures.assign(architectures.begin(), architectures.end());
  std::ranges::sort(out.architectures, by_version);
  for (Candidate& candidate : ordered(chosen, hosts, tables)) {
    const needs::Needs image =
        described_image(chosen, candidate, out.architectures, out.platform, tables);
    out.hosts.clear();
    bool fits = true;
    for (const Side& side : sides_of(chosen, hosts, candidate, tables)) {
      compat::HostVerdict verdict =
          compat::judge({image, side.judged, tables, compat::Launcher::kDocker, false, nullptr});
      if (!passes(verdict.verdict)) {
        if (fits)
          out.rejected.push_back(rejection(candidate, host_words(*side.told, tables), verdict));
        fits = false;
      }
      out.hosts.push_back(side_of(chosen, candidate, side, std::move(verdict), tables));
    }
    if (!fits) continue;
    if (chosen.vendor == "nvidia") {
      out.driver = least_driver(candidate.cuda, out.architectures, tables);
      const auto* toolkit = tables.drivers.toolkit(major_minor(candidate.cuda));
      if (toolkit != nullptr) out.native_driver = toolkit->driver;
    }
    out.candidate = std::move(candidate);
    return out;
  }
  return nothing_fits(chosen, out);
}

std::string host_words(const Profile& host, const Knowledge& tables) {
  std::vector<std::string> gpus;
  std::string driver;
  for (const host::Gpu& gpu : host.gpus) {
    if (!gpu.architecture.value) continue;
    const std::string& architecture = *gpu.architecture.value;
    const std::string word = word_for(tables.gpus, gpu, architecture);
    if (std::ranges::find(gpus, word) == gpus.end()) gpus.push_back(word);
    if (gpu.vendor == "amd") driver = host.amd.driver_version.value.value_or("");
  }
  if (driver.empty())
    if (const auto known = compat::host_driver(host)) driver = known->version;
  // A profile from a file may contain any text, and these words go into files that others execute.
  if (!is_version(driver)) driver.clear();
  return fmt::format("{}{}{}", fmt::join(gpus, ","), driver.empty() ? "" : "@", driver);
}

}  // namespace flense::scaffold

#include "host/fleet.h"

#include <algorithm>
#include <map>
#include <optional>
#include <set>

#include "base/format.h"
#include "base/numbers.h"
#include "base/version_numbers.h"
#include "host/text_formats.h"

namespace flense::host {

namespace {

/// Nullopt: unknown; empty: does not apply.
using Value = std::optional<std::string>;
using Facts = std::vector<std::pair<const char*, Value>>;

template <class T>
std::string words(const T& value) {
  if constexpr (std::is_same_v<T, bool>)
    return value ? "yes" : "no";
  else
    return fmt::format("{}", value);
}

template <class T>
Value value_of_fact(const Fact<T>& fact) {
  if (fact.value) return words(*fact.value);
  return fact.evidence.empty() ? Value("") : std::nullopt;
}

/// "8 x NVIDIA H100 80GB HBM3 (9.0), 80 GiB"
Value gpus_of(const Profile& host) {
  if (host.gpus.empty()) {
    if (!host.gpu_count.value) return std::nullopt;
    return "none";
  }
  std::map<std::string, std::size_t> kinds;
  for (const Gpu& gpu : host.gpus) {
    std::string kind = gpu.name.value.value_or(gpu.vendor);
    if (gpu.architecture.value) kind += fmt::format(" ({})", *gpu.architecture.value);
    if (gpu.memory_bytes.value)
      kind += fmt::format(", {} GiB", (*gpu.memory_bytes.value + (1u << 29)) >> 30);
    if (gpu.mig.value == true) kind += ", MIG";
    if (gpu.sharing.value)
      kind +=
          fmt::format(", shared by {} ({})", gpu.replicas.value.value_or(0), *gpu.sharing.value);
    ++kinds[kind];
  }
  std::string out;
  for (const auto& [kind, count] : kinds) {
    if (!out.empty()) out += "; ";
    out += host.gpu_count.value ? fmt::format("{} x {}", count, kind) : kind;
  }
  return out;
}

Value engines_of(const Profile& host) {
  std::string out;
  for (const Engine& engine : host.engines)
    out += fmt::format("{}{} {}", out.empty() ? "" : ", ", engine.name,
                       engine.version.value.value_or("?"));
  return out;
}

Value networks_of(const Profile& host) {
  std::map<std::string, std::size_t> kinds;
  for (const Network& card : host.networks)
    ++kinds[fmt::format("{}{}{}", card.link_layer.value.value_or(card.name),
                        card.rate.value ? " " : "", card.rate.value.value_or(""))];
  std::string out;
  for (const auto& [kind, count] : kinds)
    out += fmt::format("{}{} x {}", out.empty() ? "" : "; ", count, kind);
  return out;
}

Value libc_of(const System& system) {
  const Value name = value_of_fact(system.libc), version = value_of_fact(system.libc_version);
  if (!name || !version) return std::nullopt;
  return name->empty() || version->empty() ? *name + *version : *name + " " + *version;
}

Facts facts_of(const Profile& host) {
  return {{"GPUs", gpus_of(host)},
          {"NVIDIA driver", value_of_fact(host.nvidia.module_version)},
          {"libcuda", value_of_fact(host.nvidia.library_version)},
          {"CUDA of the driver", value_of_fact(host.nvidia.cuda)},
          {"kernel module", value_of_fact(host.nvidia.module_kind)},
          {"container toolkit", value_of_fact(host.nvidia.toolkit_version)},
          {"amdgpu", value_of_fact(host.amd.driver_version)},
          {"ROCm", value_of_fact(host.amd.rocm_version)},
          {"kernel", value_of_fact(host.system.kernel)},
          {"architecture", value_of_fact(host.system.architecture)},
          {"distribution", value_of_fact(host.system.distribution)},
          {"libc", libc_of(host.system)},
          {"processor level", value_of_fact(host.system.cpu_level)},
          {"processors", value_of_fact(host.system.cpus)},
          {"cgroups", value_of_fact(host.isolation.cgroups)},
          {"network", networks_of(host)},
          {"engines", engines_of(host)}};
}

/// "90" of "9.0", for comparing; nullopt for AMD.
std::optional<std::uint64_t> capability(const std::string& architecture) {
  const std::size_t dot = architecture.find('.');
  if (dot == std::string::npos) return std::nullopt;
  const auto major = parse_number(architecture.substr(0, dot));
  const auto minor = parse_number(architecture.substr(dot + 1));
  if (!major || !minor || *major > 99 || *minor > 9) return std::nullopt;
  return *major * 10 + *minor;
}

void add_drift(const std::vector<Facts>& facts, Fleet& out) {
  for (std::size_t row = 0; row < facts.front().size(); ++row) {
    std::map<Value, std::vector<std::size_t>> hosts;
    for (std::size_t i = 0; i < facts.size(); ++i) hosts[facts[i][row].second].push_back(i);
    if (hosts.size() < 2) continue;
    Drift drift;
    drift.fact = facts.front()[row].first;
    std::size_t known = 0;
    for (auto& [value, who] : hosts) {
      known += value ? 1U : 0U;
      std::string text = !value ? "?" : value->empty() ? "-" : *value;
      drift.values.push_back({std::move(text), value.has_value(), std::move(who)});
    }
    drift.differs = known > 1;
    std::ranges::stable_sort(drift.values, [](const FleetValue& a, const FleetValue& b) {
      if (a.known != b.known) return a.known;
      return a.hosts.size() > b.hosts.size();
    });
    out.drift.push_back(std::move(drift));
  }
}

void add_groups(const std::vector<Facts>& facts, Fleet& out) {
  std::map<std::vector<Value>, std::size_t> places;
  for (std::size_t i = 0; i < facts.size(); ++i) {
    std::vector<Value> key;
    for (const auto& [name, value] : facts[i]) key.push_back(value);
    const auto [at, fresh] = places.try_emplace(std::move(key), out.groups.size());
    if (fresh) out.groups.emplace_back();
    out.groups[at->second].push_back(i);
  }
  std::ranges::stable_sort(out.groups, std::ranges::greater(), &std::vector<std::size_t>::size);
}

void add_weakest(std::span<const Profile> hosts, Fleet& out) {
  std::optional<std::uint64_t> lowest;
  std::set<std::uint64_t> cuda;
  std::set<std::string> amd;
  for (std::size_t i = 0; i < hosts.size(); ++i) {
    if (const Text& version = hosts[i].nvidia.cuda; version.value) {
      const bool older = out.cuda.text.empty() || !version_at_least(*version.value, out.cuda.text);
      if (older) out.cuda = {*version.value, {}};
      if (version_at_least(out.cuda.text, *version.value)) out.cuda.hosts.push_back(i);
    }
    bool unknown = hosts[i].gpus.empty() && !hosts[i].gpu_count.value;
    bool lowest_here = false;
    for (const Gpu& gpu : hosts[i].gpus) {
      unknown |= !gpu.architecture.value;
      if (!gpu.architecture.value) continue;
      const auto number = capability(*gpu.architecture.value);
      if (!number) {
        amd.insert(*gpu.architecture.value);
        continue;
      }
      cuda.insert(*number);
      if (!lowest || *number < *lowest) {
        lowest = number;
        out.architecture = {fmt::format("sm_{}", *number), {}};
        lowest_here = false;
      }
      if (*number == *lowest && !lowest_here) {
        out.architecture.hosts.push_back(i);
        lowest_here = true;
      }
    }
    if (unknown) out.without_architecture.push_back(i);
  }
  for (const std::uint64_t number : cuda) out.architectures.push_back(fmt::format("sm_{}", number));
  out.architectures.insert(out.architectures.end(), amd.begin(), amd.end());
}

}  // namespace

bool Fleet::equal() const {
  return std::ranges::none_of(drift, &Drift::differs);
}

bool Fleet::undecided() const {
  return equal() && !drift.empty();
}

Fleet compare(std::span<const Profile> hosts) {
  Fleet out;
  if (hosts.empty()) return out;
  std::vector<Facts> facts;
  facts.reserve(hosts.size());
  for (const Profile& host : hosts) facts.push_back(facts_of(host));
  add_drift(facts, out);
  add_groups(facts, out);
  add_weakest(hosts, out);
  return out;
}

}  // namespace flense::host

#include "host/processor.h"

#include <algorithm>
#include <array>
#include <functional>
#include <optional>
#include <set>
#include <string_view>

#include "base/format.h"

namespace flense::host {

namespace {

/// What the setup.py of flash-attention, the hungriest of the common builds, reckons for one job of
/// nvcc with four threads.
constexpr std::uint64_t kBytesPerJob = 9ull << 30;

constexpr auto kAvx = std::to_array<std::string_view>({"none", "avx", "avx2", "avx512"});

bool has(const Profile& host, std::string_view flag) {
  const auto& flags = host.system.cpu_flags.value;
  return flags && std::ranges::find(*flags, flag) != flags->end();
}

/// 1 to 4 of "x86-64-v1" to "x86-64-v4".
std::optional<unsigned> x86_level(const Profile& host) {
  const std::string level = host.system.cpu_level.value.value_or("");
  if (level.size() != 9 || !level.starts_with("x86-64-v")) return std::nullopt;
  const char digit = level.back();
  return digit >= '1' && digit <= '4' ? std::optional(static_cast<unsigned>(digit - '0'))
                                      : std::nullopt;
}

/// By what GCC's manual says of -march=armv8.1-a: crc, lse and rdma, which the kernel calls so.
std::optional<unsigned> arm_level(const Profile& host) {
  if (!host.system.cpu_flags.value) return std::nullopt;
  return has(host, "crc32") && has(host, "atomics") && has(host, "asimdrdm") ? 1U : 0U;
}

/// Place in kAvx. Frameworks that have code for AVX-512 ask for all of level 4.
std::optional<unsigned> avx_of(const Profile& host) {
  const auto level = x86_level(host);
  if (level && *level >= 3) return *level - 1;
  if (!host.system.cpu_flags.value) return std::nullopt;
  return has(host, "avx2") ? 2U : has(host, "avx") ? 1U : 0U;
}

std::optional<std::uint64_t> jobs_of(const Profile& host) {
  const Number &cpus = host.system.cpus, &memory = host.system.memory_bytes;
  if (!cpus.value || !memory.value) return std::nullopt;
  return std::max<std::uint64_t>(1, std::min(*cpus.value, *memory.value / kBytesPerJob));
}

/// The least of all, or why there is none. Where no machine tells there is nothing to say.
template <class T>
std::optional<T> least(std::span<const Profile> hosts,
                       const std::function<std::optional<T>(const Profile&)>& of,
                       std::string_view what, std::string& unknown) {
  std::optional<T> out;
  const Profile* silent = nullptr;
  for (const Profile& host : hosts) {
    const std::optional<T> value = of(host);
    if (!value && silent == nullptr) silent = &host;
    if (value && (!out || *value < *out)) out = value;
  }
  if (!out || silent == nullptr) return out;
  unknown = fmt::format("{} of '{}' is unknown", what, silent->source);
  return std::nullopt;
}

}  // namespace

Processor weakest_processor(std::span<const Profile> hosts) {
  Processor out;
  std::set<std::string> kinds;
  for (const Profile& host : hosts)
    if (const Text& kind = host.system.architecture; kind.value) kinds.insert(*kind.value);
  if (kinds.size() > 1) {
    out.march_unknown = fmt::format("the machines are {}, and one image serves one of them",
                                    fmt::join(kinds, " and "));
    return out;
  }
  if (!kinds.empty() && *kinds.begin() == "aarch64") {
    if (const auto level = least<unsigned>(hosts, arm_level, "the processor", out.march_unknown))
      out.march = *level == 0 ? "armv8-a" : "armv8.1-a";
    return out;
  }
  if (const auto level = least<unsigned>(hosts, x86_level, "the processor", out.march_unknown))
    out.march = *level == 1 ? std::string("x86-64") : fmt::format("x86-64-v{}", *level);
  if (const auto avx = least<unsigned>(hosts, avx_of, "the processor", out.avx_unknown))
    out.avx = kAvx[*avx];
  return out;
}

BuildJobs build_jobs(std::span<const Profile> hosts) {
  BuildJobs out;
  out.jobs = least<std::uint64_t>(hosts, jobs_of, "memory or number of processors", out.unknown)
                 .value_or(0);
  return out;
}

}  // namespace flense::host

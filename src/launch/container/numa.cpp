#include "launch/container/numa.h"

#include <linux/mempolicy.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <climits>
#include <iterator>

namespace flense::launch {

namespace {

constexpr unsigned kMostNumber = 65535;
/// Old kernels refuse masks beyond their own size: 1024 nodes are CONFIG_NODES_SHIFT's most.
constexpr std::size_t kNodeBits = 1024;
/// Since this version crun resets the affinity of what it starts.
constexpr Version kResettingCrun{1, 9, 2};
constexpr std::size_t kPlacingWords = 4;

std::optional<unsigned> parse_one(std::string_view text) {
  unsigned out = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  if (error != std::errc() || end != text.data() + text.size() || out > kMostNumber)
    return std::nullopt;
  return out;
}

/// The GPU that a node of /dev is; nullptr for control nodes and others.
const host::Gpu* gpu_of(const host::Profile& profile, std::string_view node) {
  constexpr std::pair<std::string_view, std::string_view> kNodes[] = {{"nvidia", "/dev/nvidia"},
                                                                      {"amd", "/dev/dri/renderD"}};
  for (const auto& [vendor, front] : kNodes) {
    if (!node.starts_with(front)) continue;
    const auto minor = parse_one(node.substr(front.size()));
    if (!minor) continue;
    for (const host::Gpu& gpu : profile.gpus)
      if (gpu.vendor == vendor && gpu.minor.value == *minor) return &gpu;
  }
  return nullptr;
}

std::optional<std::set<unsigned>> cpus_of(const host::Tree& sys, const std::string& file) {
  const auto text = sys.read(file);
  if (!text) return std::nullopt;
  return parse_list(std::string_view(*text).substr(0, text->find('\n')));
}

}  // namespace

std::optional<std::set<unsigned>> parse_list(std::string_view text) {
  std::set<unsigned> out;
  while (!text.empty()) {
    const std::size_t comma = text.find(',');
    const std::string_view part = text.substr(0, comma);
    if (comma != std::string_view::npos && comma + 1 == text.size()) return std::nullopt;
    text = comma == std::string_view::npos ? std::string_view() : text.substr(comma + 1);
    const std::size_t dash = part.find('-');
    const auto first = parse_one(part.substr(0, dash));
    const auto last = dash == std::string_view::npos ? first : parse_one(part.substr(dash + 1));
    if (!first || !last || *first > *last) return std::nullopt;
    for (unsigned number = *first; number <= *last; ++number) out.insert(number);
  }
  return out;
}

std::string list_text(const std::set<unsigned>& numbers) {
  std::string out;
  for (auto at = numbers.begin(); at != numbers.end();) {
    const unsigned first = *at;
    unsigned last = first;
    for (++at; at != numbers.end() && *at == last + 1; ++at) last = *at;
    if (!out.empty()) out += ',';
    out += first == last ? fmt::format("{}", first) : fmt::format("{}-{}", first, last);
  }
  return out;
}

PlacementPlan plan_placement(const host::Profile& profile, const host::Tree& sys,
                             const std::vector<std::string>& nodes,
                             const std::set<unsigned>& allowed) {
  PlacementPlan out;
  const auto nothing = [&](std::string why) {
    out.notices.push_back(fmt::format("--bind-numa binds nothing: {}", why));
    return out;
  };
  std::set<unsigned> near, cpus;
  std::set<std::string> gpus;
  for (const std::string& node : nodes) {
    const host::Gpu* gpu = gpu_of(profile, node);
    if (gpu == nullptr) continue;
    const std::string name = gpu->pci_address.value.value_or(node);
    if (!gpu->numa_node.value || *gpu->numa_node.value > kMostNumber)
      return nothing(
          fmt::format("the NUMA node of {} is unknown, {}", name, gpu->numa_node.evidence));
    gpus.insert(name);
    near.insert(static_cast<unsigned>(*gpu->numa_node.value));
  }
  if (gpus.empty()) return nothing("no device is a GPU with a known location");
  for (const unsigned node : near) {
    const std::string file = fmt::format("devices/system/node/node{}/cpulist", node);
    const auto its = cpus_of(sys, file);
    if (!its) return nothing(fmt::format("{} is not a list of processors", sys.label(file)));
    cpus.insert(its->begin(), its->end());
  }
  if (cpus.empty()) return nothing(fmt::format("NUMA node {} has no processors", list_text(near)));
  std::set<unsigned> usable;
  std::ranges::set_intersection(cpus, allowed, std::inserter(usable, usable.end()));
  if (usable.empty())
    return nothing(fmt::format("none of the processors {} of NUMA node {} is ours; ours are {}",
                               list_text(cpus), list_text(near), list_text(allowed)));
  out.placement = Placement{list_text(usable), list_text(near)};
  out.reasons.push_back(
      fmt::format("numa: {} at node {}: processors {}, and memory of that node first (--bind-numa)",
                  fmt::join(gpus, ", "), out.placement->nodes, out.placement->cpus));
  return out;
}

std::set<unsigned> allowed_cpus() {
  std::set<unsigned> out;
  // The kernel refuses a set smaller than its own.
  for (std::size_t count = 1024; count <= kMostNumber + 1; count *= 2) {
    cpu_set_t* set = CPU_ALLOC(count);
    if (set == nullptr) return out;
    const std::size_t size = CPU_ALLOC_SIZE(count);
    const bool known = ::sched_getaffinity(0, size, set) == 0;
    if (known)
      for (unsigned cpu = 0; cpu < count; ++cpu)
        if (CPU_ISSET_S(cpu, size, set)) out.insert(cpu);
    CPU_FREE(set);
    if (known || errno != EINVAL) break;
  }
  return out;
}

std::optional<Placement> inherited_placement(const Engine& engine, const host::Tree& sys,
                                             const std::set<unsigned>& allowed) {
  if (engine.version < kResettingCrun || allowed.empty()) return std::nullopt;
  const auto online = cpus_of(sys, "devices/system/cpu/online");
  if (!online || *online == allowed) return std::nullopt;
  return Placement{list_text(allowed), ""};
}

std::vector<std::string> placing_words(const Placement& placement) {
  return {kPlacer, std::string(kPlaceWord), placement.cpus, placement.nodes};
}

std::vector<std::string> placing_words_of(const std::vector<std::string>& args) {
  if (args.size() <= kPlacingWords || args[0] != kPlacer || args[1] != kPlaceWord) return {};
  return {args.begin(), args.begin() + kPlacingWords};
}

Result<std::vector<std::string>> place_here(const Placement& placement) {
  std::vector<std::string> notices;
  const auto cpus = parse_list(placement.cpus), nodes = parse_list(placement.nodes);
  if (!cpus || cpus->empty() || !nodes)
    return fail(Code::kUsage, "'{}' and '{}' are not lists of processors and NUMA nodes",
                placement.cpus, placement.nodes);
  const std::size_t count = *cpus->rbegin() + 1;
  cpu_set_t* set = CPU_ALLOC(count);
  const std::size_t size = CPU_ALLOC_SIZE(count);
  if (set == nullptr) return system_error(ENOMEM, "cannot choose processors");
  CPU_ZERO_S(size, set);
  for (const unsigned cpu : *cpus) CPU_SET_S(cpu, size, set);
  const bool bound = ::sched_setaffinity(0, size, set) == 0;
  const int error = errno;
  CPU_FREE(set);
  if (!bound) return system_error(error, "cannot run on the processors " + placement.cpus);
  if (nodes->empty()) return notices;

  constexpr std::size_t kWordBits = sizeof(unsigned long) * CHAR_BIT;
  std::vector<unsigned long> mask(kNodeBits / kWordBits);
  for (const unsigned node : *nodes)
    if (node < kNodeBits) mask[node / kWordBits] |= 1UL << (node % kWordBits);
  // Preferred, not bound: a full node then costs time instead of killing a process.
  long done = ::syscall(SYS_set_mempolicy, MPOL_PREFERRED_MANY, mask.data(), kNodeBits + 1);
  if (done != 0 && errno == EINVAL && nodes->size() == 1)  // before Linux 5.15
    done = ::syscall(SYS_set_mempolicy, MPOL_PREFERRED, mask.data(), kNodeBits + 1);
  if (done != 0)
    notices.push_back(
        system_error(errno, "memory of NUMA node " + placement.nodes + " cannot be preferred")
            .error()
            .message);
  return notices;
}

}  // namespace flense::launch

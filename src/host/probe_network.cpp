// InfiniBand and RoCE cards, and their distance from each GPU.
#include <map>

#include "base/format.h"
#include "base/numbers.h"
#include "base/path.h"
#include "host/probe.h"
#include "host/probe_support.h"

namespace flense::host {

namespace {

constexpr std::size_t kMaxNumaNodes = 1024;

/// NUMA nodes in order, each with its row of distances. A row counts the nodes that are online, not
/// their numbers, so that both are needed.
std::map<std::uint64_t, std::vector<std::uint64_t>> numa_rows(const Tree& sys) {
  std::map<std::uint64_t, std::vector<std::uint64_t>> out;
  for (const std::string& name : sys.list("devices/system/node")) {
    const auto number = name.starts_with("node") ? parse_number(name.substr(4)) : std::nullopt;
    if (!number || out.size() >= kMaxNumaNodes) continue;
    std::vector<std::uint64_t>& row = out[*number];
    const Result<std::string> text = sys.read("devices/system/node/" + name + "/distance");
    if (!text) continue;
    std::string_view rest = *text;
    while (!rest.empty() && row.size() < kMaxNumaNodes) {
      const std::size_t end = rest.find_first_of(" \n");
      if (const auto distance = parse_number(rest.substr(0, end))) row.push_back(*distance);
      if (end == std::string_view::npos) break;
      rest.remove_prefix(end + 1);
    }
  }
  return out;
}

}  // namespace

std::vector<Network> probe_networks(const Machine& machine, const std::vector<Gpu>& gpus) {
  const Tree& sys = machine.sys;
  const auto rows = numa_rows(sys);
  const auto distance = [&](std::uint64_t from, std::uint64_t to) -> std::optional<std::uint64_t> {
    const auto row = rows.find(from), column = rows.find(to);
    if (row == rows.end() || column == rows.end()) return std::nullopt;
    const auto index = static_cast<std::size_t>(std::distance(rows.begin(), column));
    return index < row->second.size() ? std::optional(row->second[index]) : std::nullopt;
  };

  std::vector<Network> out;
  for (const std::string& name : sys.list("class/infiniband")) {
    const std::string folder = "class/infiniband/" + name;
    Network card;
    card.name = clean(name);
    const auto device = sys.resolve(folder + "/device");
    const auto address = device ? pci_address(base_name(*device)) : std::nullopt;
    card.pci_address = address ? Text::known(*address, sys.label(folder + "/device"))
                               : Text::unknown(sys.label(folder) + " names no PCI function");
    card.numa_node = numa_fact(sys, folder + "/device/numa_node");
    // In practice all ports of a card are of one kind; the first stands for all.
    const std::string port = folder + "/ports/1";
    card.link_layer = text_fact(sys, port + "/link_layer");
    card.state = text_fact(sys, port + "/state");
    card.rate = text_fact(sys, port + "/rate");
    // "4: ACTIVE"
    if (card.state.value && card.state.value->find(": ") != std::string::npos)
      card.state.value->erase(0, card.state.value->find(": ") + 2);
    card.firmware = text_fact(sys, folder + "/fw_ver");
    for (const Gpu& gpu : gpus) {
      if (!card.numa_node.value || !gpu.numa_node.value || !gpu.pci_address.value) continue;
      if (const auto numa = distance(*card.numa_node.value, *gpu.numa_node.value))
        card.distances.push_back({*gpu.pci_address.value, *numa});
    }
    out.push_back(std::move(card));
  }
  return out;
}

}  // namespace flense::host

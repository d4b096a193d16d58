#include "host/mig_query.h"

#include <algorithm>
#include <map>
#include <optional>

#include "base/ascii.h"
#include "base/format.h"
#include "base/numbers.h"
#include "host/driver_query.h"
#include "host/text_formats.h"

namespace flense::host {

namespace {

constexpr std::size_t kMostInstances = 4096;

/// "Index    : 0" -> {"Index", "0"}.
std::pair<std::string, std::string> pair_of(std::string_view line) {
  const std::size_t colon = line.find(':');
  if (colon == std::string_view::npos) return {clean(line), {}};
  return {clean(line.substr(0, colon)), clean(line.substr(colon + 1))};
}

bool is_mig_uuid(std::string_view text) {
  return text.starts_with("MIG-") && text.size() <= 64 && std::ranges::all_of(text, [](char c) {
           return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || c == '-' || c == '/' ||
                  (c >= 'A' && c <= 'Z');
         });
}

/// What `nvidia-smi -q` says of one instance, as far as it has been read.
struct Block {
  std::optional<std::uint64_t> index, gpu_instance, compute_instance;
};

/// The addresses of the GPUs in the order of the answer, and all but the UUIDs.
std::vector<std::string> parse_query(std::string_view query, MigAnswer& out) {
  std::vector<std::string> addresses;
  std::string section;
  Block block;
  const auto finish = [&] {
    if (block.index && block.gpu_instance && block.compute_instance && !addresses.empty() &&
        out.instances.size() < kMostInstances)
      out.instances.push_back(
          {addresses.back(), *block.index, *block.gpu_instance, *block.compute_instance, ""});
    block = {};
  };
  while (!query.empty()) {
    const std::string_view line = take_line(query);
    if (line.starts_with("GPU ")) {
      finish();
      section.clear();
      const auto address = pci_address(kernel_address(clean(line.substr(4))));
      addresses.push_back(address.value_or(std::string()));
      continue;
    }
    const auto [key, value] = pair_of(line);
    if (line.find(':') == std::string_view::npos) {
      if (key == "MIG Device" || key == "MIG Mode") {
        finish();
        section = key;
      } else if (section == "MIG Mode") {
        section.clear();
      }
      continue;
    }
    if (section == "MIG Mode" && key == "Current" && value == "Enabled" && !addresses.empty())
      out.enabled.insert(addresses.back());
    if (section != "MIG Device") continue;
    if (key == "Index" && !block.index) block.index = parse_number(value);
    if (key == "GPU Instance ID" && !block.gpu_instance) block.gpu_instance = parse_number(value);
    if (key == "Compute Instance ID" && !block.compute_instance)
      block.compute_instance = parse_number(value);
  }
  finish();
  return addresses;
}

}  // namespace

MigAnswer parse_mig(std::string_view query, std::string_view list) {
  MigAnswer out;
  const std::vector<std::string> addresses = parse_query(query, out);
  out.enabled.erase(std::string());
  std::erase_if(out.instances, [](const MigInstance& one) { return one.pci_address.empty(); });

  std::map<std::pair<std::string, std::uint64_t>, std::string> uuids;
  std::string address;
  while (!list.empty()) {
    const std::string line = clean(take_line(list), 512);
    if (line.starts_with("GPU ")) {
      const auto index = parse_number(line.substr(4, line.find(':') - 4));
      address = index && *index < addresses.size() ? addresses[*index] : std::string();
    } else if (line.starts_with("MIG ") && !address.empty()) {
      constexpr std::string_view kDevice = "Device", kUuid = "(UUID: ";
      const std::size_t device = line.find(kDevice), uuid = line.find(kUuid);
      if (device == std::string::npos || uuid == std::string::npos || uuid < device) continue;
      const std::string_view number =
          std::string_view(line).substr(device + kDevice.size(), uuid - device - kDevice.size());
      const std::string_view rest = std::string_view(line).substr(uuid + kUuid.size());
      const std::string_view name = rest.substr(0, rest.find(')'));
      const auto index = parse_number(number.substr(0, number.find(':')));
      if (index && is_mig_uuid(name)) uuids.emplace(std::pair(address, *index), name);
    }
  }
  for (MigInstance& one : out.instances)
    if (const auto at = uuids.find({one.pci_address, one.index}); at != uuids.end())
      one.uuid = at->second;
  std::ranges::sort(out.instances, {},
                    [](const MigInstance& one) { return std::tuple(one.pci_address, one.index); });
  return out;
}

Result<MigAnswer> ask_mig() {
  TRY(const std::string query, ask_nvidia_smi({"-q"}));
  TRY(const std::string list, ask_nvidia_smi({"-L"}));
  return parse_mig(query, list);
}

}  // namespace flense::host

#include "knowledge/instances.h"

#include <algorithm>

#include "base/ascii.h"
#include "base/format.h"
#include "knowledge/table_rows.h"

namespace flense::knowledge {

namespace {

std::string source_of(const TableSet& tables, std::string_view table, const text::Json& row) {
  const std::string_view confidence = row["confidence"].text("high");
  return fmt::format(
      "{}.json, {}{}", table, tables.state(table, row),
      confidence == "high" ? std::string() : fmt::format(", confidence {}", confidence));
}

}  // namespace

Instances Instances::read(const TableSet& tables) {
  Instances out;
  for (const text::Json& row : tables.table("instances")["types"]["rows"].items())
    out.types.push_back({text_at(row, "provider"), text_at(row, "type"), text_at(row, "gpu"),
                         row["count"].unsigned_or(0), row["memory_gib"].unsigned_or(0) << 30,
                         text_at(row, "cpu"), text_at(row, "rdma"),
                         source_of(tables, "instances", row)});
  for (const text::Json& row : tables.table("amd_pci_ids")["devices"]["rows"].items())
    out.amd_devices.push_back({text_at(row, "id"), text_at(row, "name"),
                               text_at(row, "architecture"),
                               source_of(tables, "amd_pci_ids", row)});
  return out;
}

const InstanceType* Instances::find(std::string_view provider, std::string_view type) const {
  const std::string wanted_provider = to_lower(provider), wanted = to_lower(type);
  for (const InstanceType& one : types)
    if (one.provider == wanted_provider && to_lower(one.type) == wanted) return &one;
  return nullptr;
}

std::vector<std::string> Instances::providers() const {
  std::vector<std::string> out;
  for (const InstanceType& one : types)
    if (std::ranges::find(out, one.provider) == out.end()) out.push_back(one.provider);
  return out;
}

const AmdDevice* Instances::amd_device(std::string_view id) const {
  const auto at = std::ranges::find(amd_devices, to_lower(id), &AmdDevice::id);
  return at == amd_devices.end() ? nullptr : &*at;
}

}  // namespace flense::knowledge

#include "knowledge/instances.h"

#include <algorithm>

#include "base/ascii.h"
#include "base/format.h"
#include "knowledge/tables.h"
#include "text/json.h"

namespace flense::knowledge {

namespace {

std::string source_of(std::string_view table, const text::Json& json, const text::Json& row) {
  const std::string_view confidence = row["confidence"].text("high");
  return fmt::format(
      "{}, {}{}", table, json["date"].text(),
      confidence == "high" ? std::string() : fmt::format(", confidence {}", confidence));
}

std::vector<InstanceType> load_instances() {
  std::vector<InstanceType> out;
  const auto json = text::parse_json(embedded_table("instances"), "data/instances.json");
  if (!json) return out;
  for (const text::Json& row : (*json)["types"]["rows"].items()) {
    InstanceType type;
    type.provider = row["provider"].text();
    type.type = row["type"].text();
    type.gpu = row["gpu"].text();
    type.count = row["count"].unsigned_or(0);
    type.memory_bytes = row["memory_gib"].unsigned_or(0) << 30;
    type.cpu = row["cpu"].text();
    type.rdma = row["rdma"].text();
    type.source = source_of("instances.json", *json, row);
    out.push_back(std::move(type));
  }
  return out;
}

std::vector<AmdDevice> load_devices() {
  std::vector<AmdDevice> out;
  const auto json = text::parse_json(embedded_table("amd_pci_ids"), "data/amd_pci_ids.json");
  if (!json) return out;
  for (const text::Json& row : (*json)["devices"]["rows"].items())
    out.push_back({std::string(row["id"].text()), std::string(row["name"].text()),
                   std::string(row["architecture"].text()),
                   source_of("amd_pci_ids.json", *json, row)});
  return out;
}

}  // namespace

const std::vector<InstanceType>& instance_types() {
  static const std::vector<InstanceType> types = load_instances();
  return types;
}

const InstanceType* find_instance(std::string_view provider, std::string_view type) {
  const std::string wanted_provider = to_lower(provider), wanted = to_lower(type);
  for (const InstanceType& one : instance_types())
    if (one.provider == wanted_provider && to_lower(one.type) == wanted) return &one;
  return nullptr;
}

std::vector<std::string> instance_providers() {
  std::vector<std::string> out;
  for (const InstanceType& one : instance_types())
    if (std::ranges::find(out, one.provider) == out.end()) out.push_back(one.provider);
  return out;
}

const AmdDevice* find_amd_device(std::string_view id) {
  static const std::vector<AmdDevice> devices = load_devices();
  const auto at = std::ranges::find(devices, to_lower(id), &AmdDevice::id);
  return at == devices.end() ? nullptr : &*at;
}

}  // namespace flense::knowledge

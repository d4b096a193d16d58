#include "knowledge/rocm.h"

#include <algorithm>

#include "base/version_numbers.h"
#include "knowledge/table_rows.h"

namespace flense::knowledge {

using text::Json;

Rocm Rocm::read(const TableSet& tables) {
  Rocm out;
  const TableRows drivers(tables, "rocm", "drivers");
  drivers.each([&](const Json& row) {
    const std::string name = text_at(row, "driver");
    out.drivers.push_back({name, text_at(row, "rocm_min"), text_at(row, "rocm_max"),
                           drivers.source(row, "amdgpu " + name)});
  });
  const TableRows modules(tables, "rocm", "modules");
  modules.each([&](const Json& row) {
    const std::string name = text_at(row, "module");
    out.modules.push_back({name, text_at(row, "driver"), modules.source(row, "module " + name)});
  });
  const TableRows gpus(tables, "rocm", "gpus");
  gpus.each([&](const Json& row) {
    const std::string from = text_at(row, "rocm_min"), to = text_at(row, "rocm_max");
    out.gpus.push_back(
        {from, to, texts_at(row, "gfx"), gpus.source(row, "ROCm " + from + " to " + to)});
  });
  const TableRows first(tables, "rocm", "first_drivers");
  first.each([&](const Json& row) {
    const std::string name = text_at(row, "driver");
    out.first_drivers.push_back({name, texts_at(row, "gfx"), first.source(row, "amdgpu " + name)});
  });
  const TableRows generic(tables, "rocm", "generic");
  generic.each([&](const Json& row) {
    const std::string name = text_at(row, "target");
    out.generic.push_back({name, texts_at(row, "gfx"), generic.source(row, name)});
  });
  return out;
}

const RocmModuleRow* Rocm::module(std::string_view version) const {
  for (const RocmModuleRow& row : modules)
    if (within(version, row.module, row.module)) return &row;
  return nullptr;
}

std::vector<const RocmDriverRow*> Rocm::rows_of(std::string_view driver) const {
  std::vector<const RocmDriverRow*> out;
  for (const RocmDriverRow& row : drivers)
    if (within(driver, row.driver, row.driver)) out.push_back(&row);
  return out;
}

const RocmGpuRow* Rocm::gpus_of(std::string_view rocm) const {
  for (const RocmGpuRow& row : gpus)
    if (within(rocm, row.rocm_min, row.rocm_max)) return &row;
  return nullptr;
}

const RocmFirstDriverRow* Rocm::first_driver(std::string_view gfx) const {
  for (const RocmFirstDriverRow& row : first_drivers)
    if (std::ranges::find(row.gfx, gfx) != row.gfx.end()) return &row;
  return nullptr;
}

const GenericTargetRow* Rocm::generic_target(std::string_view target) const {
  const auto at = std::ranges::find(generic, target, &GenericTargetRow::target);
  return at == generic.end() ? nullptr : &*at;
}

const GenericTargetRow* Rocm::generic_for(std::string_view gfx) const {
  for (const GenericTargetRow& row : generic)
    if (std::ranges::find(row.gfx, gfx) != row.gfx.end()) return &row;
  return nullptr;
}

std::string Rocm::newest() const {
  std::string out;
  for (const RocmDriverRow& row : drivers)
    if (out.empty() || compare_versions(row.rocm_max, out) > 0) out = row.rocm_max;
  return out;
}

}  // namespace flense::knowledge

#include "knowledge/glibc.h"

#include <algorithm>

#include "base/format.h"
#include "knowledge/table_rows.h"

namespace flense::knowledge {

using text::Json;

Glibc Glibc::read(const TableSet& tables) {
  Glibc out;
  const TableRows distributions(tables, "glibc", "distributions");
  distributions.each([&](const Json& row) {
    DistributionRow made{text_at(row, "id"),
                         text_at(row, "name"),
                         text_at(row, "version"),
                         text_at(row, "glibc"),
                         {}};
    made.source = distributions.source(row, made.name + " " + made.version);
    out.distributions.push_back(std::move(made));
  });
  const TableRows drivers(tables, "glibc", "driver_libraries");
  drivers.each([&](const Json& row) {
    const std::string name = text_at(row, "driver");
    out.drivers.push_back({row["branch"].unsigned_or(0), name, text_at(row, "glibc"),
                           drivers.source(row, "driver " + name)});
  });
  const TableRows cuda(tables, "glibc", "cuda");
  cuda.each([&](const Json& row) {
    const std::uint64_t major = row["cuda"].unsigned_or(0);
    out.cuda.push_back(
        {major, text_at(row, "glibc"), cuda.source(row, fmt::format("CUDA {}", major))});
  });
  const TableRows kernels(tables, "glibc", "kernels");
  kernels.each([&](const Json& row) {
    const std::string glibc = text_at(row, "glibc");
    out.floors.push_back({glibc,
                          {},
                          text_at(row, "kernel"),
                          kernels.source(row, "glibc " + glibc),
                          row["refuses"].bool_or(false)});
  });
  const TableRows engines(tables, "glibc", "engines");
  engines.each([&](const Json& row) {
    const std::string glibc = text_at(row, "glibc"), engine = text_at(row, "engine");
    out.floors.push_back(
        {glibc, engine, text_at(row, "version"), engines.source(row, engine + ", glibc " + glibc)});
  });
  return out;
}

const DistributionRow* Glibc::by_name(std::string_view pretty_name) const {
  for (const DistributionRow& row : distributions) {
    if (!pretty_name.starts_with(row.name)) continue;
    std::string_view rest = pretty_name.substr(row.name.size());
    // "Red Hat Enterprise Linux release 9.4 (Plow)" and "Red Hat Enterprise Linux 9.4 (Plow)".
    const std::size_t digit = rest.find_first_of("0123456789");
    if (digit == std::string_view::npos) continue;
    rest.remove_prefix(digit);
    if (within(rest.substr(0, rest.find_first_not_of("0123456789.")), row.version, row.version))
      return &row;
  }
  return nullptr;
}

const DistributionRow* Glibc::by_id(std::string_view id, std::string_view version) const {
  for (const DistributionRow& row : distributions)
    if (row.id == id && within(version, row.version, row.version)) return &row;
  return nullptr;
}

const DriverLibcRow* Glibc::driver(std::uint64_t branch) const {
  const DriverLibcRow* best = nullptr;
  for (const DriverLibcRow& row : drivers)
    if (row.branch <= branch && (best == nullptr || row.branch > best->branch)) best = &row;
  return best;
}

bool Glibc::measured(std::uint64_t branch) const {
  return std::ranges::any_of(drivers,
                             [&](const DriverLibcRow& row) { return row.branch >= branch; });
}

const CudaLibcRow* Glibc::newest_cuda() const {
  const auto at = std::ranges::max_element(cuda, {}, &CudaLibcRow::cuda);
  return at == cuda.end() ? nullptr : &*at;
}

const CudaLibcRow* Glibc::of_cuda(std::uint64_t major) const {
  for (const CudaLibcRow& row : cuda)
    if (row.cuda == major) return &row;
  return nullptr;
}

}  // namespace flense::knowledge

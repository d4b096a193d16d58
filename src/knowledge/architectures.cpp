#include "knowledge/architectures.h"

#include <algorithm>
#include <charconv>

#include "base/format.h"
#include "base/version_numbers.h"
#include "knowledge/drivers.h"

namespace flense::knowledge {

using text::Json;

namespace {

/// 0 for what is no number.
std::uint64_t hexadecimal(std::string_view text) {
  std::uint64_t out = 0;
  std::from_chars(text.data(), text.data() + text.size(), out, 16);
  return out;
}

}  // namespace

Architectures Architectures::read(const TableSet& tables) {
  constexpr std::string_view kTable = "gpu_arch";
  Architectures out;
  const Json& table = tables.table(kTable);
  out.date = table["date"].text();
  for (const Json& row : table["architectures"]["rows"].items()) {
    if (row["vendor"].text() != "nvidia") continue;
    ArchitectureRow made;
    made.architecture = row["architecture"].text();
    made.codename = row["codename"].text();
    made.cpu = row["cpu"].text();
    made.first_cuda = row["first_cuda"].text();
    // Under its new number toolkits go on compiling for it.
    made.renamed_to = row["renamed_to"].text();
    (made.renamed_to.empty() ? made.last_cuda : made.renamed_after) = row["last_cuda"].text();
    made.least_driver = row["least_driver"].text();
    if (const auto branch = row["least_driver_branch"].unsigned_or(0);
        branch != 0 && made.least_driver.empty())
      made.least_driver = fmt::format("{}", branch);
    made.least_driver_confidence = row["least_driver_confidence"].text("high");
    made.last_driver_branch = row["last_driver_branch"].unsigned_or(0);
    made.source = row_source(tables, kTable, "architectures", made.architecture, row);
    out.rows.push_back(std::move(made));
  }
  for (const Json& row : table["ptx"]["rows"].items()) {
    const std::string isa(row["isa"].text());
    out.ptx.push_back({isa, std::string(row["cuda"].text()),
                       row_source(tables, kTable, "ptx", "PTX ISA " + isa, row)});
  }
  for (const Json& row : table["old_chips"]["rows"].items())
    out.old_chips.push_back({hexadecimal(row["first"].text()), hexadecimal(row["last"].text()),
                             std::string(row["codename"].text())});
  return out;
}

const ArchitectureRow* Architectures::of_old_chip(std::string_view pci_id) const {
  constexpr std::string_view kVendor = "10de:";
  if (!pci_id.starts_with(kVendor)) return nullptr;
  const std::uint64_t device = hexadecimal(pci_id.substr(kVendor.size()));
  const auto chips = std::ranges::find_if(
      old_chips, [&](const OldChips& one) { return one.first <= device && device <= one.last; });
  if (chips == old_chips.end()) return nullptr;
  const auto at = std::ranges::find(rows, chips->codename, &ArchitectureRow::codename);
  return at == rows.end() ? nullptr : &*at;
}

const ArchitectureRow* Architectures::find(std::string_view architecture) const {
  const auto at = std::ranges::find(rows, architecture, &ArchitectureRow::architecture);
  return at == rows.end() ? nullptr : &*at;
}

const PtxRow* Architectures::ptx_of_cuda(std::string_view cuda) const {
  const PtxRow* out = nullptr;
  for (const PtxRow& row : ptx)
    if (version_at_least(cuda, row.cuda) &&
        (out == nullptr || compare_versions(row.isa, out->isa) > 0))
      out = &row;
  return out;
}

const PtxRow* Architectures::ptx_of_isa(std::string_view isa) const {
  const PtxRow* out = nullptr;
  for (const PtxRow& row : ptx)
    if (version_at_least(row.isa, isa) &&
        (out == nullptr || compare_versions(row.isa, out->isa) < 0))
      out = &row;
  return out;
}

const PtxRow* Architectures::newest_ptx() const {
  const auto at = std::ranges::max_element(
      ptx, [](const PtxRow& a, const PtxRow& b) { return compare_versions(a.isa, b.isa) < 0; });
  return at == ptx.end() ? nullptr : &*at;
}

}  // namespace flense::knowledge

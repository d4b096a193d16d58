// The comparison of two images as titled tables: what is worth reporting, for the text and Markdown
// renderers.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "compat/compare_requirements.h"
#include "compat/compare_verdicts.h"
#include "compat/diff_gates.h"
#include "inventory/compare/compare.h"
#include "report/format/table.h"

namespace flense::report {

/// Everything that `flense diff` found.
struct ImageDiff {
  inventory::InventoryChanges changes;
  compat::HostChanges hosts;
  std::vector<compat::VerdictChange> verdicts;
  std::vector<compat::GateResult> gates;
  std::vector<std::string> notices;
};

struct DiffSection {
  std::string title;
  std::vector<Column> columns;
  struct Row {
    std::vector<std::string> cells;
    Ink ink = Ink::kPlain;
  };
  std::vector<Row> rows;
  std::size_t more = 0;  ///< rows that were left out
};

/// One sentence when there is nothing to list; else empty.
std::string no_difference(const ImageDiff& diff);

/// Sections with something in them, most important first; `all`: no row is left out.
std::vector<DiffSection> diff_sections(const ImageDiff& diff, bool all);

}  // namespace flense::report

// An image as one self-contained HTML file: where its bytes are, which of them go and why. The page
// is built from web/, which is compiled in; everything it shows is in the file.
#pragma once

#include <string>
#include <vector>

#include "inventory/describe/finding.h"
#include "inventory/describe/inventory.h"
#include "inventory/scan/contents.h"
#include "report/html/size_tree.h"
#include "report/images/member_fates.h"
#include "slim/apply/apply_image.h"
#include "slim/plan/plan.h"
#include "text/json.h"

namespace flense::report {

struct HtmlReport {
  const inventory::Inventory& inventory;
  const inventory::Contents& contents;
  const slim::Plan& plan;
  const slim::SlimOutcome* outcome = nullptr;  ///< null: nothing was written
  std::string output = {};                     ///< where the result is
  bool inspection = false;                     ///< nobody asked for the plan to be done
  std::vector<inventory::BudgetResult> budgets = {};
};

/// The whole file. It runs no script but its own and loads nothing (Content Security Policy level
/// 3), whatever the names in the image are.
std::string html_report(const HtmlReport& report);

// The steps, for tests.
SizeTree report_tree(const HtmlReport& report, const MemberFates& fates);
MemberFates report_fates(const HtmlReport& report);
/// What the page reads: columns of the tree, and the tables beside it.
text::Json html_data(const HtmlReport& report, const MemberFates& fates, const SizeTree& tree);
/// JSON that may stand in a script element: no '<', '>' or '&'.
std::string script_json(const text::Json& data);
/// A source expression of a Content Security Policy: base64 of the digest (level 3, section 2.3.1).
std::string hash_source(std::string_view text);
/// Text that may stand in an element or a quoted attribute.
std::string html_text(std::string_view text);

}  // namespace flense::report

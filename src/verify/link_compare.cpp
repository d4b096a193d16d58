#include "verify/tree_compare.h"

namespace flense::verify {

Result<void> compare_links(const Reading& before, const Reading& after, const Record* record,
                           Findings& findings) {
  return before.tree->for_each([&](const std::string& path,
                                   const image::MergedTree::Found& was) -> Result<void> {
    const auto is = after.tree->find(path);
    if (was.type == codec::MemberType::kHardLink && was.content && is && !is->content)
      findings.differ({path, "link", "", "a hard link with content", "a hard link to nothing"});
    if (was.type != codec::MemberType::kSymlink || !is || is->type != codec::MemberType::kSymlink)
      return {};
    const auto led_to = before.tree->resolve(path);
    if (!led_to) return {};
    const auto leads_to = after.tree->resolve(path);
    if (leads_to == led_to) {
      findings.count("symbolic links that lead where they did");
      return {};
    }
    // What it led to may itself be gone, or a link now, by the record.
    const auto target = before.tree->find(*led_to);
    const bool recorded = record != nullptr && target && target->entry &&
                          (record->edit(*target->entry) != nullptr || !after.tree->find(*led_to));
    if (recorded)
      findings.count("symbolic links to what is gone by the record");
    else
      findings.differ({path, "link", "", "leads to " + *led_to,
                       leads_to ? "leads to " + *leads_to : "leads nowhere"});
    return {};
  });
}

}  // namespace flense::verify

#include <algorithm>
#include <tuple>

#include "lint/lint.h"

namespace flense::lint {

Fixed apply_fixes(const SourceText& source, const std::vector<Finding>& findings, bool unsafe) {
  std::vector<const Edit*> taken;
  Fixed out;
  const auto fits = [&](const Edit& edit) {
    return edit.span.begin <= edit.span.end && edit.span.end <= source.text().size() &&
           std::ranges::none_of(taken, [&](const Edit* other) {
             if (other->span == edit.span && edit.span.empty()) return other->rank == edit.rank;
             return edit.span.begin < other->span.end
                        ? other->span.begin < edit.span.end || other->span == edit.span
                        : other->span == edit.span;
           });
  };
  for (const Finding& finding : findings) {
    if (finding.path != source.path() || finding.edits.empty() || (finding.unsafe && !unsafe))
      continue;
    if (!std::ranges::all_of(finding.edits, fits)) continue;
    for (const Edit& edit : finding.edits) taken.push_back(&edit);
    ++out.applied;
  }
  std::ranges::sort(taken, [](const Edit* a, const Edit* b) {
    return std::tie(a->span.begin, a->span.end, a->rank) <
           std::tie(b->span.begin, b->span.end, b->rank);
  });
  std::size_t at = 0;
  for (const Edit* edit : taken) {
    out.text += source.slice({at, edit->span.begin});
    out.text += edit->text;
    at = edit->span.end;
  }
  out.text += source.slice({at, source.text().size()});
  return out;
}

}  // namespace flense::lint

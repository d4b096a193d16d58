#include "compat/compare_verdicts.h"

#include <algorithm>

namespace flense::compat {

namespace {

/// A rule may answer one id several times; the worst answer stands for it.
const Check* worst_of(const HostVerdict& host, const std::string& id) {
  const Check* out = nullptr;
  for (const Check& check : host.checks)
    if (check.id == id && (out == nullptr || check.verdict > out->verdict)) out = &check;
  return out;
}

}  // namespace

std::vector<VerdictChange> compare_verdicts(std::span<const HostVerdict> before,
                                            std::span<const HostVerdict> after) {
  std::vector<VerdictChange> out;
  for (std::size_t i = 0; i < std::min(before.size(), after.size()); ++i) {
    const HostVerdict &a = before[i], &b = after[i];
    VerdictChange change{a.name, b.launcher, a.verdict, b.verdict, {}};
    std::vector<std::string> ids;
    for (const HostVerdict* host : {&b, &a})
      for (const Check& check : host->checks)
        if (std::ranges::find(ids, check.id) == ids.end()) ids.push_back(check.id);
    for (const std::string& id : ids) {
      const Check *was = worst_of(a, id), *is = worst_of(b, id);
      if (was != nullptr && is != nullptr && was->verdict == is->verdict) continue;
      change.checks.push_back({id, was == nullptr ? "" : std::string(to_string(was->verdict)),
                               is == nullptr ? "" : std::string(to_string(is->verdict)),
                               is == nullptr ? was->message : is->message});
    }
    out.push_back(std::move(change));
  }
  return out;
}

}  // namespace flense::compat

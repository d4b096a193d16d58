#include "report/verdicts/groups.h"

#include <algorithm>
#include <array>
#include <map>
#include <string_view>

#include "base/format.h"

namespace flense::report {

namespace {

using compat::Check;
using compat::HostVerdict;
using compat::Verdict;

/// Parts are told apart by their length, so that no text can imitate another.
void append(std::string& key, std::string_view part) {
  key += fmt::format("{}:", part.size());
  key += part;
}

std::string key_of(const HostVerdict& host, bool all) {
  std::string key;
  append(key, compat::to_string(host.verdict));
  append(key, host.launcher);
  for (const Check& check : host.checks) {
    if (!all && check.verdict == Verdict::kOk) continue;
    append(key, check.id);
    append(key, compat::to_string(check.verdict));
    append(key, check.message);
    append(key, check.fix);
  }
  return key;
}

/// Of the ids, the first that has an ok check.
const Check* first_ok(const HostVerdict& host, std::span<const std::string_view> ids) {
  for (const std::string_view id : ids)
    for (const Check& check : host.checks)
      if (check.verdict == Verdict::kOk && check.id.starts_with(id)) return &check;
  return nullptr;
}

}  // namespace

std::string reason_of(const HostVerdict& host) {
  static constexpr std::array<std::string_view, 3> kDriver = {"driver-cuda", "forward-compat",
                                                              "rocm"};
  static constexpr std::array<std::string_view, 3> kCode = {"device-code", "gfx", "code"};
  const Check* driver = first_ok(host, kDriver);
  const Check* code = first_ok(host, kCode);
  std::string out;
  for (const Check* check : {driver, code})
    if (check != nullptr) out += (out.empty() ? "" : "; ") + check->message;
  if (!out.empty()) return out;
  const auto any = std::ranges::find(host.checks, Verdict::kOk, &Check::verdict);
  return any == host.checks.end() ? std::string() : any->message;
}

std::vector<VerdictGroup> verdict_groups(std::span<const HostVerdict> hosts, bool all) {
  std::vector<VerdictGroup> out;
  std::map<std::string, std::size_t> places;
  std::vector<std::map<std::string, std::size_t>> reasons;
  for (const HostVerdict& host : hosts) {
    const auto [at, fresh] = places.try_emplace(key_of(host, all), out.size());
    if (fresh) {
      out.push_back({&host, {}, {}});
      reasons.emplace_back();
    }
    out[at->second].names.push_back(host.name);
    if (host.verdict == Verdict::kOk)
      if (std::string reason = reason_of(host); !reason.empty())
        ++reasons[at->second][std::move(reason)];
  }
  for (std::size_t i = 0; i < out.size(); ++i) {
    out[i].reasons.assign(reasons[i].begin(), reasons[i].end());
    std::ranges::stable_sort(out[i].reasons, std::ranges::greater(),
                             &std::pair<std::string, std::size_t>::second);
  }
  std::ranges::stable_sort(out, [](const VerdictGroup& left, const VerdictGroup& right) {
    if (left.first->verdict != right.first->verdict)
      return left.first->verdict > right.first->verdict;
    return left.names.size() > right.names.size();
  });
  return out;
}

std::string verdict_counts(std::span<const HostVerdict> hosts) {
  std::map<Verdict, std::size_t, std::greater<>> counts;
  for (const HostVerdict& host : hosts) ++counts[host.verdict];
  std::string out;
  for (const auto& [verdict, count] : counts)
    out +=
        fmt::format("{}{} {}", out.empty() ? "" : ", ", grouped(count), compat::to_string(verdict));
  return out;
}

}  // namespace flense::report

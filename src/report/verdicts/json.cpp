#include "report/verdicts/json.h"

#include <algorithm>

#include "base/format.h"
#include "base/version.h"
#include "report/hosts/names.h"
#include "report/verdicts/groups.h"

namespace flense::report {

namespace {

using compat::Check;
using compat::HostVerdict;
using compat::Verdict;
using text::Json;

Json check_json(const Check& check) {
  Json evidence = Json::array();
  for (const compat::Evidence& one : check.evidence)
    evidence.push(Json::object().set("side", one.side).set("text", one.text));
  Json out = Json::object();
  out.set("id", check.id);
  out.set("verdict", compat::to_string(check.verdict));
  out.set("decisive", check.decisive);
  out.set("message", check.message);
  out.set("evidence", std::move(evidence));
  out.set("fix", check.fix);
  out.set("source", check.source);
  return out;
}

/// An unknown is a warning: SARIF has a kind "open" for it, and viewers hide what is not of kind
/// "fail".
SarifLevel level_of(const Check& check) {
  if (check.verdict == Verdict::kFail) return SarifLevel::kError;
  if (check.verdict == Verdict::kUnknown && !check.decisive) return SarifLevel::kNote;
  return SarifLevel::kWarning;
}

}  // namespace

Json verdict_json(std::string_view target, std::span<const HostVerdict> hosts) {
  Json list = Json::array();
  Verdict worst = hosts.empty() ? Verdict::kUnknown : Verdict::kOk;
  for (const HostVerdict& host : hosts) {
    worst = std::max(worst, host.verdict);
    Json checks = Json::array();
    for (const Check& check : host.checks) checks.push(check_json(check));
    Json one = Json::object();
    one.set("name", host.name);
    one.set("verdict", compat::to_string(host.verdict));
    one.set("launcher", host.launcher);
    one.set("launcher_reason", host.launcher_reason);
    one.set("checks", std::move(checks));
    list.push(std::move(one));
  }
  Json out = Json::object();
  out.set("schema", kVerdictSchema);
  out.set("flense", kVersion);
  out.set("target", target);
  out.set("verdict", compat::to_string(worst));
  out.set("hosts", std::move(list));
  return out;
}

std::vector<SarifFinding> verdict_findings(std::string_view target,
                                           std::span<const HostVerdict> hosts) {
  std::vector<SarifFinding> out;
  for (const VerdictGroup& group : verdict_groups(hosts, false)) {
    const std::string names = folded_names(group.names);
    for (const Check& check : group.first->checks) {
      if (check.verdict == Verdict::kOk) continue;
      SarifFinding finding;
      finding.rule = check.id;
      finding.level = level_of(check);
      finding.message = fmt::format("{}: {}", names, check.message);
      finding.artifact = target;
      finding.fix = check.fix;
      finding.logical = names;
      finding.verdict = compat::to_string(check.verdict);
      for (const compat::Evidence& one : check.evidence)
        finding.evidence.push_back(fmt::format("{}: {}", one.side, one.text));
      // The message contains what changes from run to run; the place and the rule do not change.
      finding.identity = fmt::format("{}\n{}\n{}", check.id, target, names);
      out.push_back(std::move(finding));
    }
  }
  return out;
}

}  // namespace flense::report

#include "report/verdicts/text.h"

#include <algorithm>

#include "base/format.h"
#include "base/printable.h"
#include "report/format/markdown.h"
#include "report/hosts/names.h"
#include "report/verdicts/groups.h"

namespace flense::report {

namespace {

using compat::Check;
using compat::HostVerdict;
using compat::Verdict;

Ink ink_of(Verdict verdict) {
  switch (verdict) {
    case Verdict::kOk:
      return Ink::kGreen;
    case Verdict::kWarn:
    case Verdict::kUnsupported:
      return Ink::kYellow;
    case Verdict::kUnknown:
      return Ink::kCyan;
    case Verdict::kFail:
      return Ink::kRed;
  }
  return Ink::kPlain;
}

std::string painted(Verdict verdict, const Style& style) {
  return style.paint(ink_of(verdict), compat::to_string(verdict));
}

/// "gpu-7", "this machine", "h100-[001-064] (64 hosts)".
std::string who(const VerdictGroup& group) {
  if (group.names.size() == 1)
    return group.names[0] == "this" ? "this machine" : printable_name(group.names[0]);
  return fmt::format("{} ({} hosts)", folded_names(group.names), grouped(group.names.size()));
}

std::string check_lines(const Check& check, const VerdictTextOptions& options) {
  std::string out = fmt::format("  {}  {}: {}\n", painted(check.verdict, options.style),
                                printable(check.id), printable(check.message));
  const auto line = [&](std::string_view label, std::string_view text) {
    if (!text.empty()) out += fmt::format("    {}: {}\n", label, printable(text));
  };
  if (options.all)
    for (const compat::Evidence& evidence : check.evidence)
      line(printable(evidence.side), evidence.text);
  if (check.verdict != Verdict::kOk) line("fix", check.fix);
  if (options.all) line("source", check.source);
  return out;
}

std::string group_lines(const VerdictGroup& group, const VerdictTextOptions& options) {
  const HostVerdict& host = *group.first;
  std::string out;
  if (options.all && group.names.size() > 1)
    out += fmt::format("  evidence of {}\n", printable_name(host.name));
  std::vector<std::string> open;
  for (const Check& check : host.checks) {
    if (!options.all && check.verdict == Verdict::kUnknown && !check.decisive) {
      if (std::ranges::find(open, check.id) == open.end()) open.push_back(check.id);
    } else if (options.all || check.verdict != Verdict::kOk)
      out += check_lines(check, options);
  }
  // What decides nothing and cannot be known for a described host would bury what does. It is what
  // makes the verdict a warning where nothing else does.
  if (!open.empty())
    out += fmt::format("  {}  {}: unknown, not decisive (--all tells what is missing)\n",
                       painted(Verdict::kWarn, options.style), fmt::join(open, ", "));
  if (host.verdict == Verdict::kOk && !options.all)
    for (const auto& [reason, count] : group.reasons)
      out += group.reasons.size() == 1
                 ? fmt::format("  {}\n", printable(reason))
                 : fmt::format("  {}: {}\n", grouped(count), printable(reason));
  if (host.checks.empty()) out += "  nothing could be checked\n";
  return out;
}

}  // namespace

std::string verdict_text(std::string_view target, std::span<const HostVerdict> hosts,
                         const VerdictTextOptions& options) {
  const std::string what = options.style.paint(Ink::kBold, printable(target));
  if (hosts.empty()) return fmt::format("{}: there is no host to judge\n", what);
  const std::vector<VerdictGroup> groups = verdict_groups(hosts, options.all);
  std::string out;
  const bool single = hosts.size() == 1;
  if (!single)
    out += fmt::format("{} on {} hosts: {}\n", what, grouped(hosts.size()), verdict_counts(hosts));
  for (const VerdictGroup& group : groups) {
    const std::string head = single ? fmt::format("{} on {}", what, who(group)) : "\n" + who(group);
    const std::string launcher = printable(group.first->launcher);
    const std::string reason = printable(group.first->launcher_reason);
    out += fmt::format("{}{}{}: {}\n", head, launcher.empty() ? "" : " by " + launcher,
                       options.all && !reason.empty() ? fmt::format(" ({})", reason) : "",
                       painted(group.first->verdict, options.style));
    out += group_lines(group, options);
  }
  return out;
}

std::string verdict_markdown(std::string_view target, std::span<const HostVerdict> hosts) {
  std::string out = fmt::format("### {}: {}\n\n", markdown_cell(target),
                                hosts.empty() ? "no host to judge" : verdict_counts(hosts));
  if (hosts.empty()) return out;
  out += "| Hosts | Launcher | Verdict | Check | What | Fix |\n|---|---|---|---|---|---|\n";
  for (const VerdictGroup& group : verdict_groups(hosts, false)) {
    const HostVerdict& host = *group.first;
    const std::string begin =
        fmt::format("| {} | {} ", markdown_cell(who(group)), markdown_cell(host.launcher));
    bool any = false;
    for (const Check& check : host.checks) {
      if (check.verdict == Verdict::kOk) continue;
      any = true;
      out += fmt::format("{}| {} | {} | {} | {} |\n", begin, compat::to_string(check.verdict),
                         markdown_cell(check.id), markdown_cell(check.message),
                         markdown_cell(check.fix));
    }
    if (any) continue;
    const std::string reason = group.reasons.empty() ? std::string() : group.reasons[0].first;
    out += fmt::format("{}| {} |  | {} |  |\n", begin, compat::to_string(host.verdict),
                       markdown_cell(host.checks.empty() ? "nothing could be checked" : reason));
  }
  return out;
}

}  // namespace flense::report

#include "compat/explain.h"

#include <algorithm>
#include <charconv>
#include <optional>

#include "base/ascii.h"
#include "base/format.h"
#include "base/numbers.h"
#include "knowledge/error_messages.h"
#include "knowledge/spelling.h"

namespace flense::compat {

namespace {

using knowledge::CheckRow;
using knowledge::ErrorRow;
using knowledge::ExitStatusRow;

constexpr std::size_t kMostFound = 8;
constexpr std::size_t kMostMessages = 4;  // shown of a row
constexpr std::size_t kShortestPart = 6;  // "error" is part of too many texts

std::string folded(std::string_view text) {
  std::string out = knowledge::folded_message(text);
  while (out.ends_with(' ')) out.pop_back();
  return out;
}

Explanation explanation(const CheckRow& row) {
  return {"check", row.id, row.id, row.asks,      row.detect,
          row.fix, {},     {},     row.documents, row.source};
}

Explanation explanation(const ErrorRow& row) {
  std::string title = row.layer;
  if (row.code) title += fmt::format(" {}", *row.code);
  if (!row.names.empty()) title += fmt::format(", {}", fmt::join(row.names, ", "));
  std::vector<std::string> texts;
  for (const auto* list : {&row.messages, &row.said})
    for (const std::string& text : *list)
      if (texts.size() < kMostMessages &&
          std::ranges::none_of(texts, [&](const std::string& one) { return one.contains(text); }))
        texts.push_back(text);
  return {"error",   row.id,     std::move(title), fmt::format("{}", fmt::join(texts, " / ")),
          row.cause, row.fix,    row.checks,       row.step,
          {},        row.source, row.advice};
}

Explanation explanation(const ExitStatusRow& row) {
  return {"exit status",
          {},
          fmt::format("exit status {}", row.status),
          row.meaning,
          {},
          row.next,
          {},
          {},
          {"docs/exit-codes.md"},
          row.source};
}

/// "exit 5", "exit-status 5", "status 5", "exit code 5".
std::optional<std::uint64_t> exit_status_of(const std::string& words) {
  const std::size_t digits = words.find_first_of("0123456789");
  if (digits == std::string::npos || digits == 0) return std::nullopt;
  std::string before = words.substr(0, digits);
  std::erase_if(before, [](char c) { return c == ' ' || c == '-' || c == '='; });
  constexpr std::string_view kWords[] = {"exit", "exitstatus", "exitcode", "status"};
  if (std::ranges::find(kWords, before) == std::end(kWords)) return std::nullopt;
  return parse_number(std::string_view(words).substr(digits));
}

bool named(const ErrorRow& row, const std::string& plain) {
  return knowledge::plain_spelling(row.id) == plain ||
         std::ranges::any_of(row.names, [&](const std::string& name) {
           return knowledge::plain_spelling(name) == plain;
         });
}

/// `words` are a part of what the row says: "no kernel image".
bool holds(const ErrorRow& row, const std::string& words) {
  const auto has = [&](const std::string& text) {
    return folded(text).find(words) != std::string::npos;
  };
  return std::ranges::any_of(row.messages, has) || std::ranges::any_of(row.said, has);
}

std::vector<std::string> near_words(const std::string& words, const knowledge::Explained& known) {
  std::vector<std::string> candidates;
  for (const CheckRow& row : known.checks) candidates.push_back(row.id);
  for (const ErrorRow& row : known.errors) {
    candidates.push_back(row.id);
    candidates.insert(candidates.end(), row.names.begin(), row.names.end());
  }
  std::vector<std::string> lower;
  for (const std::string& candidate : candidates) lower.push_back(folded(candidate));
  std::vector<std::string> out;
  for (const std::string& match : knowledge::near_matches(words, lower, 3))
    out.push_back(
        candidates[static_cast<std::size_t>(std::ranges::find(lower, match) - lower.begin())]);
  return out;
}

}  // namespace

Lookup explain(std::string_view typed, const knowledge::Knowledge& tables) {
  const std::string words = folded(typed), plain = knowledge::plain_spelling(words);
  const knowledge::Explained& known = tables.explained;
  Lookup out;
  if (plain.empty()) return out;
  for (const CheckRow& row : known.checks)
    if (row.id == words || knowledge::plain_spelling(row.id) == plain)
      out.found.push_back(explanation(row));
  if (!out.found.empty()) return out;
  if (const auto status = exit_status_of(words)) {
    for (const ExitStatusRow& row : known.statuses)
      if (row.status == *status) out.found.push_back(explanation(row));
    return out;
  }
  const auto number = parse_number(words);
  for (const ErrorRow& row : known.errors)
    if ((number && row.has_code(*number)) || named(row, plain))
      out.found.push_back(explanation(row));
  if (number)
    for (const ExitStatusRow& row : known.statuses)
      if (row.status == *number) out.found.push_back(explanation(row));
  if (!out.found.empty()) return out;

  for (const knowledge::ToldError& told : knowledge::ErrorReader(known).in(typed))
    if (out.found.size() < kMostFound) out.found.push_back(explanation(*told.row));
  if (out.found.empty() && words.size() >= kShortestPart)
    for (const ErrorRow& row : known.errors)
      if (out.found.size() < kMostFound && holds(row, words)) out.found.push_back(explanation(row));
  if (out.found.empty()) out.near = near_words(words, known);
  return out;
}

std::vector<Explanation> explain_rule(std::string_view words, const knowledge::LintRules& rules) {
  constexpr std::string_view kNumber = "rule ";
  const bool numbered = words.starts_with(kNumber);
  if (numbered) words.remove_prefix(kNumber.size());
  std::vector<Explanation> out;
  for (const knowledge::LintRuleRow* row : rules.named(words)) {
    // A bare number is an error number.
    if (!numbered && words == std::to_string(row->number)) continue;
    Explanation one;
    one.kind = "rule";
    one.id = one.title = row->id;
    one.what = row->summary;
    one.cause = row->why;
    one.fix = row->fix;
    one.documents.push_back(fmt::format("docs/rules/{}.md", row->id));
    one.source = fmt::format("lint_{}.json, rule {}; {}", row->family, row->number, row->source);
    out.push_back(std::move(one));
  }
  return out;
}

std::vector<std::string> explained_checks(const knowledge::Knowledge& tables) {
  std::vector<std::string> out;
  for (const CheckRow& row : tables.explained.checks) out.push_back(row.id);
  return out;
}

text::Json to_json(const std::vector<Explanation>& explanations) {
  const auto list = [](const std::vector<std::string>& texts) {
    text::Json out = text::Json::array();
    for (const std::string& text : texts) out.push(text);
    return out;
  };
  text::Json all = text::Json::array();
  for (const Explanation& one : explanations) {
    text::Json row = text::Json::object();
    row.set("kind", one.kind);
    if (!one.id.empty()) row.set("id", one.id);
    row.set("title", one.title);
    row.set("what", one.what);
    row.set("cause", one.cause);
    row.set("fix", one.fix);
    row.set("checks", list(one.checks));
    row.set("step", one.step);
    row.set("documents", list(one.documents));
    row.set("source", one.source);
    if (one.advice) row.set("advice", true);
    all.push(std::move(row));
  }
  text::Json out = text::Json::object();
  out.set("schema", "flense/explain/v1");
  out.set("explanations", std::move(all));
  return out;
}

}  // namespace flense::compat

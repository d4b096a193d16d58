#include "doctor/messages.h"

#include <algorithm>

#include "base/format.h"
#include "host/parse.h"

namespace flense::doctor {

namespace {

using text::Json;

constexpr std::size_t kMaxLine = 16u << 10, kMaxFound = 64;

/// Lower case, one blank between words, without control characters (terminals colour their logs).
std::string plain(std::string_view text) {
  std::string out;
  for (const char c : text.substr(0, kMaxLine)) {
    const bool blank = c == ' ' || c == '\t' || c == '\r';
    if (blank && (out.empty() || out.back() == ' ')) continue;
    if (!blank && static_cast<unsigned char>(c) < 0x20) continue;
    out += blank ? ' ' : c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  }
  return out;
}

struct Pattern {
  std::string text;
  const Json* row = nullptr;
  const Json* section = nullptr;
};

/// Longer texts before shorter ones: "Failed to initialize NVML: Unknown Error" is not
/// "unknown error".
std::vector<Pattern> patterns(const knowledge::TableSet& tables) {
  std::vector<Pattern> out;
  for (const char* table : {"messages", "errors"}) {
    const Json& section = tables.table(table)["errors"];
    for (const Json& row : section["rows"].items())
      for (const Json& message : row["messages"].items())
        if (std::string text = plain(message.text()); text.size() >= 6)
          out.push_back({std::move(text), &row, &section});
  }
  std::stable_sort(out.begin(), out.end(), [](const Pattern& a, const Pattern& b) {
    return a.text.size() > b.text.size();
  });
  return out;
}

std::string step_of(const Json& row, const knowledge::TableSet& tables) {
  if (const std::string_view step = row["step"].text(); !step.empty()) return std::string(step);
  for (const Json& link : tables.table("messages")["steps"]["rows"].items())
    if (link["api"] == row["api"] && link["code"] == row["code"])
      return std::string(link["step"].text());
  return {};
}

}  // namespace

std::vector<Recognised> recognise(std::string_view log, const knowledge::TableSet& tables) {
  const std::vector<Pattern> known = patterns(tables);
  std::vector<const Json*> seen;
  std::vector<Recognised> out;
  std::uint64_t number = 0;
  while (!log.empty() && out.size() < kMaxFound) {
    const std::string_view line = log.substr(0, log.find('\n'));
    log.remove_prefix(std::min(log.size(), line.size() + 1));
    ++number;
    const std::string text = plain(line);
    const auto at = std::find_if(known.begin(), known.end(), [&](const Pattern& pattern) {
      return text.find(pattern.text) != std::string::npos;
    });
    if (at == known.end() || std::find(seen.begin(), seen.end(), at->row) != seen.end()) continue;
    seen.push_back(at->row);
    const Json& row = *at->row;
    Recognised one;
    one.says = row["api"].text();
    if (row["code"].is_number()) one.says += fmt::format(" {}", row["code"].unsigned_or(0));
    one.line = host::clean(line);
    one.number = number;
    one.cause = row["cause"].text();
    one.fix = row["fix"].text();
    one.step = step_of(row, tables);
    one.source = row["source"].is_string() ? row["source"].text() : (*at->section)["source"].text();
    out.push_back(std::move(one));
  }
  return out;
}

}  // namespace flense::doctor

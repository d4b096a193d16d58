#include "inventory/describe/slim_mark.h"

#include <algorithm>

#include "base/format.h"
#include "text/json.h"

namespace flense::inventory {

namespace {

constexpr std::size_t kMostWords = 100;

std::string value_of(const std::map<std::string, std::string>& labels, const char* name) {
  const auto at = labels.find(name);
  return at == labels.end() ? std::string() : at->second;
}

std::vector<std::string> words_of(std::string_view text) {
  std::vector<std::string> out;
  for (std::string_view rest = text; !rest.empty() && out.size() < kMostWords;) {
    const std::size_t comma = std::min(rest.find(','), rest.size());
    if (comma > 0) out.emplace_back(rest.substr(0, comma));
    rest.remove_prefix(std::min(comma + 1, rest.size()));
  }
  return out;
}

}  // namespace

std::optional<SlimMark> mark_of_labels(const std::map<std::string, std::string>& labels) {
  if (!labels.contains(kLabelTargets) && !labels.contains(kLabelVersion)) return std::nullopt;
  SlimMark mark;
  mark.targets = words_of(value_of(labels, kLabelTargets));
  mark.rules = words_of(value_of(labels, kLabelRules));
  mark.input_digest = value_of(labels, kLabelInput);
  mark.tables = value_of(labels, kLabelTables);
  mark.driver_floor = value_of(labels, kLabelDriverFloor);
  mark.code_floor = value_of(labels, kLabelCodeFloor);
  mark.level = value_of(labels, kLabelLevel);
  mark.version = value_of(labels, kLabelVersion);
  mark.evidence = std::string("label ") + kLabelTargets;
  return mark;
}

std::string origin_of(const SlimMark& mark) {
  std::string out =
      mark.input_digest.empty() ? "an image that it does not name" : mark.input_digest;
  if (!mark.level.empty()) out += ", at " + mark.level;
  if (!mark.version.empty()) out += ", by flense " + mark.version;
  if (!mark.tables.empty()) out += " with the tables " + mark.tables;
  return out;
}

std::optional<SlimMark> mark_of_file(std::string_view text) {
  const Result<text::Json> json = text::parse_json(text, kMarkerPath);
  if (!json || (*json)["schema"].text() != "flense/marker/v1") return std::nullopt;
  SlimMark mark;
  for (const char* make : {"cuda", "amd"})
    for (const text::Json& target : (*json)["targets"][make].items())
      if (mark.targets.size() < kMostWords) mark.targets.emplace_back(target.text());
  mark.level = (*json)["level"].text();
  mark.version = (*json)["flense"].text();
  mark.evidence = kMarkerPath;
  return mark;
}

}  // namespace flense::inventory

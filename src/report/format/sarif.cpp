#include "report/format/sarif.h"

#include <map>

#include "base/ascii.h"
#include "base/format.h"
#include "base/version.h"

namespace flense::report {

namespace {

using text::Json;

std::string_view level_word(SarifLevel level) {
  switch (level) {
    case SarifLevel::kError:
      return "error";
    case SarifLevel::kWarning:
      return "warning";
    case SarifLevel::kNote:
      return "note";
  }
  return "error";
}

Json message(std::string_view text) {
  return Json::object().set("text", text);
}

Json location(const SarifFinding& finding) {
  Json physical = Json::object();
  physical.set("artifactLocation", Json::object().set("uri", uri_of(finding.artifact)));
  if (finding.line > 0) {
    Json region = Json::object();
    region.set("startLine", finding.line);
    if (finding.column > 0) region.set("startColumn", finding.column);
    if (finding.end_line > 0) region.set("endLine", finding.end_line);
    if (finding.end_column > 0) region.set("endColumn", finding.end_column);
    physical.set("region", std::move(region));
  }
  Json out = Json::object();
  if (!finding.artifact.empty()) out.set("physicalLocation", std::move(physical));
  if (!finding.logical.empty()) {
    Json logical = Json::object();
    logical.set("name", finding.logical);
    out.set("logicalLocations", Json::array().push(std::move(logical)));
  }
  return out;
}

/// One fix of one file.
Json fixes_json(const SarifFinding& finding) {
  Json replacements = Json::array();
  for (const SarifEdit& edit : finding.edits) {
    Json region = Json::object();
    region.set("startLine", edit.line).set("startColumn", edit.column);
    region.set("endLine", edit.end_line).set("endColumn", edit.end_column);
    Json one = Json::object();
    one.set("deletedRegion", std::move(region));
    one.set("insertedContent", message(edit.text));
    replacements.push(std::move(one));
  }
  Json change = Json::object();
  change.set("artifactLocation", Json::object().set("uri", uri_of(finding.artifact)));
  change.set("replacements", std::move(replacements));
  Json fix = Json::object();
  if (!finding.fix.empty()) fix.set("description", message(finding.fix));
  fix.set("artifactChanges", Json::array().push(std::move(change)));
  return Json::array().push(std::move(fix));
}

Json rule_json(const SarifRule& rule) {
  Json out = Json::object();
  out.set("id", rule.id);
  if (!rule.summary.empty()) out.set("shortDescription", message(rule.summary));
  if (!rule.help.empty()) out.set("help", message(rule.help));
  if (!rule.tag.empty())
    out.set("properties", Json::object().set("tags", Json::array().push(rule.tag)));
  return out;
}

Json result_json(const SarifFinding& finding, std::size_t rule) {
  Json out = Json::object();
  out.set("ruleId", finding.rule);
  out.set("ruleIndex", std::uint64_t{rule});
  out.set("level", level_word(finding.level));
  std::string text = finding.message;
  if (!finding.fix.empty()) text += ". Fix: " + finding.fix;
  out.set("message", message(text));
  if (!finding.artifact.empty() || !finding.logical.empty())
    out.set("locations", Json::array().push(location(finding)));
  if (!finding.identity.empty())
    out.set("partialFingerprints",
            Json::object().set("flenseIdentity/v1", fingerprint(finding.identity)));
  if (!finding.edits.empty()) out.set("fixes", fixes_json(finding));
  Json properties = Json::object();
  if (!finding.verdict.empty()) properties.set("verdict", finding.verdict);
  if (!finding.evidence.empty()) {
    Json evidence = Json::array();
    for (const std::string& one : finding.evidence) evidence.push(one);
    properties.set("evidence", std::move(evidence));
  }
  if (!properties.members().empty()) out.set("properties", std::move(properties));
  return out;
}

}  // namespace

/// FNV-1a: an identity needs no secrecy, only equality from run to run.
std::string fingerprint(std::string_view text) {
  std::uint64_t hash = 0xcbf29ce484222325U;
  for (const char c : text) {
    hash ^= static_cast<unsigned char>(c);
    hash *= 0x100000001b3U;
  }
  return fmt::format("{:016x}", hash);
}

std::string uri_of(std::string_view artifact) {
  // Unreserved characters, and those that separate the parts of a path. A colon before the first
  // slash would turn the word before it into a scheme, as in "pytorch:2.4".
  const std::size_t slash = artifact.find('/');
  const std::size_t scheme = artifact.find("://");
  std::string out;
  for (std::size_t i = 0; i < artifact.size(); ++i) {
    const char c = artifact[i];
    const bool plain = is_alphanumeric(c) ||
                       std::string_view("-._~/@+,=").find(c) != std::string_view::npos ||
                       (c == ':' && (i == scheme || i > slash));
    out += plain ? std::string(1, c) : fmt::format("%{:02X}", static_cast<unsigned char>(c));
  }
  return out;
}

Json sarif_log(std::span<const SarifFinding> findings, std::span<const SarifRule> rules) {
  Json rule_list = Json::array();
  std::map<std::string, std::size_t, std::less<>> places;
  const auto place_of = [&](const SarifRule& rule) {
    const auto [at, fresh] = places.try_emplace(rule.id, places.size());
    if (fresh) rule_list.push(rule_json(rule));
    return at->second;
  };
  for (const SarifRule& rule : rules) place_of(rule);
  Json results = Json::array();
  for (const SarifFinding& finding : findings)
    results.push(result_json(finding, place_of({finding.rule, {}, {}})));
  Json driver = Json::object();
  driver.set("name", "flense");
  driver.set("version", kVersion);
  driver.set("rules", std::move(rule_list));
  Json run = Json::object();
  run.set("tool", Json::object().set("driver", std::move(driver)));
  run.set("columnKind", "unicodeCodePoints");
  run.set("results", std::move(results));
  Json out = Json::object();
  out.set("$schema", "https://json.schemastore.org/sarif-2.1.0.json");
  out.set("version", "2.1.0");
  out.set("runs", Json::array().push(std::move(run)));
  return out;
}

}  // namespace flense::report

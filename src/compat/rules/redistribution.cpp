// May this image be redistributed? Facts from NVIDIA's licence texts, for a person to decide on;
// only on request.
#include <algorithm>
#include <map>

#include "base/path.h"
#include "compat/facts/image_facts.h"
#include "compat/facts/software.h"
#include "compat/rules/rules.h"

namespace flense::compat {

namespace {

constexpr std::size_t kFilesShown = 8;
constexpr const char* kCaveat = "these are facts for a person to decide with, not legal advice";

/// Evidence by component, so that ten packages of one tool are one line.
using Findings = std::map<std::string, std::vector<std::string>>;

Check check_of(std::string id, Verdict verdict, std::string message, const Findings& findings) {
  Check out;
  out.id = std::move(id);
  out.verdict = verdict;
  out.message = std::move(message);
  for (const auto& [component, things] : findings) {
    std::string text = component + ": ";
    for (std::size_t i = 0; i < std::min(kFilesShown, things.size()); ++i)
      text += (i == 0 ? "" : ", ") + things[i];
    if (things.size() > kFilesShown)
      text += fmt::format(" and {} more", things.size() - kFilesShown);
    out.evidence.push_back({"image", std::move(text)});
  }
  return out;
}

void not_listed(const Question& question, std::vector<Check>& checks) {
  const knowledge::Redistribution& table = question.tables.redistribution;
  Findings findings;
  std::string source;
  for (const needs::Sighting& file : question.image.driver_files) {
    const auto* row = table.listed_file(base_name(file.path));
    if (row == nullptr)
      findings["driver library"].push_back(file.path);
    else if (!row->condition.empty())
      findings["driver library, listed with a condition: " + row->condition].push_back(file.path);
  }
  for (const inventory::InstalledPackage& installed : question.image.packages)
    if (const auto* row = table.tool(installed.package.name)) {
      findings[row->component].push_back(describe(installed));
      if (source.empty()) source = row->source;
    }
  if (findings.empty()) return;
  Check check = check_of("redistribution-not-listed", Verdict::kWarn,
                         "the image holds NVIDIA software that the licence does not list as "
                         "redistributable",
                         findings);
  check.fix = fmt::format("leave it out of images that you hand on; {}", kCaveat);
  check.source = source.empty() ? fmt::format("redistribution.json, listed ({})",
                                              question.tables.tables.state("redistribution"))
                                : source;
  checks.push_back(std::move(check));
}

void modified(const Question& question, std::vector<Check>& checks) {
  if (!question.image.slim) return;
  Findings findings;
  for (const needs::CodeFile& file : question.image.code)
    if (const auto* row = question.tables.redistribution.listed_file(base_name(file.path)))
      findings[row->component].push_back(file.path);
  if (findings.empty()) return;
  Check check = check_of("redistribution-modified", Verdict::kWarn,
                         "flense slim changed NVIDIA's libraries, and the licence speaks of "
                         "unmodified object code",
                         findings);
  check.evidence.push_back({"image", question.image.slim->evidence});
  check.fix = fmt::format("hand on the original image; {}", kCaveat);
  check.source = "CUDA Toolkit EULA, Attachment A; mark of flense slim";
  checks.push_back(std::move(check));
}

void licences(const Question& question, std::vector<Check>& checks) {
  Findings findings;
  for (const inventory::InstalledPackage& installed : question.image.packages)
    if (const auto* row = question.tables.redistribution.licence(installed.package.name))
      findings[fmt::format("{} ({})", row->component, row->licence)].push_back(describe(installed));
  for (const needs::CodeFile& file : question.image.code)
    if (const auto* row = question.tables.redistribution.listed_file(base_name(file.path)))
      findings["CUDA (EULA, listed in Attachment A)"].push_back(
          fmt::format("{}: {}", row->component, file.path));
  if (findings.empty()) return;
  Check check = check_of("redistribution-licences", Verdict::kOk,
                         "the image holds NVIDIA libraries under these licences", findings);
  check.fix = fmt::format(
      "their conditions: your application adds function of its own, and is for "
      "NVIDIA GPUs; {}",
      kCaveat);
  check.source =
      fmt::format("redistribution.json ({})", question.tables.tables.state("redistribution"));
  checks.push_back(std::move(check));
}

}  // namespace

void rule_redistribution(const Question& question, std::vector<Check>& checks) {
  if (!question.redistribution) return;
  if (!question.image.contents && !question.facts->cuda_evidence.empty()) {
    Check check;
    check.id = "redistribution-licences";
    check.verdict = Verdict::kUnknown;
    check.decisive = false;
    check.message = "which NVIDIA files the image holds is unknown";
    check.evidence = {{"image", unread_reason(question.image)}};
    check.fix = "check the image with its layers read";
    check.source = "the image's files";
    checks.push_back(std::move(check));
    return;
  }
  not_listed(question, checks);
  modified(question, checks);
  licences(question, checks);
}

}  // namespace flense::compat

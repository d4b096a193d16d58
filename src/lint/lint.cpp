#include "lint/lint.h"

#include <algorithm>
#include <array>
#include <set>
#include <tuple>

#include "base/ascii.h"
#include "base/format.h"
#include "knowledge/table_rows.h"
#include "lint/facts/purpose.h"
#include "lint/facts/sent_files.h"
#include "lint/pragmas.h"
#include "lint/rules/rules.h"
#include "lint/source/blanks.h"

namespace flense::lint {

namespace {

using knowledge::LintRules;

/// "DL3008", "SC2086".
bool is_of_hadolint(std::string_view word) {
  return word.size() == 6 && (word.starts_with("DL") || word.starts_with("SC")) &&
         word.find_first_not_of("0123456789", 2) == word.npos;
}

std::set<std::string, std::less<>> ids_of(const std::vector<std::string>& words,
                                          const LintRules& rules) {
  std::set<std::string, std::less<>> out;
  for (const std::string& word : words) {
    for (const knowledge::LintRuleRow* row : rules.named(word)) out.insert(row->id);
    if (is_of_hadolint(word)) out.insert(word);
  }
  return out;
}

/// What comments of one file switch off.
struct Silence {
  std::set<std::string, std::less<>> everywhere;
  std::vector<std::pair<Span, std::set<std::string, std::less<>>>> places;

  bool covers(const Finding& finding) const {
    if (everywhere.contains(finding.rule)) return true;
    return std::ranges::any_of(places, [&](const auto& place) {
      return !finding.span.empty() && place.first.begin <= finding.span.begin &&
             finding.span.begin < place.first.end && place.second.contains(finding.rule);
    });
  }
};

Silence silence_of(const ProjectFile& file, const LintRules& rules, FindingSink& sink) {
  Silence out;
  for (const Pragma& pragma : pragmas_of(file)) {
    const auto ids = ids_of(pragma.rules, rules);
    if (pragma.global)
      out.everywhere.insert(ids.begin(), ids.end());
    else
      out.places.emplace_back(pragma.covers, ids);
    if (pragma.of_hadolint) continue;  // hadolint's rules are not ours
    for (const std::string& word : pragma.rules)
      if (rules.named(word).empty() && !is_of_hadolint(word))
        sink.add("unknown-rule", file, pragma.comment,
                 fmt::format("the comment ignores '{}', and no rule has that name", word));
  }
  return out;
}

/// The one of the directories that the path lies in; null: none.
const std::string* directory_above(const std::vector<std::string>& directories,
                                   std::string_view path) {
  const std::string normal = normal_path(path);
  const auto at = std::ranges::find_if(directories, [&](const std::string& directory) {
    return normal.starts_with(directory + "/");
  });
  return at == directories.end() ? nullptr : &*at;
}

/// The directory of another project that the path lies in; null: none.
const std::string* foreign_directory(const Project& project, std::string_view path) {
  return directory_above(project.foreign, path);
}

/// What an image weighs, or how its build could be better: of no interest while it cannot be built,
/// for its base is gone, nor of one in which somebody works on the machine that builds it.
bool waits_for_build(std::string_view rule) {
  return is_one_of(rule, {"apt-key", "base-cuda-unused", "cache-mount-unused", "chown-in-own-layer",
                          "conda-not-cleaned", "devel-final-stage", "dockerignore-coverage",
                          "git-clone-full", "package-cache-in-layer"});
}

/// The same of a Dockerfile of another time, which nobody builds: what it should have pinned or
/// renewed neither.
bool waits_for_file(std::string_view rule) {
  return waits_for_build(rule) ||
         is_one_of(rule, {"cuda-tag-unsupported", "gpu-image-floating", "gpu-wheel-unpinned",
                          "torch-index-implicit", "torch-installed-twice"});
}

/// What ends a build or a start, also of an example; the rest is nothing to its reader, nor to a
/// test.
bool fails_build(const Finding& finding) {
  return finding.severity == Severity::kError ||
         is_one_of(finding.rule, {"cuda-tag-unknown", "unknown-rule"});
}

/// In a file that another one holds.
bool is_embedded(const Project& project, const Finding& finding) {
  const auto holds = [&](const auto& file) {
    return !file->embedded.empty() && file->source.path() == finding.path &&
           !finding.span.empty() && file->embedded.begin <= finding.span.begin &&
           finding.span.begin < file->embedded.end;
  };
  return std::ranges::any_of(project.embedded, holds) || std::ranges::any_of(project.files, holds);
}

bool waived(const Finding& finding, const Policy& policy, const LintRules& rules) {
  return std::ranges::any_of(policy.waivers, [&](const Waiver& waiver) {
    return (waiver.until.empty() || policy.today <= waiver.until) &&
           (waiver.path.empty() ||
            knowledge::matches_pattern(waiver.path, normal_path(finding.path))) &&
           std::ranges::any_of(rules.named(waiver.rule),
                               [&](const auto* row) { return row->id == finding.rule; });
  });
}

/// The same words, or one cause by its rule, at several places of a file: the first place stays,
/// with the lines of the others and their edits.
void join_same_causes(const Project& project, std::vector<Finding>& findings) {
  // What a careful owner may leave stays apart from what pays.
  std::map<std::tuple<std::string, std::string, std::string, bool>, std::size_t> firsts;
  std::map<std::size_t, std::string> lines;
  std::vector<Finding> out;
  for (Finding& finding : findings) {
    const auto [at, fresh] = firsts.try_emplace(
        {finding.path, finding.rule, finding.cause.empty() ? finding.message : finding.cause,
         finding.pedantic},
        out.size());
    if (fresh) {
      out.push_back(std::move(finding));
      continue;
    }
    Finding& first = out[at->second];
    const ProjectFile* file = project.find(finding.path);
    if (file == nullptr) continue;
    std::string& also = lines[at->second];
    also += fmt::format("{}{}", also.empty() ? "" : ", ",
                        file->source.position(finding.span.begin).line);
    first.edits.insert(first.edits.end(), std::make_move_iterator(finding.edits.begin()),
                       std::make_move_iterator(finding.edits.end()));
  }
  for (const auto& [at, also] : lines)
    out[at].evidence.push_back(
        fmt::format("also in line{} {}", also.contains(',') ? "s" : "", also));
  findings = std::move(out);
}

/// The remedy of one finding is the other's too: torch without a version over another torch; the
/// tag without support of a base that shall be a smaller one.
void leave_out_followers(std::vector<Finding>& findings) {
  constexpr auto kFollowers = std::to_array<std::pair<std::string_view, std::string_view>>(
      {{"gpu-wheel-unpinned", "torch-installed-twice"},
       {"cuda-tag-unsupported", "base-cuda-unused"}});
  std::set<std::tuple<std::string_view, std::string, std::size_t>> told;
  for (const Finding& finding : findings)
    for (const auto& [follower, leader] : kFollowers)
      if (finding.rule == leader && !finding.pedantic)
        told.emplace(follower, finding.path, finding.span.begin);
  for (Finding& finding : findings)
    if (told.contains({finding.rule, finding.path, finding.span.begin})) finding.pedantic = true;
}

}  // namespace

Outcome lint(const Project& project, const LintRules& rules, const Policy& policy,
             std::vector<Finding> others) {
  std::vector<Finding> found = std::move(others);
  std::erase_if(found, [&](const Finding& one) { return !rules.named(one.rule).empty(); });
  judge_all(project, rules, policy.stop, found);
  FindingSink sink(rules, found);

  std::map<std::string, Silence, std::less<>> silences;
  for (const auto& file : project.files)
    silences.emplace(file->source.path(), silence_of(*file, rules, sink));

  const auto ignored = ids_of(policy.ignored, rules), only = ids_of(policy.only, rules);
  std::set<std::string, std::less<>> without_base;
  for (const Finding& finding : found)
    if (finding.rule == "cuda-tag-deleted" && finding.severity == Severity::kError)
      without_base.insert(finding.path);
  std::set<std::string, std::less<>> of_another_time, trials;
  const auto out_of_use = commented_out(project);
  for (const auto& file : project.files) {
    if (!file->dockerfile) continue;
    if (copies_lost_list(project, *file) || out_of_use.contains(file.get()))
      of_another_time.insert(file->source.path());
    if (is_trial(*file)) trials.insert(file->source.path());
  }
  const bool one_layer = builds_one_layer(project);
  Outcome out;
  for (Finding& finding : found) {
    // Said where the link leads to.
    if (std::ranges::find(project.links, normal_path(finding.path)) != project.links.end())
      continue;
    const auto silence = silences.find(finding.path);
    if (ignored.contains(finding.rule) || (!only.empty() && !only.contains(finding.rule)) ||
        (silence != silences.end() && silence->second.covers(finding))) {
      ++out.ignored;
      continue;
    }
    if (waived(finding, policy, rules)) {
      ++out.waived;
      continue;
    }
    const auto severity = policy.severities.find(finding.rule);
    if (severity != policy.severities.end()) finding.severity = severity->second;
    const knowledge::LintRuleRow* row = rules.find(finding.rule);
    const ProjectFile* file = project.find(finding.path);
    const std::string& path = file != nullptr ? file->source.project_path() : finding.path;
    finding.pedantic =
        finding.pedantic || (row != nullptr && row->group == "pedantic") || is_put_aside(path) ||
        directory_above(project.retired, finding.path) != nullptr ||
        (one_layer && finding.rule == "chown-in-own-layer") ||
        (waits_for_build(finding.rule) &&
         (without_base.contains(finding.path) || (file != nullptr && is_devcontainer(*file)))) ||
        (waits_for_file(finding.rule) && of_another_time.contains(finding.path)) ||
        ((is_example(path) || trials.contains(finding.path)) && !fails_build(finding)) ||
        foreign_directory(project, finding.path) != nullptr;
    // make may build a word of several places, and a Dockerfile within another file is written in
    // that one's form.
    const bool embedded = is_embedded(project, finding);
    if (embedded || (file != nullptr && file->kind == FileKind::kMakefile)) finding.edits.clear();
    // Which directory its build takes is not known.
    if (embedded && finding.rule == "dockerignore-coverage") continue;
    // Who names a rule wants it.
    if (policy.pedantic || !only.empty() || severity != policy.severities.end())
      finding.pedantic = false;
    out.findings.push_back(std::move(finding));
  }
  const auto key = [](const Finding& finding) {
    return std::tie(finding.path, finding.span.begin, finding.span.end, finding.rule,
                    finding.message);
  };
  std::ranges::stable_sort(out.findings,
                           [&](const Finding& a, const Finding& b) { return key(a) < key(b); });
  const auto same = std::ranges::unique(
      out.findings, [&](const Finding& a, const Finding& b) { return key(a) == key(b); });
  out.findings.erase(same.begin(), same.end());
  if (!policy.pedantic && only.empty()) leave_out_followers(out.findings);
  join_same_causes(project, out.findings);
  out.pedantic = std::erase_if(out.findings, [](const Finding& one) { return one.pedantic; });
  if (!policy.pedantic)
    for (const auto& file : project.files)
      if (const std::string* directory = foreign_directory(project, file->source.path()))
        ++out.foreign[*directory];
  return out;
}

}  // namespace flense::lint

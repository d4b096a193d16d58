#include "lint/readers/workflow_matrix.h"

#include <algorithm>

#include "base/ascii.h"
#include "lint/readers/reader_values.h"
#include "lint/source/blanks.h"

namespace flense::lint {
namespace {

using text::YamlMember;
using text::YamlNode;

constexpr std::size_t kMostRuns = 256;    // GitHub refuses more jobs of one matrix
constexpr std::size_t kMostMembers = 64;  // of a matrix, or of one entry

bool is_axis(const YamlMember& member) {
  return member.key != "include" && member.key != "exclude";
}

bool equal(const YamlNode& a, const YamlNode& b) {
  return &a == &b || (a.is_scalar() && b.is_scalar() && a.text == b.text);
}

/// Whether the run has these values, of those that `counts` takes.
template <class Counts>
bool agrees(const MatrixRun& run, const YamlNode& entry, const Counts& counts) {
  return std::ranges::all_of(entry.members, [&](const YamlMember& member) {
    if (!counts(member.key)) return true;
    const auto at = run.find(member.key);
    return at != run.end() && equal(*at->second, *member.value);
  });
}

const YamlNode* value_of(const MatrixRun& run, std::string_view path) {
  const std::size_t dot = path.find('.');
  const auto at = run.find(path.substr(0, dot));
  if (at == run.end()) return nullptr;
  return dot == path.npos ? at->second : at->second->find(path.substr(dot + 1));
}

}  // namespace

std::vector<MatrixRun> matrix_runs(const YamlNode& matrix) {
  std::vector<MatrixRun> runs;
  const auto is_too_large = [](const YamlNode* node) {
    return node->members.size() > kMostMembers || node->items.size() > kMostRuns;
  };
  if (is_too_large(&matrix)) return {};
  for (const std::string_view list : {"include", "exclude"})
    if (is_too_large(&matrix[list]) || std::ranges::any_of(matrix[list].items, is_too_large))
      return {};
  for (const YamlMember& axis : matrix.members) {
    if (!is_axis(axis)) continue;
    if (!axis.value->is_sequence()) return {};
    if (runs.empty()) runs.emplace_back();
    std::vector<MatrixRun> next;
    for (const MatrixRun& run : runs)
      for (const YamlNode* value : axis.value->items) {
        if (next.size() == kMostRuns) break;
        next.emplace_back(run)[axis.key] = value;
      }
    runs = std::move(next);
  }
  for (const YamlNode* entry : matrix["exclude"].items)
    std::erase_if(runs, [&](const MatrixRun& run) {
      return agrees(run, *entry, [](std::string_view) { return true; });
    });
  const std::size_t made = runs.size();
  for (const YamlNode* entry : matrix["include"].items) {
    bool extends = false;
    for (std::size_t at = 0; at < made; ++at) {
      if (!agrees(runs[at], *entry,
                  [&](std::string_view key) { return matrix.find(key) != nullptr; }))
        continue;
      extends = true;
      for (const YamlMember& member : entry->members)
        if (matrix.find(member.key) == nullptr) runs[at][member.key] = member.value;
    }
    if (extends || runs.size() == kMostRuns) continue;
    MatrixRun& own = runs.emplace_back();
    for (const YamlMember& member : entry->members) own[member.key] = member.value;
  }
  return runs;
}

std::optional<Word> filled(std::string_view text, const MatrixRun& run) {
  Word out;
  for (std::size_t at = text.find("${{"); at != text.npos; at = text.find("${{")) {
    const std::size_t end = text.find("}}", at);
    if (end == text.npos) return std::nullopt;
    std::string_view name = trim_space(text.substr(at + 3, end - at - 3));
    if (!name.starts_with("matrix.")) return std::nullopt;
    name.remove_prefix(7);
    const YamlNode* value = value_of(run, name);
    if (value == nullptr || !value->is_scalar() || value->block || value->text.contains("${{"))
      return std::nullopt;
    const Word word = word_of(*value);
    if (out.span.empty()) out.span = word.span;
    out.text.append(text.substr(0, at)).append(word.text);
    text.remove_prefix(end + 2);
  }
  if (out.span.empty()) return std::nullopt;
  out.text += text;
  return out;
}

}  // namespace flense::lint

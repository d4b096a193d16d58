#include "lint/dockerfile/dockerfile.h"

#include <algorithm>
#include <map>

#include "base/format.h"
#include "lint/dockerfile/flags.h"
#include "lint/dockerfile/instructions.h"
#include "lint/dockerfile/lines.h"
#include "lint/dockerfile/stages.h"
#include "lint/source/blanks.h"

namespace flense::lint {
namespace {

constexpr std::size_t kMostBytes = 16U << 20;
constexpr std::size_t kMostInstructions = 100'000;
constexpr std::size_t kMostFileProblems = 200;

bool may_hold_heredoc(const Instruction& instruction) {
  const Instruction& inner = instruction.trigger != nullptr ? *instruction.trigger : instruction;
  return !inner.exec_form && (inner.keyword == Keyword::kRun || inner.copies());
}

void read_heredocs(LineReader& reader, const LogicalLine& line, Instruction& instruction,
                   std::vector<ParseProblem>& problems) {
  if (!may_hold_heredoc(instruction)) return;
  std::string why;
  auto documents = heredocs_of(line.text, why);
  if (!documents) {
    problems.push_back({instruction.arguments, fmt::format("the here-document's name: {}", why)});
    return;
  }
  for (Heredoc& document : *documents) {
    const bool ended = reader.here_document(document);
    if (!ended)
      problems.push_back(
          {instruction.arguments,
           fmt::format("the here-document has no line {} that ends it", document.name)});
    instruction.heredocs.push_back(std::move(document));
    if (!ended) break;
  }
  instruction.span.end = std::max(instruction.span.end, reader.end());
}

std::optional<std::size_t> stage_number(std::string_view name, std::size_t stages) {
  if (name.empty() || name.size() > 8 || !std::ranges::all_of(name, is_digit)) return std::nullopt;
  const std::size_t number = std::stoul(std::string(name));
  if (number >= stages) return std::nullopt;
  return number;
}

/// Where the problem's own lines hold template syntax.
bool is_of_template(const SourceText& source, const ParseProblem& problem) {
  const std::string_view line = source.line(source.position(problem.span.begin).line);
  return line.contains("{{") || line.contains("{%") || line.contains("{#") || line.contains("<%");
}

/// A template's own syntax is one problem, not one for each of its lines.
void tidy_problems(Dockerfile& out) {
  std::ranges::sort(out.problems, {}, [](const ParseProblem& problem) {
    return std::pair(problem.span.begin, std::string_view(problem.message));
  });
  const auto found = std::ranges::find_if(out.problems, [&](const ParseProblem& problem) {
    return is_of_template(*out.source, problem);
  });
  if (found != out.problems.end()) {
    ParseProblem one{found->span,
                     "this is a template: its own syntax is no part of a Dockerfile, so the file "
                     "is read only as far as it makes sense without"};
    out.problems.assign(1, std::move(one));
  }
  if (out.problems.size() > kMostFileProblems) out.problems.resize(kMostFileProblems);
}

}  // namespace

std::vector<std::pair<std::string, std::string>> Flag::pairs() const {
  std::vector<std::pair<std::string, std::string>> out;
  const auto fields = csv_fields(value);
  if (!fields) return out;
  for (const std::string& field : *fields) {
    const std::size_t equals = field.find('=');
    if (equals == field.npos)
      out.emplace_back(field, "");
    else
      out.emplace_back(field.substr(0, equals), field.substr(equals + 1));
  }
  return out;
}

const Flag* Instruction::flag(std::string_view name) const {
  for (const Flag& candidate : flags)
    if (candidate.name == name) return &candidate;
  return nullptr;
}

std::vector<const Flag*> Instruction::flags_of(std::string_view name) const {
  std::vector<const Flag*> out;
  for (const Flag& candidate : flags)
    if (candidate.name == name) out.push_back(&candidate);
  return out;
}

std::optional<std::size_t> Dockerfile::find_stage(std::string_view name) const {
  const std::string lowered = to_lower(name);
  if (!name.empty())
    for (std::size_t at = stages.size(); at-- > 0;)
      if (stages[at].name == lowered) return at;
  return stage_number(name, stages.size());
}

std::vector<std::size_t> Dockerfile::lineage(std::size_t stage) const {
  std::vector<std::size_t> out;
  // A parent stands in front of its child, so this ends.
  for (std::optional<std::size_t> at = stage; at && *at < stages.size(); at = stages[*at].parent)
    out.push_back(*at);
  return out;
}

std::vector<bool> Dockerfile::reachable() const {
  std::vector<bool> seen(stages.size());
  std::vector<std::size_t> open;
  std::map<std::string_view, std::size_t> names;
  for (std::size_t at = 0; at < stages.size(); ++at)
    if (!stages[at].name.empty()) names[stages[at].name] = at;
  const auto found_as = [&](std::string_view name) -> std::optional<std::size_t> {
    if (const auto found = names.find(to_lower(name)); found != names.end()) return found->second;
    return stage_number(name, stages.size());
  };
  const auto visit = [&](std::optional<std::size_t> stage) {
    if (!stage || seen[*stage]) return;
    seen[*stage] = true;
    open.push_back(*stage);
  };
  if (!stages.empty()) visit(stages.size() - 1);
  while (!open.empty()) {
    const Stage& stage = stages[open.back()];
    open.pop_back();
    visit(stage.parent);
    for (const Instruction& instruction : stage.instructions) {
      if (instruction.keyword == Keyword::kCopy)
        if (const Flag* from = instruction.flag("from"); from != nullptr)
          visit(found_as(from->value));
      if (instruction.keyword != Keyword::kRun) continue;
      for (const Flag* mount : instruction.flags_of("mount"))
        for (const auto& [key, value] : mount->pairs())
          if (same_text(key, "from")) visit(found_as(value));
    }
  }
  return seen;
}

Dockerfile parse_dockerfile(const SourceText& source) {
  Dockerfile out;
  out.source = &source;
  std::string_view text = source.text();
  if (text.size() > kMostBytes) {
    text = text.substr(0, kMostBytes);
    out.problems.push_back({{kMostBytes, kMostBytes}, "the file has more than 16 MiB"});
  }
  LineReader reader(text, out);
  StageBuilder stages(text, out);
  LogicalLine line;
  std::size_t count = 0;
  while (reader.next(line)) {
    if (++count > kMostInstructions) {
      out.problems.push_back({line.span, "the file has more than 100,000 instructions"});
      break;
    }
    auto raw = read_instruction(line, out.escape, out.problems);
    if (!raw) continue;
    read_heredocs(reader, line, raw->instruction, out.problems);
    stages.add(std::move(*raw));
  }
  if (count == 0)
    out.problems.push_back({{0, 0}, "the file holds no instruction"});
  else if (out.stages.empty())
    out.problems.push_back({{0, 0}, "the file has no FROM"});
  stages.finish();
  tidy_problems(out);
  return out;
}

}  // namespace flense::lint

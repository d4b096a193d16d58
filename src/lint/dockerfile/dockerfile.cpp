#include "lint/dockerfile/dockerfile.h"

#include <algorithm>

#include "base/ascii.h"
#include "base/format.h"
#include "base/numbers.h"
#include "lint/dockerfile/flags.h"
#include "lint/dockerfile/instructions.h"
#include "lint/dockerfile/lines.h"
#include "lint/dockerfile/stages.h"
#include "lint/source/blanks.h"
#include "lint/source/templates.h"

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

/// "%%ENV%%", "@ENV@", "{env}": a line for some program to fill in.
bool is_blank_to_fill(std::string_view line) {
  line = trim_space(line);
  return is_marked(line, "%%", "%%") || is_marked(line, "@", "@") || is_marked(line, "{", "}");
}

/// Where the problem's own lines hold template syntax.
bool is_of_template(const SourceText& source, const ParseProblem& problem) {
  // "{base_image}" as a whole, which str.format or a replacement fills in.
  if (problem.message.starts_with('{') && problem.message.ends_with("} is not an image name"))
    return true;
  const std::string_view line = source.line(source.position(problem.span.begin).line);
  return line.contains("{{") || line.contains("{%") || line.contains("{#") || line.contains("<%") ||
         line.contains("#{") || is_blank_to_fill(line);
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
                     "this is a template: its own syntax is not part of a Dockerfile, so the file "
                     "is read only as far as it makes sense without"};
    out.problems.assign(1, std::move(one));
    const std::string_view line = out.source->line(out.source->position(found->span.begin).line);
    out.template_language = line.contains("{%") || line.contains("{#")   ? "Jinja"
                            : line.contains("{{") || line.contains("<%") ? "Go"
                                                                         : "text";
    return;
  }
  // Foreign text has one cause, however many lines it has.
  const auto foreign = [](const ParseProblem& problem) {
    return problem.message.ends_with("is not an instruction") ||
           problem.message.ends_with("stands before the first FROM");
  };
  const bool text = std::ranges::any_of(out.problems, [](const ParseProblem& problem) {
    return problem.message.ends_with("is not an instruction");
  });
  out.fragment = out.stages.empty() && !text && std::ranges::any_of(out.problems, foreign);
  if (out.stages.empty() && std::ranges::any_of(out.problems, foreign)) {
    out.problems.assign(
        1, {{0, 0},
            out.fragment ? "the file has no FROM: it is a part of one" : "the file has no FROM"});
    return;
  }
  if (const auto first = std::ranges::find_if(out.problems, foreign); first != out.problems.end()) {
    const auto others = std::ranges::remove_if(first + 1, out.problems.end(), foreign);
    out.problems.erase(others.begin(), others.end());
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

std::vector<Origin> Instruction::origins() const {
  std::vector<Origin> out;
  if (keyword == Keyword::kCopy)
    if (const Flag* from = flag("from"); from != nullptr) out.push_back({from, from->value});
  if (keyword != Keyword::kRun) return out;
  for (const Flag* mount : flags_of("mount"))
    for (auto& [key, value] : mount->pairs())
      if (same_text(key, "from")) out.push_back({mount, std::move(value)});
  return out;
}

std::optional<std::size_t> Dockerfile::stage_named(std::string_view name) const {
  const auto found = stage_names.find(to_lower(name));
  return found == stage_names.end() ? std::nullopt : std::optional(found->second);
}

std::optional<std::size_t> Dockerfile::find_stage(std::string_view name) const {
  if (!all_digits(name)) return stage_named(name);
  const auto number = parse_number(name);
  return number && *number < stages.size() ? number : std::nullopt;
}

std::optional<std::size_t> Dockerfile::copied_from(const Instruction& copy) const {
  const Flag* from = copy.flag("from");
  return from == nullptr ? std::nullopt : find_stage(from->value);
}

std::vector<std::size_t> Dockerfile::lineage(std::size_t stage) const {
  std::vector<std::size_t> out;
  // A parent precedes its child, so this ends.
  for (std::optional<std::size_t> at = stage; at && *at < stages.size(); at = stages[*at].parent)
    out.push_back(*at);
  return out;
}

std::vector<bool> Dockerfile::reachable() const {
  std::vector<bool> seen(stages.size());
  std::vector<std::size_t> open;
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
    for (const Instruction& instruction : stage.instructions)
      for (const Origin& origin : instruction.origins()) visit(find_stage(origin.name));
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

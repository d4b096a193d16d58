// Workflows of GitHub Actions, composite actions, GitLab's and Azure's pipelines: the commands of
// their scripts, and what the values of a matrix make of the images and builds that they name.
#include <algorithm>
#include <set>

#include "base/ascii.h"
#include "lint/readers/launch_words.h"
#include "lint/readers/reader_values.h"
#include "lint/readers/readers.h"
#include "lint/readers/workflow_matrix.h"
#include "lint/shell/reached.h"
#include "lint/source/blanks.h"

namespace flense::lint {
namespace {

using text::YamlNode;

constexpr unsigned kMaxWorkflowDepth = 32;

/// Expressions of GitHub, which are filled in before a shell reads the text, as variables of the
/// same length.
std::string without_expressions(std::string_view text) {
  std::string out(text);
  for (std::size_t at = out.find("${{"); at != out.npos; at = out.find("${{", at + 1)) {
    const std::size_t end = out.find("}}", at);
    if (end == out.npos) break;
    std::fill(out.begin() + static_cast<std::ptrdiff_t>(at + 1),
              out.begin() + static_cast<std::ptrdiff_t>(end + 2), 'X');
  }
  return out;
}

/// The commands of a script in the text of a workflow without expressions.
std::vector<ShellCommand> commands_of_script(std::string_view text, const YamlNode& node) {
  Span span = word_of(node).span;
  // The mark of a block, "|" or ">-", stands on a line of its own.
  ShellDialect dialect;
  if (node.block) {
    span.begin = std::min(text.find('\n', span.begin), span.end);
    const std::size_t first = std::min(text.find_first_not_of(" \r\n", span.begin), span.end);
    dialect.indent = first - std::min(text.rfind('\n', first) + 1, first);
  }
  return split_shell(text, span, dialect).commands;
}

bool holds_scripts(std::string_view key) {
  return is_one_of(key, {"run", "script", "before_script", "after_script", "bash"});
}

class Scripts {
 public:
  Scripts(const SourceText& source, FileContent& out)
      : source_(source),
        text_(without_expressions(source.text())),
        out_(out),
        path_(source.path()) {}

  void search(const YamlNode& node, unsigned depth) {
    if (depth > kMaxWorkflowDepth) return;
    const YamlNode& matrix = node["strategy"]["matrix"];
    const std::string_view condition = node["if"].text_or();
    if (matrix.is_mapping() && condition != "false") runs_ = matrix_runs(matrix);
    // Which of the runs come here is the condition's.
    std::vector<MatrixRun> all;
    if (condition.contains("matrix.")) all.swap(runs_);
    for (const YamlNode* item : node.items) search(*item, depth + 1);
    for (const text::YamlMember& member : node.members) {
      if (holds_scripts(member.key)) {
        take(*member.value);
        for (const YamlNode* item : member.value->items) take(*item);
      }
      if (is_one_of(member.key, {"container", "image"})) image(*member.value);
      search(*member.value, depth + 1);
    }
    if (node["uses"].text_or().starts_with("docker/build-push-action")) build(node["with"]);
    if (!all.empty()) runs_.swap(all);
    if (matrix.is_mapping()) runs_.clear();
  }

 private:
  void take(const YamlNode& node) {
    if (!node.is_scalar()) return;
    const std::size_t before = out_.names.builds.size(), started = out_.workloads.size();
    const std::vector<ShellCommand> commands = commands_of_script(text_, node);
    read_commands(commands, path_, out_);
    if (runs_.empty()) return;
    // Behind a condition it may be for other runs.
    const std::vector<bool> reached = surely_reached(commands);
    std::set<std::size_t> sure;
    for (std::size_t at = 0; at < commands.size(); ++at)
      if (reached[at]) sure.insert(commands[at].span.begin);
    for (std::size_t at = before; at < out_.names.builds.size(); ++at)
      if (sure.contains(out_.names.builds[at].span.begin)) of_runs(out_.names.builds[at]);
    for (std::size_t at = started; at < out_.workloads.size(); ++at)
      if (sure.contains(out_.workloads[at].span.begin))
        images_of_runs(written(out_.workloads[at].image));
  }

  /// As it is written, where the shell's text has variables in place of expressions.
  std::string written(const Word& word) const {
    if (word.text.contains("${{")) return word.text;
    std::string_view raw = source_.slice(word.span);
    if (!raw.contains("${{")) return word.text;
    if (raw.size() > 1 && (raw.front() == '"' || raw.front() == '\'') && raw.back() == raw.front())
      raw = raw.substr(1, raw.size() - 2);
    return std::string(raw);
  }

  std::string written(const std::pair<Word, Word>& arg) const {
    std::string out = written(arg.second);
    if (out.starts_with(arg.first.text + "=")) out.erase(0, arg.first.text.size() + 1);
    if (out.size() > 1 && out.front() == '"' && out.back() == '"')
      out = out.substr(1, out.size() - 2);
    return out;
  }

  /// A build with the values of each run, where it names some.
  void of_runs(const BuildTarget& build) {
    constexpr std::size_t kMostBuilds = 2'000;
    if (std::ranges::none_of(build.args,
                             [&](const auto& arg) { return written(arg).contains("matrix."); }))
      return;
    for (const MatrixRun& run : runs_) {
      if (out_.names.matrix_builds.size() >= kMostBuilds) return;
      BuildTarget made = build;
      made.args.clear();
      for (const auto& arg : build.args)
        if (auto value = filled(written(arg), run)) made.args.emplace_back(arg.first, *value);
      for (Word* word : {&made.context, &made.dockerfile})
        if (const auto value = filled(written(*word), run)) word->text = value->text;
      // What every run has is judged once; the rest of it decides the base too.
      if (made.args.empty()) continue;
      for (const auto& arg : build.args)
        if (!written(arg).contains("${{")) made.args.push_back(arg);
      out_.names.matrix_builds.push_back(std::move(made));
    }
  }

  /// The container of a job, a service beside it, GitLab's image; {image: …} and {name: …} too.
  void image(const YamlNode& node) {
    if (node.is_scalar() && !node.block) {
      add_named_image(out_.names, word_of(node));
      images_of_runs(node.text);
    }
    if (const YamlNode* name = node.find("name")) image(*name);
  }

  void images_of_runs(std::string_view name) {
    if (!name.contains("matrix.")) return;
    for (const MatrixRun& run : runs_)
      if (const auto word = filled(name, run); word && ++matrix_images_ < kMostImages)
        add_named_image(out_.names, *word);
  }

  void build(const YamlNode& with) {
    BuildTarget target;
    target.path = path_;
    target.context = word_of(with["context"]);
    target.dockerfile = word_of(with["file"]);
    const Word args = word_of(with["build-args"]);
    std::string_view rest = args.text;
    while (!rest.empty()) {
      const std::string_view line = take_line(rest);
      const std::size_t equals = line.find('=');
      if (equals == line.npos) continue;
      target.args.emplace_back(Word{std::string(line.substr(0, equals)), args.span},
                               Word{std::string(line.substr(equals + 1)), args.span});
    }
    if (target.args.empty()) return;
    of_runs(target);
    out_.names.builds.push_back(std::move(target));
  }

  const SourceText& source_;
  std::string text_;
  FileContent& out_;
  const std::string& path_;
  std::vector<MatrixRun> runs_;  ///< of the job at hand
  static constexpr std::size_t kMostImages = 2'000;
  std::size_t matrix_images_ = 0;
};

void collect_scripts(std::string_view text, const YamlNode& node, unsigned depth,
                     std::vector<std::vector<ShellCommand>>& out) {
  if (depth > kMaxWorkflowDepth) return;
  const auto take = [&](const YamlNode& script) {
    if (script.is_scalar()) out.push_back(commands_of_script(text, script));
  };
  for (const YamlNode* item : node.items) collect_scripts(text, *item, depth + 1, out);
  for (const text::YamlMember& member : node.members) {
    if (holds_scripts(member.key)) {
      take(*member.value);
      for (const YamlNode* item : member.value->items) take(*item);
    }
    collect_scripts(text, *member.value, depth + 1, out);
  }
}

}  // namespace

std::vector<std::vector<ShellCommand>> scripts_of_workflow(const ProjectFile& file) {
  std::vector<std::vector<ShellCommand>> out;
  if (file.kind != FileKind::kWorkflow || !file.yaml) return out;
  const std::string text = without_expressions(file.source.text());
  for (const YamlNode* document : file.yaml->documents) collect_scripts(text, *document, 0, out);
  return out;
}

FileContent read_workflow(const SourceText& source) {
  const FileContent tree = read_yaml(source);
  FileContent out;
  out.yaml = tree.yaml;
  Scripts scripts(source, out);
  for (const YamlNode* document : out.yaml->documents) scripts.search(*document, 0);
  return out;
}

}  // namespace flense::lint

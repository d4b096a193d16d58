// Workflows of GitHub Actions, composite actions and GitLab's pipelines: the commands of their
// scripts.
#include <algorithm>

#include "base/ascii.h"
#include "lint/readers/launch_words.h"
#include "lint/readers/reader_values.h"
#include "lint/readers/readers.h"
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

class Scripts {
 public:
  Scripts(std::string text, FileContent& out, const std::string& path)
      : text_(std::move(text)), out_(out), path_(path) {}

  void search(const YamlNode& node, unsigned depth) {
    if (depth > kMaxWorkflowDepth) return;
    for (const YamlNode* item : node.items) search(*item, depth + 1);
    for (const text::YamlMember& member : node.members) {
      if (is_one_of(member.key, {"run", "script", "before_script", "after_script"})) {
        take(*member.value);
        for (const YamlNode* item : member.value->items) take(*item);
      }
      if (is_one_of(member.key, {"container", "image"})) image(*member.value);
      search(*member.value, depth + 1);
    }
    if (node["uses"].text_or().starts_with("docker/build-push-action")) build(node["with"]);
  }

 private:
  void take(const YamlNode& node) {
    if (!node.is_scalar()) return;
    Span span = word_of(node).span;
    // The mark of a block, "|" or ">-", stands on a line of its own.
    if (node.block) span.begin = std::min(text_.find('\n', span.begin), span.end);
    read_commands(split_shell(text_, span).commands, path_, out_);
  }

  /// The container of a job, a service beside it, GitLab's image; {image: …} and {name: …} too.
  void image(const YamlNode& node) {
    if (node.is_scalar() && !node.block) add_named_image(out_.names, word_of(node));
    if (const YamlNode* name = node.find("name")) image(*name);
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
    if (!target.args.empty()) out_.names.builds.push_back(std::move(target));
  }

  std::string text_;
  FileContent& out_;
  const std::string& path_;
};

}  // namespace

FileContent read_workflow(const SourceText& source) {
  const FileContent tree = read_yaml(source);
  FileContent out;
  out.yaml = tree.yaml;
  Scripts scripts(without_expressions(source.text()), out, source.path());
  for (const YamlNode* document : out.yaml->documents) scripts.search(*document, 0);
  return out;
}

}  // namespace flense::lint

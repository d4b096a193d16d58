// The compat libcuda in front of the host's, as scripts and the steps of CI export it.
#include "base/ascii.h"
#include "base/format.h"
#include "lint/facts/final_environment.h"
#include "lint/facts/purpose.h"
#include "lint/readers/reader_values.h"
#include "lint/readers/readers.h"
#include "lint/rules/rules.h"
#include "lint/shell/reached.h"
#include "lint/shell/shell.h"
#include "lint/source/blanks.h"

namespace flense::lint {

namespace {

constexpr std::string_view kName = "LD_LIBRARY_PATH=";

/// `export LD_LIBRARY_PATH=/usr/local/cuda/compat:…`, in front of everything else. What stands
/// behind a condition looks at the driver first. `sure`: it runs where a GPU is.
void exported(const ProjectFile& file, const std::vector<ShellCommand>& commands, bool sure,
              FindingSink& sink) {
  const std::vector<bool> reached = surely_reached(commands);
  std::string before;  // the operator between the last command and this one
  for (std::size_t at = 0; at < commands.size(); ++at) {
    const ShellCommand& command = commands[at];
    const bool behind_condition = is_one_of(before, {"&&", "||"});
    before = command.joined_by;
    const std::string program = program_of(command).name;
    // The variables of the steps that follow: echo LD_LIBRARY_PATH=… >> $GITHUB_ENV.
    const bool for_steps = program == "echo" && !command.redirections.empty() &&
                           command.redirections.front().target.text.contains("GITHUB_ENV");
    if (command.depth != 0 || behind_condition || (program != "export" && !for_steps)) continue;
    for (const ShellWord& word : command.words) {
      if (!word.text.starts_with(kName)) continue;
      const std::string value = word.text.substr(kName.size());
      const std::string_view first = std::string_view(value).substr(0, value.find(':'));
      if (!is_compat(first) || !(first.contains("cuda") || first.contains("CUDA"))) continue;
      Finding& found = sink.add(
          "library-path-overwritten", file, word.span,
          "the compat libcuda is loaded on every host, also where the driver is newer or the GPU "
          "is a GeForce: error 803 or 804 there");
      found.evidence = {fmt::format("{} is first on LD_LIBRARY_PATH", first),
                        "forward_compat.json; NVIDIA, CUDA Compatibility"};
      found.fix = fmt::format("take {} off, or add it where the driver is older", first);
      found.pedantic =
          !sure || !reached[at] || comments_above(file.source, command.span).contains("compat");
    }
  }
}

/// The steps of a workflow, of the jobs that a machine with a GPU runs for sure alone.
class Steps {
 public:
  Steps(const ProjectFile& file, FindingSink& sink) : file_(file), sink_(sink) {}

  void search(const text::YamlNode& node, bool gpu, unsigned depth) {
    constexpr unsigned kDeepest = 32;
    if (depth > kDeepest) return;
    for (const std::string_view key : {"runs-on", "tags"}) gpu = gpu || speaks_of_gpu(node[key]);
    gpu = gpu || node["container"]["options"].text_or().contains("--gpus");
    // What a condition lets in nobody knows.
    gpu = gpu && node["if"].text_or().empty();
    for (const text::YamlNode* item : node.items) search(*item, gpu, depth + 1);
    for (const text::YamlMember& member : node.members) {
      if (is_one_of(member.key, {"run", "script", "before_script"})) {
        take(*member.value, gpu);
        for (const text::YamlNode* item : member.value->items) take(*item, gpu);
      }
      search(*member.value, gpu, depth + 1);
    }
  }

 private:
  static bool speaks_of_gpu(const text::YamlNode& labels) {
    const auto speaks = [](std::string_view label) {
      const std::string low = to_lower(label);
      return has_part(low, "-_. ", {"gpu", "cuda", "nvidia", "gpus"}) &&
             !has_part(low, "-_. ", {"no", "non", "without", "cpu"});
    };
    if (speaks(labels.text_or())) return true;
    for (const text::YamlNode* one : labels.items)
      if (speaks(one->text_or())) return true;
    return false;
  }

  void take(const text::YamlNode& node, bool gpu) {
    if (!node.is_scalar()) return;
    Span span = word_of(node).span;
    // The mark of a block, "|" or ">-", stands on a line of its own.
    if (node.block) span.begin = std::min(file_.source.text().find('\n', span.begin), span.end);
    exported(file_, split_shell(file_.source.text(), span).commands, gpu, sink_);
  }

  const ProjectFile& file_;
  FindingSink& sink_;
};

}  // namespace

void judge_compat_export(const Project& project, const std::vector<FileView>& /*views*/,
                         FindingSink& sink) {
  for (const auto& file : project.files) {
    const std::string_view text = file->source.text();
    if (!text.contains("compat") || !text.contains(kName)) continue;
    for (const auto& commands : scripts_of(*file)) exported(*file, commands, true, sink);
    if (file->kind != FileKind::kWorkflow || !file->yaml) continue;
    for (const text::YamlNode* document : file->yaml->documents)
      Steps(*file, sink).search(*document, false, 0);
  }
}

}  // namespace flense::lint

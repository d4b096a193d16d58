// The compat libcuda in front of the host's, and stubs, as scripts and the steps of CI export them,
// and as containers get them when they are started.
#include <algorithm>
#include <array>

#include "base/ascii.h"
#include "base/format.h"
#include "lint/facts/final_environment.h"
#include "lint/facts/purpose.h"
#include "lint/facts/workload_facts.h"
#include "lint/facts/workload_purpose.h"
#include "lint/readers/reader_values.h"
#include "lint/readers/readers.h"
#include "lint/rules/rules.h"
#include "lint/shell/reached.h"
#include "lint/shell/shell.h"
#include "lint/source/blanks.h"

namespace flense::lint {

namespace {

constexpr std::string_view kName = "LD_LIBRARY_PATH";

/// The variable, also as Apptainer takes it for its containers.
bool is_library_path(std::string_view name) {
  return name == kName || name == "APPTAINERENV_LD_LIBRARY_PATH" ||
         name == "SINGULARITYENV_LD_LIBRARY_PATH";
}

/// Of a value that something uses: the compat directory with nothing in front that may hold the
/// host's libcuda, and the stubs.
struct Misplaced {
  std::string_view compat, stubs;
};

Misplaced misplaced_in(std::string_view value) {
  Misplaced out;
  bool behind = false;
  for (const std::string_view part : split(value, ':')) {
    const bool cuda = part.contains("cuda") || part.contains("CUDA");
    if (out.compat.empty() && !behind && cuda && is_compat(part)) out.compat = part;
    if (out.stubs.empty() && cuda && is_stubs(part)) out.stubs = part;
    behind = behind || part.contains('$') || holds_driver(part);
  }
  return out;
}

Finding& report_compat(const ProjectFile& file, Span span, std::string_view directory,
                       FindingSink& sink) {
  Finding& found =
      sink.add("library-path-overwritten", file, span, std::string(kCompatConsequence));
  found.evidence = {fmt::format("{} is first on LD_LIBRARY_PATH", directory),
                    "forward_compat.json; NVIDIA, CUDA Compatibility"};
  found.fix = fmt::format("take {} off, or add it where the driver is older", directory);
  return found;
}

void report_stubs(const ProjectFile& file, Span span, std::string_view directory,
                  FindingSink& sink) {
  Finding& found = sink.add("stubs-in-library-path", file, span, std::string(kStubsConsequence));
  found.evidence = {fmt::format("LD_LIBRARY_PATH holds {}", directory),
                    "CUDA Installation Guide: stubs are for builds without a driver"};
  found.fix = fmt::format("take {} off; a linker takes LIBRARY_PATH or -L", directory);
}

/// A text that compiles or installs may need the stubs for its own programs.
bool builds(const std::vector<ShellCommand>& commands) {
  return std::ranges::any_of(commands, [](const ShellCommand& command) {
    const std::string program = program_of(command).name;
    return is_one_of(program, {"cmake", "make", "ninja", "nvcc", "gcc", "g++", "cc", "c++", "clang",
                               "clang++", "mpicc", "mpicxx", "bazel", "cargo", "meson", "docker",
                               "pytest", "ctest", "uv"}) ||
           (is_one_of(program, {"conda", "mamba"}) &&
            std::ranges::none_of(command.words,
                                 [](const ShellWord& word) {
                                   return is_one_of(word.text, {"activate", "deactivate"});
                                 })) ||
           program.starts_with("pip") || program.contains("build") ||
           std::ranges::any_of(command.words, [](const ShellWord& word) {
             return is_one_of(word.text, {"pip", "setup.py", "build"}) ||
                    word.text.ends_with("/setup.py");
           });
  });
}

bool speaks_of_driver(std::string_view text) {
  return std::ranges::any_of(
      std::to_array<std::string_view>({"driver", "nvidia-smi", "DRIVER", "libcuda.so", "nvml"}),
      [&](std::string_view word) { return text.contains(word); });
}

/// `export LD_LIBRARY_PATH=/usr/local/cuda/compat:…`, and what is set for one command. What stands
/// behind a condition may look at the driver first. `sure`: it runs where a GPU is.
void exported(const ProjectFile& file, const std::vector<ShellCommand>& commands, bool sure,
              FindingSink& sink) {
  const std::vector<bool> reached = surely_reached(commands);
  const bool links = !sure || builds(commands);
  const bool asks_for_driver = speaks_of_driver(file.source.text());
  std::string before;  // the operator between the last command and this one
  for (std::size_t at = 0; at < commands.size(); ++at) {
    const ShellCommand& command = commands[at];
    const bool behind_condition = is_one_of(before, {"&&", "||"});
    before = command.joined_by;
    const std::string program = program_of(command).name;
    // The variables of the steps that follow: echo LD_LIBRARY_PATH=… >> $GITHUB_ENV.
    const bool for_steps = program == "echo" && !command.redirections.empty() &&
                           command.redirections.front().target.text.contains("GITHUB_ENV");
    const bool branch = command.depth != 0 || behind_condition;
    if (branch && asks_for_driver) continue;
    const auto judge = [&](std::string_view value, Span span) {
      const auto [compat, stubs] = misplaced_in(value);
      if (!compat.empty())
        report_compat(file, span, compat, sink).pedantic =
            !sure || branch || !reached[at] ||
            comments_above(file.source, command.span).contains("compat");
      if (!stubs.empty() && !links && !branch) report_stubs(file, span, stubs, sink);
    };
    for (const ShellAssignment& set : command.assignments)
      if (set.name != kName && is_library_path(set.name)) judge(set.value.text, set.value.span);
    if (program != "export" && !for_steps) continue;
    for (const ShellWord& word : command.words) {
      const std::size_t equals = word.text.find('=');
      if (equals != word.text.npos && is_library_path(word.text.substr(0, equals)))
        judge(std::string_view(word.text).substr(equals + 1), word.span);
    }
  }
}

/// What a container gets when it is started. NVIDIA's images of frameworks have their compat
/// libcuda in compat/lib.real; Jetson's is how a newer CUDA comes to it.
void given(const ProjectFile& file, const Workload& workload, FindingSink& sink) {
  const Variable* set = variable(workload, kName);
  if (set == nullptr) return;
  std::string written(file.source.slice(set->span));
  if (set->value) written += *set->value;
  // Docker Compose fills it in from where it is called, before any container is there.
  if (workload.kind == WorkloadKind::kCompose && workload.node != nullptr &&
      (written.contains("$LD_LIBRARY_PATH") || written.contains("${LD_LIBRARY_PATH}")) &&
      !written.contains("$$")) {
    Finding& found = sink.add("library-path-overwritten", file, set->span,
                              "Compose fills LD_LIBRARY_PATH in with the value of the shell that "
                              "calls it, mostly nothing: what the image has in it is lost");
    found.evidence = {"Docker documentation, Compose: interpolation of $NAME; $$ is a dollar"};
    found.fix =
        "write ENV LD_LIBRARY_PATH in the Dockerfile, or delete it: NVIDIA's runtime adds the "
        "driver's folder";
    return;
  }
  if (!set->value) return;
  const auto [compat, stubs] = misplaced_in(*set->value);
  const std::string_view image = workload.image.text;
  const bool linked = image.contains("nvcr.io/nvidia/") && !image.contains("nvidia/cuda") &&
                      !compat.contains("/lib.real");
  const bool jetson =
      image.contains("l4t") || image.contains("jetson") || image.contains("dustynv");
  if (!compat.empty() && !linked && !jetson) report_compat(file, set->span, compat, sink);
  if (!stubs.empty() && !only_builds(workload)) report_stubs(file, set->span, stubs, sink);
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
    const bool filled_in = text.contains("$LD_LIBRARY_PATH") || text.contains("${LD_LIBRARY_PATH}");
    if (!(text.contains("compat") || text.contains("stubs") || filled_in) || !text.contains(kName))
      continue;
    for (const Workload& workload : file->workloads) given(*file, workload, sink);
    for (const auto& commands : scripts_of(*file)) exported(*file, commands, true, sink);
    if (file->kind != FileKind::kWorkflow || !file->yaml) continue;
    for (const text::YamlNode* document : file->yaml->documents)
      Steps(*file, sink).search(*document, false, 0);
  }
}

}  // namespace flense::lint

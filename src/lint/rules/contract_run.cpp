// What happens when the image is built and started: GPU calls without a GPU, users, entry points,
// health checks, engines compiled at every start, pickled weights.
#include <algorithm>
#include <map>

#include "base/format.h"
#include "knowledge/table_rows.h"
#include "lint/facts/build_steps.h"
#include "lint/facts/long_start.h"
#include "lint/facts/purpose.h"
#include "lint/facts/workload_facts.h"
#include "lint/rules/rules.h"
#include "lint/shell/reached.h"
#include "lint/source/blanks.h"

namespace flense::lint {

namespace {

constexpr std::size_t kMostScript = 100'000;

/// Why Python code cannot run without a GPU; empty: it can.
std::string gpu_in_python(std::string_view script) {
  script = script.substr(0, kMostScript);
  const bool demands = holds(script, "assert") || holds(script, "exit(") || holds(script, "raise");
  for (const std::string_view asked :
       {"cuda.is_available()", "cuda.device_count()", "list_physical_devices"})
    if (holds(script, asked) && demands) return std::string(asked) + " is demanded";
  for (const std::string_view call :
       {".cuda()", ".to('cuda", ".to(\"cuda", "device='cuda", "device=\"cuda", "cuda.get_device_",
        "cuda.synchronize", "jax.devices('gpu", "jax.devices(\"gpu"})
    if (holds(script, call)) return std::string(call) + " needs one";
  return {};
}

/// Why a command needs a GPU; empty: it does not.
std::string gpu_call(const StepCommand& command) {
  const std::string& program = command.program;
  if (program == "nvidia-smi" || program == "rocm-smi" || program == "amd-smi" ||
      program == "rocminfo")
    return program + " asks the driver, which is not there";
  if (program == "trtexec" && !command.has("--help") && !command.has("-h"))
    return "trtexec runs on a GPU";
  if (program == "trtllm-build") return "trtllm-build runs kernels on a GPU to choose among them";
  if (program.starts_with("python"))
    if (const std::string script = command.value_of("-c"); !script.empty())
      return gpu_in_python(script);
  return {};
}

void gpu_calls(const FileView& view, FindingSink& sink) {
  for (const StageView& stage : view.stages) {
    if (!stage.reachable) continue;
    for (const Instruction& run : stage.stage->instructions) {
      // RUN --device is how BuildKit gives a GPU to a build step.
      if (run.keyword != Keyword::kRun || run.flag("device") != nullptr) continue;
      const auto report = [&](Span span, const std::string& why) {
        Finding& found = sink.add("gpu-call-at-build", *view.file, span,
                                  "a build has no GPU and no driver: this step fails");
        found.evidence = {why, "Docker: build steps get no devices"};
        found.fix =
            "move it to the start of the container or to a test that runs the image with "
            "--gpus all";
      };
      for (const StepCommand& command : commands_of(run)) {
        // `nvidia-smi || true` and `if nvidia-smi` allow for failure.
        if (command.shell->joined_by == "||" || command.shell->depth > 0) continue;
        if (const std::string why = gpu_call(command); !why.empty())
          report(command.shell->span, why);
      }
      for (const Heredoc& document : run.heredocs) {
        const bool python = holds(document.shebang, "python") ||
                            (document.shebang.empty() && holds(run.interpreter, "python"));
        if (!python && !holds(view.text(run.arguments).substr(0, 200), "python")) continue;
        if (const std::string why = gpu_in_python(view.text(document.body)); !why.empty())
          report(document.body, why);
      }
    }
  }
}

bool has_user(const StageSteps& steps) {
  return std::ranges::any_of(
      steps.all(), [](const Step& step) { return step.instruction->keyword == Keyword::kUser; });
}

/// Bases that start as root: those of the vendors and plain distributions.
bool begins_as_root(const GpuImage& image) {
  for (const std::string_view name :
       {"nvidia/cuda", "pytorch/pytorch", "ubuntu", "debian", "python", "rockylinux", "almalinux"})
    if (image.repository == name) return true;
  return image.repository.starts_with("rocm/dev-") ||
         image.repository.starts_with("nvcr.io/nvidia/");
}

void root_user(const FileView& view, const StageSteps& steps, FindingSink& sink) {
  const StageView& last = view.stages.back();
  // An explicit root is hadolint's DL3002.
  if (has_user(steps) || !begins_as_root(last.image) || !is_gpu_file(view)) return;
  if (is_devcontainer(*view.file)) return;
  const bool starts = std::ranges::any_of(steps.all(), [](const Step& step) {
    return step.instruction->keyword == Keyword::kCmd ||
           step.instruction->keyword == Keyword::kEntrypoint;
  });
  if (!starts) return;  // a base for other images
  Finding& found = sink.add("root-user-gpu", *view.file, last.stage->base.span,
                            "no USER is stated, so the program runs as root; a GPU needs no root");
  found.evidence = {last.image.vendor.value == "amd"
                        ? "rocm.json, container: /dev/kfd and /dev/dri need the host's render group"
                        : "NVIDIA's device nodes have mode 0666",
                    "base: " + last.image.repository};
  found.fix = last.image.vendor.value == "amd"
                  ? "add USER 1000, and start with --group-add and the numbers of video and render"
                  : "add RUN useradd --create-home --uid 1000 app and USER 1000 as the last step "
                    "before CMD";
}

void ngc_entrypoint(const FileView& view, const StageSteps& steps, FindingSink& sink) {
  const StageView& last = view.stages.back();
  if (!last.image.repository.starts_with("nvcr.io/nvidia/") || last.image.release.empty()) return;
  const Instruction* entry = nullptr;
  for (const Step& step : steps.all())
    if (step.instruction->keyword == Keyword::kEntrypoint) entry = step.instruction;
  if (entry != nullptr && !holds(view.text(entry->span), "nvidia_entrypoint.sh")) {
    Finding& found = sink.add(
        "ngc-entrypoint-dropped", *view.file, entry->keyword_span,
        fmt::format("this replaces the entry point of {}, which checks driver and shared memory "
                    "and switches CUDA compatibility on",
                    last.image.repository));
    found.evidence = {
        last.image.release.empty() ? last.image.repository : "release " + last.image.release,
        "NGC images: /opt/nvidia/nvidia_entrypoint.sh"};
    found.fix =
        "put the program into CMD, or begin ENTRYPOINT with "
        "\"/opt/nvidia/nvidia_entrypoint.sh\"";
  }
  for (const Step& step : steps.all())
    for (const StepCommand& command : commands_of(*step.instruction)) {
      if (command.program != "rm") continue;
      for (const Argument& word : command.arguments)
        if (word.text == "/opt/nvidia" || word.text.starts_with("/opt/nvidia/nvidia_entrypoint") ||
            word.text == "/opt/nvidia/*" || word.text.starts_with("/opt/nvidia/entrypoint.d")) {
          Finding& found = sink.add("ngc-entrypoint-dropped", *view.file, word.span,
                                    "this deletes the entry point that NGC images start with");
          found.evidence = {"NGC images: /opt/nvidia/nvidia_entrypoint.sh"};
          found.fix = "keep /opt/nvidia";
        }
    }
}

void health_check(const FileView& view, const StageSteps& steps, FindingSink& sink) {
  const Instruction* check = nullptr;
  for (const Step& step : steps.all())
    if (step.instruction->keyword == Keyword::kHealthcheck) check = step.instruction;
  if (check == nullptr) return;
  // HEALTHCHECK NONE disables the base's check.
  if (check->commands.empty()) return;
  const Flag* period = check->flag("start-period");
  const bool none = period == nullptr || period->value == "0s" || period->value == "0";
  if (!none || is_queue_worker(steps)) return;
  std::string why = long_start(view, steps);
  if (why.empty() && !may_load_models(view, why)) return;
  Finding& found =
      sink.add("health-check-start-period", *view.file,
               period == nullptr ? check->keyword_span : period->span,
               "the health check counts failures from the first second: a server that loads its "
               "model first is called unhealthy before it has started");
  found.evidence = {why,
                    "Dockerfile reference, HEALTHCHECK: --start-period is 0s by default, three "
                    "failures make a container unhealthy"};
  found.fix = "add --start-period=10m, or as long as the largest model takes to load";
  if (period != nullptr)
    found.edits.push_back({period->span, "--start-period=10m"});
  else
    found.edits.push_back(
        {{check->keyword_span.end, check->keyword_span.end}, " --start-period=10m"});
}

/// The command that builds an engine; empty: none does.
std::string builds_engine(const std::vector<std::string>& words) {
  const auto has = [&](std::string_view part) {
    return std::ranges::any_of(words, [&](const std::string& word) { return holds(word, part); });
  };
  for (std::size_t at = 0; at < words.size() && at < 1'000; ++at) {
    const std::string_view program = std::string_view(words[at]).substr(words[at].rfind('/') + 1);
    if (program == "trtexec" && (has("--onnx") || has("--saveEngine"))) return "trtexec";
    if (program == "trtllm-build") return "trtllm-build";
    if (program == "onnx2trt") return "onnx2trt";
    if (program == "polygraphy" && has("convert")) return "polygraphy convert";
    if (holds(words[at], "torch.compile(") || holds(words[at], "torch_tensorrt.compile("))
      return "a compilation in the start command";
  }
  return {};
}

void report_engine(const ProjectFile& file, Span span, const std::string& what,
                   const std::string& where, FindingSink& sink) {
  Finding& found = sink.add(
      "engine-built-at-start", file, span,
      fmt::format("{} builds the engine at every start, for minutes, on each replica", what));
  found.evidence = {where,
                    "TensorRT documentation: a plan holds for the GPU model and the TensorRT "
                    "version that built it"};
  found.fix =
      "build it once per GPU model on a machine with that GPU, and bring it by a volume, an "
      "OCI artifact or COPY; where hosts differ, keep it in a mounted cache directory";
}

/// The project's scripts by their names, which start commands run; of one name the first.
using Scripts = std::map<std::string_view, const ProjectFile*>;

Scripts scripts_of(const Project& project) {
  Scripts out;
  for (const auto& file : project.files)
    if (const std::string_view name = file_name(file->source.path());
        file->kind == FileKind::kShell && name.ends_with(".sh"))
      out.try_emplace(name, file.get());
  return out;
}

void engines(const FileView& view, const StageSteps& steps, const Scripts& scripts,
             FindingSink& sink) {
  const Instruction *command = nullptr, *entry = nullptr;
  for (const Step& step : steps.all()) {
    if (step.instruction->keyword == Keyword::kCmd) command = step.instruction;
    if (step.instruction->keyword == Keyword::kEntrypoint) entry = step.instruction;
  }
  for (const Instruction* start : {entry, command}) {
    if (start == nullptr) continue;
    std::vector<std::string> words;
    for (const ShellCommand& one : start->commands)
      for (const ShellWord& word : one.words) words.push_back(word.text);
    for (const Word& word : start->words) words.push_back(word.text);
    if (const std::string what = builds_engine(words); !what.empty()) {
      report_engine(*view.file, start->arguments, what, std::string(to_string(start->keyword)),
                    sink);
      continue;
    }
    for (const std::string& word : words) {
      const auto named = scripts.find(file_name(word));
      if (named == scripts.end()) continue;
      const ProjectFile* script = named->second;
      const std::vector<ShellCommand> commands =
          split_shell(script->source.text(), {0, script->source.text().size()}).commands;
      const std::vector<bool> sure = surely_reached(commands);
      for (std::size_t at = 0; at < commands.size(); ++at) {
        // `test -f engine || trtexec …` and `if` build it only once.
        if (!sure[at]) continue;
        std::vector<std::string> inner;
        for (const ShellWord& part : commands[at].words) inner.push_back(part.text);
        if (const std::string what = builds_engine(inner); !what.empty())
          report_engine(*script, commands[at].span, what,
                        fmt::format("{} runs it", to_string(start->keyword)), sink);
      }
      break;
    }
  }
}

void launched_engines(const Project& project, FindingSink& sink) {
  for (const auto& file : project.files)
    for (const Workload& workload : file->workloads) {
      const std::vector<Word> words = command_words(workload);
      std::vector<std::string> texts;
      for (const Word& word : words) texts.push_back(word.text);
      const std::string what = builds_engine(texts);
      if (what.empty() || workload.init_container) continue;
      report_engine(*file, words.front().span, what, title(workload), sink);
    }
}

bool is_pickle(std::string_view path) {
  path = path.substr(0, path.find('?'));
  const std::string_view name = path.substr(path.rfind('/') + 1);
  for (const std::string_view end : {".pt", ".pth", ".ckpt", ".pkl", ".pickle"})
    if (name.ends_with(end)) return true;
  return name.starts_with("pytorch_model") && name.ends_with(".bin");
}

void pickles(const FileView& view, const StageSteps& steps, FindingSink& sink) {
  const Context* context = view.project->context_of(*view.file);
  const auto report = [&](Span span, std::string_view path) {
    const std::string_view name = path.substr(path.rfind('/') + 1);
    Finding& found = sink.add(
        "pickled-weights", *view.file, span,
        fmt::format("{} is a pickle: it can run code when it is loaded, and is read as a whole",
                    name));
    found.evidence = {"Python, pickle: never unpickle what you do not trust"};
    std::string twin(name.substr(0, name.rfind('.')));
    if (twin.starts_with("pytorch_model")) twin.replace(0, 13, "model");
    twin += ".safetensors";
    const bool beside =
        context != nullptr && std::ranges::any_of(context->files, [&](const ContextFile& file) {
          return file.path.ends_with(twin);
        });
    if (beside) found.evidence.push_back(twin + " is in the build context");
    found.fix = fmt::format(
        "take {} (safetensors.torch.save_file writes it): it is mapped into "
        "memory and holds no code",
        twin);
  };
  std::size_t said = 0;
  for (const Step& step : steps.all()) {
    const Instruction& one = *step.instruction;
    if (one.copies()) {
      for (std::size_t at = 0; at + 1 < one.words.size(); ++at)
        if (is_pickle(one.words[at].text) && ++said < 100)
          report(one.words[at].span, one.words[at].text);
    } else if (one.keyword == Keyword::kRun) {
      for (const StepCommand& command : commands_of(one)) {
        const bool fetches = command.program == "wget" || command.program == "curl" ||
                             command.program == "aria2c" || command.program == "hf" ||
                             command.program == "huggingface-cli";
        if (!fetches) continue;
        for (std::size_t at = 0; at < command.arguments.size(); ++at) {
          const Argument& word = command.arguments[at];
          const bool left_out = at > 0 && command.arguments[at - 1].text == "--exclude";
          if (word.text.starts_with('-') || left_out || !is_pickle(word.text)) continue;
          if (++said < 100) report(word.span, word.text);
          break;
        }
      }
    }
  }
}

}  // namespace

void judge_contract_run(const Project& project, const std::vector<FileView>& views,
                        FindingSink& sink) {
  const Scripts scripts = scripts_of(project);
  for (const FileView& view : views) {
    const StageSteps steps(view, view.stages.size() - 1);
    gpu_calls(view, sink);
    root_user(view, steps, sink);
    ngc_entrypoint(view, steps, sink);
    health_check(view, steps, sink);
    engines(view, steps, scripts, sink);
    pickles(view, steps, sink);
  }
  launched_engines(project, sink);
}

}  // namespace flense::lint

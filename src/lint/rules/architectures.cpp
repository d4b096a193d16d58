// The GPUs that a build compiles for: lists of architectures, their spelling, what the base's
// toolkit supports, and what the given hosts have.
#include <algorithm>
#include <array>
#include <optional>

#include "base/format.h"
#include "base/version_numbers.h"
#include "lint/facts/build_steps.h"
#include "lint/facts/gpu_architectures.h"
#include "lint/facts/sure_installs.h"
#include "lint/facts/table_facts.h"
#include "lint/rules/rules.h"
#include "lint/source/blanks.h"

namespace flense::lint {

namespace {

constexpr auto kTorchNames = std::to_array<std::string_view>({"TORCH_CUDA_ARCH_LIST"});
constexpr auto kTorchRocmNames = std::to_array<std::string_view>({"PYTORCH_ROCM_ARCH"});
constexpr auto kCmakeNames =
    std::to_array<std::string_view>({"CMAKE_CUDA_ARCHITECTURES", "CUDAARCHS"});
constexpr auto kRocmNames = std::to_array<std::string_view>(
    {"GPU_TARGETS", "AMDGPU_TARGETS", "CMAKE_HIP_ARCHITECTURES", "GPU_ARCHS"});

/// The words of one place: a rule, what is judged and where.
struct Listed {
  std::string_view rule;
  const FileView* view;
  const StageView* stage;
  std::string name;
  Span span;
  bool exact;
  const Instruction* instruction;
  bool other_toolkit = false;  ///< another than the base's compiles, or may
};

std::string plain(std::string_view architecture) {
  while (architecture.ends_with('a') || architecture.ends_with('f')) architecture.remove_suffix(1);
  return std::string(architecture);
}

/// Another toolkit than the base's compiles in a stage, or may.
bool brings_toolkit(const FileView& view, const StageView& stage) {
  // apt's name of the base's own: cuda-nvcc-11-4.
  std::string own = "-" + major_minor(stage.image.cuda.value);
  std::ranges::replace(own, '.', '-');
  for (const std::string_view word : {"cuda-toolkit", "cuda-nvcc", "cuda-compiler"})
    if (commands_mention(view, stage.index, std::string(word) + own)) return false;
  return std::ranges::any_of(
      std::to_array<std::string_view>(
          {"cuda-toolkit", "cuda-nvcc", "cuda-compiler", "cudatoolkit-dev", "_linux.run"}),
      [&](std::string_view word) { return commands_mention(view, stage.index, word); });
}

/// Entries of a list that the base's CUDA does not compile for, with the release that decides it.
struct Refused {
  std::string release, evidence;
  std::vector<std::string> items;
};

void refuse(std::vector<Refused>& by, const std::string& release, const std::string& evidence,
            const std::string& item) {
  auto at = std::ranges::find(by, release, &Refused::release);
  if (at == by.end()) at = by.insert(by.end(), {release, evidence, {}});
  at->items.push_back(item);
}

/// `verb` and `limit` say it of one release: "no longer compiles", "was the last".
void tell(const Listed& at, const ArchitectureList& list, const std::vector<Refused>& refused,
          std::string_view verb, std::string_view limit, std::string_view base, FindingSink& sink) {
  if (refused.empty()) return;
  const Brought& cuda = at.stage->image.cuda;
  std::string message = fmt::format("CUDA {} of the base {}", major_minor(cuda.value), verb);
  std::vector<std::string> items;
  for (const Refused& one : refused) {
    message += fmt::format("{} for {}: {} {}", &one == &refused.front() ? "" : ",",
                           fmt::join(one.items, ", "), one.release, limit);
    items.insert(items.end(), one.items.begin(), one.items.end());
  }
  Finding& found = sink.add(at.rule, *at.view->file, at.span, std::move(message));
  found.evidence = {refused.front().evidence, cuda.evidence};
  // A branch may be another base's.
  found.pedantic = at.instruction != nullptr && !is_reached(*at.instruction, at.span);
  // Where nothing compiles nothing reads the list.
  if (at.name == "TORCH_CUDA_ARCH_LIST" && at.stage->image.flavour.value != "devel" &&
      at.view->installs_in(at.stage->index).empty())
    found.pedantic = true;
  const std::string gone = fmt::format("{}", fmt::join(items, ", "));
  // Of the list something is to be left.
  found.fix = at.name == "nvcc" ? fmt::format("leave {} out, or begin with {}", gone, base)
              : items.size() == list.items.size()
                  ? fmt::format("begin with {}, or name a GPU that the base compiles for", base)
                  : fmt::format("take {} out of {}, or begin with {}", gone, at.name, base);
}

/// The first CUDA that compiles for an entry: code for one GPU or family came later than the GPU.
std::string first_cuda_of(const knowledge::ArchitectureRow& row, std::string_view entry) {
  const std::string_view of_form = entry.ends_with('a')   ? "12.0"
                                   : entry.ends_with('f') ? "12.9"
                                                          : "";
  return std::string(compare_versions(row.first_cuda, of_form) < 0 ? of_form : row.first_cuda);
}

/// Takes out of a misspelt list, before it is written anew, what the base's CUDA does not compile
/// for. False: nothing would be left, and the list stays.
bool drop_refused(const Listed& at, ArchitectureList& list) {
  const Brought& cuda = at.stage->image.cuda;
  if (!cuda.known() || at.other_toolkit) return true;
  const std::string toolkit = major_minor(cuda.value);
  std::vector<ListedArchitecture> kept = list.items;
  std::erase_if(kept, [&](const ListedArchitecture& item) {
    const auto* row = at.view->project->knowledge->architectures.find(plain(item.architecture));
    return row != nullptr &&
           (compare_versions(toolkit, first_cuda_of(*row, item.architecture)) < 0 ||
            (!row->last_cuda.empty() && compare_versions(toolkit, row->last_cuda) > 0));
  });
  if (kept.empty()) return false;
  list.items = std::move(kept);
  list.corrected.clear();
  for (const ListedArchitecture& item : list.items)
    list.corrected += fmt::format("{}{}", list.corrected.empty() ? "" : ";",
                                  item.meant.empty() ? item.text : item.meant);
  return true;
}

/// What stands behind the list that is to be written, where some of the old one are left out.
std::string left_out(const Listed& at, std::size_t old, const ArchitectureList& kept) {
  return kept.items.size() == old
             ? std::string()
             : fmt::format(", without what CUDA {} of the base does not compile for",
                           major_minor(at.stage->image.cuda.value));
}

void judge_toolkit(const Listed& at, const ArchitectureList& list, FindingSink& sink) {
  const Brought& cuda = at.stage->image.cuda;
  if (!cuda.known() || at.other_toolkit) return;
  const std::string toolkit = major_minor(cuda.value);
  std::vector<std::string> said;
  std::vector<Refused> later, ended;
  std::string first, last;  // of the toolkits that compile for all of these
  for (const ListedArchitecture& item : list.items) {
    if (item.architecture.empty() || item.architecture.starts_with("gfx")) continue;
    if (std::ranges::find(said, item.architecture) != said.end()) continue;
    said.push_back(item.architecture);
    const auto* row = at.view->project->knowledge->architectures.find(plain(item.architecture));
    if (row == nullptr) {
      Finding& found =
          sink.add(at.rule, *at.view->file, at.span,
                   fmt::format("{} names {}, which is not an architecture that the table knows",
                               at.name, item.text));
      found.evidence = {cuda.evidence};
      found.fix = "write one that the base's CUDA compiles for";
    } else if (const std::string from = first_cuda_of(*row, item.architecture);
               compare_versions(toolkit, from) < 0) {
      refuse(later, from, row->source, item.text);
      if (first.empty() || compare_versions(from, first) > 0) first = from;
    } else if (!row->renamed_after.empty() && compare_versions(toolkit, row->renamed_after) > 0) {
      std::string old = row->architecture, now = row->renamed_to;
      if (!item.text.contains('.')) {
        std::erase(old, '.');
        std::erase(now, '.');
      }
      Finding& found = sink.add(at.rule, *at.view->file, at.span,
                                fmt::format("CUDA {} of the base does not know {}: after {} it is "
                                            "called {}",
                                            toolkit, old, row->renamed_after, now));
      found.evidence = {row->source, cuda.evidence};
      found.fix = fmt::format("write {} in place of {}", now, old);
    } else if (!row->last_cuda.empty() && compare_versions(toolkit, row->last_cuda) > 0) {
      refuse(ended, row->last_cuda, row->source, item.text);
      if (last.empty() || compare_versions(row->last_cuda, last) < 0) last = row->last_cuda;
    }
  }
  tell(at, list, later, "cannot compile", "was the first", fmt::format("CUDA {} or newer", first),
       sink);
  tell(at, list, ended, "no longer compiles", "was the last", fmt::format("CUDA {} or older", last),
       sink);
}

bool serves(const ListedArchitecture& item, const std::string& gpu) {
  if (item.architecture.starts_with("gfx")) return item.architecture == gpu;
  const bool exact = item.architecture.ends_with('a');
  const std::string architecture = plain(item.architecture);
  if (exact || item.text.ends_with("-real")) {
    return first_number(architecture) == first_number(gpu) &&
           (exact ? architecture == gpu : compare_versions(architecture, gpu) <= 0);
  }
  // Plain entries: a cubin of the same major, or PTX, which newer GPUs compile.
  const bool ptx = item.text.ends_with("+PTX") || item.text.ends_with("-virtual") ||
                   item.text.starts_with("compute_");
  if (ptx && compare_versions(architecture, gpu) <= 0) return true;
  return first_number(architecture) == first_number(gpu) &&
         compare_versions(architecture, gpu) <= 0;
}

void judge_hosts(const Listed& at, const ArchitectureList& list, bool cmake, FindingSink& sink) {
  const bool any = std::ranges::any_of(
      list.items, [](const ListedArchitecture& item) { return !item.architecture.empty(); });
  const bool keyword = std::ranges::any_of(
      list.items, [](const ListedArchitecture& item) { return !item.keyword.empty(); });
  if (!any || keyword) return;
  std::vector<std::string> said;
  for (const host::Profile& profile : at.view->project->hosts)
    for (const host::Gpu& gpu : profile.gpus) {
      if (!gpu.architecture.value) continue;
      const std::string& wanted = *gpu.architecture.value;
      const bool amd = wanted.starts_with("gfx");
      const bool amd_list = list.items.front().architecture.starts_with("gfx");
      if (amd != amd_list || std::ranges::find(said, wanted) != said.end()) continue;
      const bool served = std::ranges::any_of(list.items, [&](const ListedArchitecture& item) {
        // CMake's plain numbers produce PTX as well as the cubin.
        const bool with_ptx = cmake && item.text == item.text.substr(0, item.text.find('-'));
        return !item.architecture.empty() &&
               (serves(item, wanted) || (with_ptx && !item.architecture.ends_with('a') &&
                                         compare_versions(plain(item.architecture), wanted) <= 0));
      });
      if (served) continue;
      said.push_back(wanted);
      Finding& found = sink.add(
          at.rule, *at.view->file, at.span,
          fmt::format("{} holds nothing for {}, the GPU of {}", at.name, wanted, profile.source));
      found.evidence = {"--host " + profile.source};
      found.fix = fmt::format("add {} to {}", wanted, at.name);
    }
}

/// Whether all Python packages of the stages on this one are known, and neither they nor a tool
/// beside them compile for GPUs.
bool compiles_nothing(const FileView& view, const StageView& stage) {
  bool python = false;
  for (const StageView& user : view.stages) {
    const auto lineage = view.dockerfile->lineage(user.index);
    if (std::ranges::find(lineage, stage.index) == lineage.end()) continue;
    if (!knows_all_installs(view, user.index)) return false;
    for (const std::string_view tool : {"cmake", "ninja", "ninja-build", "nvcc", "setup.py", "make",
                                        "bazel", "meson", "cargo", "git+"})
      if (commands_mention(view, user.index, tool)) return false;
    for (const Install* install : view.installs_in(user.index))
      for (const PackageList* list : lists_of(*install))
        for (const PackageRequest& request : list->packages) {
          if (is_gpu_package(request.name) || !request.url.empty()) return false;
          python = python || !is_of_system(request.manager);
        }
  }
  return python;
}

/// A semicolon outside quotes ends a shell's command.
bool may_stand(const Setting& setting, const FileView& view, std::string_view value) {
  return !value.contains(';') || setting.instruction->keyword == Keyword::kEnv ||
         (setting.span.begin > 0 && std::string_view("\"'").contains(
                                        view.text({setting.span.begin - 1, setting.span.begin})));
}

void torch_lists(const FileView& view, const StageView& stage, FindingSink& sink) {
  const std::vector<Setting> settings = settings_of(view, stage.index, kTorchNames);
  const bool other = !settings.empty() && brings_toolkit(view, stage);
  const bool idle = !settings.empty() && compiles_nothing(view, stage);
  for (const Setting& setting : settings) {
    // Of a shell within the shell.
    if (setting.value.contains('"') || setting.value.contains('\\')) continue;
    const Listed at{"torch-arch-list",   &view, &stage, setting.name, setting.span, setting.exact,
                    setting.instruction, other};
    ArchitectureList list = read_architectures(setting.value, ArchitectureSyntax::kTorch);
    if (!list.well_spelt) {
      Finding& found = sink.add(
          at.rule, *view.file, at.span,
          fmt::format("TORCH_CUDA_ARCH_LIST is \"{}\": torch wants capabilities as 8.6, with "
                      "semicolons or blanks between them",
                      setting.value));
      found.evidence = {"torch.utils.cpp_extension: named architectures and 'N.N', 'N.N+PTX'"};
      if (!list.corrected.empty()) {
        const std::size_t old = list.items.size();
        const bool any_left = drop_refused(at, list);
        found.fix = fmt::format("write \"{}\"{}", list.corrected, left_out(at, old, list));
        if (any_left && setting.exact && may_stand(setting, view, list.corrected))
          found.edits.push_back({at.span, list.corrected});
        found.pedantic = idle || (is_one_of(stage.image.flavour.value, {"base", "runtime"}) &&
                                  !commands_mention(view, stage.index, "cuda-") &&
                                  !commands_mention(view, stage.index, "nvcc"));
      }
    }
    for (const std::string_view word : {"all", "common"})
      if (list.has_keyword(word)) {
        Finding& found = sink.add(at.rule, *view.file, at.span,
                                  fmt::format("TORCH_CUDA_ARCH_LIST is '{}': every kernel is "
                                              "compiled and shipped for every GPU that is known",
                                              setting.value));
        found.evidence = {"mmdetection#2108"};
        found.fix = fmt::format("name the GPUs to support, as \"{}\"",
                                example_architectures(view, stage, ArchitectureSyntax::kTorch));
      }
    if (!idle) judge_toolkit(at, list, sink);
    judge_hosts(at, list, false, sink);
  }
  for (const Setting& setting : settings_of(view, stage.index, kTorchRocmNames)) {
    const Listed at{"torch-arch-list",  &view, &stage, setting.name, setting.span, setting.exact,
                    setting.instruction};
    judge_hosts(at, read_architectures(setting.value, ArchitectureSyntax::kRocm), false, sink);
  }
}

/// Whether an ENV of this name, which CMake does not read, only gives torch its list.
bool is_for_torch(const FileView& view, const Setting& setting) {
  if (setting.name != "CMAKE_CUDA_ARCHITECTURES" || setting.instruction == nullptr ||
      (setting.instruction->keyword != Keyword::kEnv &&
       setting.instruction->keyword != Keyword::kArg))
    return false;
  const std::string_view text = view.file->source.text();
  for (const std::string_view use : {"TORCH_CUDA_ARCH_LIST=${CMAKE_CUDA_ARCHITECTURES}",
                                     "TORCH_CUDA_ARCH_LIST=\"${CMAKE_CUDA_ARCHITECTURES}\"",
                                     "TORCH_CUDA_ARCH_LIST=$CMAKE_CUDA_ARCHITECTURES"})
    if (text.contains(use) && !text.contains("-DCMAKE_CUDA_ARCHITECTURES")) return true;
  return false;
}

/// Whether a later setting of the name takes the place of this one before a step could read it.
bool is_replaced(const StageView& stage, const std::vector<Setting>& all, const Setting& setting) {
  if (setting.instruction == nullptr || setting.instruction->keyword == Keyword::kRun) return false;
  const std::size_t begin = setting.instruction->span.begin;
  return std::ranges::any_of(all, [&](const Setting& later) {
    return later.name == setting.name && later.instruction != nullptr &&
           later.instruction->span.begin > begin &&
           std::ranges::none_of(stage.stage->instructions, [&](const Instruction& step) {
             return step.keyword == Keyword::kRun && step.span.begin > begin &&
                    step.span.begin < later.instruction->span.begin;
           });
  });
}

/// Whether something reads the variable by its name: what CMake wants of it is not all.
bool is_read(const FileView& view, std::string_view name) {
  const std::string_view text = view.file->source.text();
  for (const std::string& use : {fmt::format("${}", name), fmt::format("${{{}", name)})
    for (std::size_t at = text.find(use); at != text.npos; at = text.find(use, at + 1)) {
      std::string_view before = text.substr(0, at);
      while (before.ends_with('"') || before.ends_with('\'')) before.remove_suffix(1);
      if (!ends_with_any(before, {"CMAKE_CUDA_ARCHITECTURES=", "CUDAARCHS="})) return true;
    }
  return false;
}

/// Whether each cmake of the stage that configures says the architectures itself.
bool says_it_itself(const StageView& stage) {
  bool said = false;
  for (const Instruction& run : stage.stage->instructions)
    for (const ShellCommand& command : run.commands) {
      if (program_of(command).name != "cmake") continue;
      const auto has = [&](std::string_view text) {
        return std::ranges::any_of(
            command.words, [&](const ShellWord& word) { return word.text.starts_with(text); });
      };
      if (has("-DCMAKE_CUDA_ARCHITECTURES"))
        said = true;
      else if (!has("--build") && !has("--install") && !has("-E") && !has("-P") &&
               !has("--version") && !has("--help"))
        return false;
    }
  return said;
}

void cmake_lists(const FileView& view, const StageView& stage, FindingSink& sink) {
  const std::vector<Setting> all = settings_of(view, stage.index, kCmakeNames);
  const bool other = !all.empty() && brings_toolkit(view, stage);
  for (const Setting& setting : all) {
    if (is_for_torch(view, setting) || is_replaced(stage, all, setting)) continue;
    // CMake reads CUDAARCHS where the command does not say the same.
    if (setting.name == "CUDAARCHS" && says_it_itself(stage)) continue;
    const Listed at{"cuda-architectures", &view, &stage, setting.name, setting.span, setting.exact,
                    setting.instruction,  other};
    ArchitectureList list = read_architectures(setting.value, ArchitectureSyntax::kCmake);
    if (!list.well_spelt) {
      Finding& found = sink.add(
          at.rule, *view.file, at.span,
          fmt::format("{} is \"{}\": CMake wants numbers without a dot, with semicolons between "
                      "them",
                      setting.name, setting.value));
      found.evidence = {"CMake: CUDA_ARCHITECTURES"};
      if (!list.corrected.empty()) {
        const bool read = is_read(view, setting.name);
        const std::size_t old = list.items.size();
        const bool any_left = drop_refused(at, list);
        found.fix = fmt::format("{} \"{}\"{}{}", read ? "give CMake" : "write", list.corrected,
                                left_out(at, old, list),
                                read ? ": something else reads " + setting.name + " too" : "");
        if (any_left && setting.exact && !read && may_stand(setting, view, list.corrected))
          found.edits.push_back({at.span, list.corrected});
      }
    }
    if (list.has_keyword("native")) {
      if (!runs_in_build(setting.instruction)) continue;
      Finding& found =
          sink.add(at.rule, *view.file, at.span,
                   fmt::format("{} is native, and a build of an image has no GPU", setting.name));
      found.severity = Severity::kError;
      found.evidence = {
          "GiantAI/pixtrack#12, colmap#2807: \"is set to native, but no GPU was "
          "detected\"",
          "nvidia-docker#370"};
      found.fix = fmt::format("name the GPUs to support, as \"{}\"",
                              example_architectures(view, stage, ArchitectureSyntax::kCmake));
    } else if (list.has_keyword("all") || list.has_keyword("all-major")) {
      Finding& found = sink.add(at.rule, *view.file, at.span,
                                fmt::format("{} is '{}': every kernel is compiled and shipped for "
                                            "every GPU that the toolkit knows",
                                            setting.name, setting.value));
      found.evidence = {"CMake: CUDA_ARCHITECTURES"};
      found.fix = fmt::format("name the GPUs to support, as \"{}\"",
                              example_architectures(view, stage, ArchitectureSyntax::kCmake));
      // What is published for everybody's GPU is meant so.
      found.pedantic = list.has_keyword("all-major");
    }
    judge_toolkit(at, list, sink);
    judge_hosts(at, list, true, sink);
  }
  for (const Setting& setting : settings_of(view, stage.index, kRocmNames)) {
    const Listed at{"cuda-architectures", &view, &stage, setting.name, setting.span, setting.exact,
                    setting.instruction};
    judge_hosts(at, read_architectures(setting.value, ArchitectureSyntax::kRocm), false, sink);
  }
}

void nvcc_flags(const FileView& view, const StageView& stage, FindingSink& sink) {
  std::optional<bool> other;  // asked once
  for (const Instruction& run : stage.stage->instructions)
    for (const ShellCommand& command : run.commands) {
      const Program program = program_of(command);
      if (program.name != "nvcc") continue;
      unsigned targets = 0;
      bool compressed = false;
      for (std::size_t at = program.first + 1; at < command.words.size(); ++at) {
        const ShellWord& word = command.words[at];
        compressed = compressed || word.text.find("compress") != std::string::npos;
        std::string_view value;
        Span span = word.span;
        for (const std::string_view option :
             {"--gpu-architecture", "--generate-code", "-gencode", "-arch"}) {
          if (!word.text.starts_with(option)) continue;
          value = std::string_view(word.text).substr(option.size());
          if (value.starts_with('=')) value.remove_prefix(1);
          if (value.empty() && at + 1 < command.words.size()) {
            value = command.words[at + 1].text;
            span = command.words[at + 1].span;
          }
          break;
        }
        if (value.empty() || value.find('$') != value.npos) continue;
        ++targets;
        if (!other) other = brings_toolkit(view, stage);
        const Listed listed{"cuda-architectures", &view, &stage, "nvcc", span, false, &run, *other};
        const ArchitectureList list = read_architectures(value, ArchitectureSyntax::kNvcc);
        if (list.has_keyword("native") && runs_in_build(&run)) {
          Finding& found = sink.add(listed.rule, *view.file, span,
                                    "nvcc is to compile for the GPU at hand, and a build of an "
                                    "image has none");
          found.severity = Severity::kError;
          found.evidence = {"nvidia-docker#370"};
          const std::string all = example_architectures(view, stage, ArchitectureSyntax::kCmake);
          found.fix = fmt::format("name the GPU to support, as -arch=sm_{}",
                                  all.substr(all.rfind(';') + 1));
        }
        judge_toolkit(listed, list, sink);
        if (value.find("sm_") != value.npos && targets == 1 && command.words.size() < 200) {
          const bool more = std::ranges::count_if(command.words, [](const ShellWord& other) {
                              return other.text.starts_with("-gencode") ||
                                     other.text.starts_with("--generate-code");
                            }) > 1;
          if (!more) judge_hosts(listed, list, false, sink);
        }
      }
      if (compressed || targets < 2 || !stage.image.cuda.known() ||
          !version_at_least(stage.image.cuda.value, "12.8"))
        continue;
      const auto* format = view.project->knowledge->drivers.format("zstd-fatbin");
      Finding& found = sink.add(
          "nvcc-uncompressed", *view.file, command.words[program.first].span,
          "code for several GPUs is written without a compress mode: CUDA 12.8 and later can make "
          "it smaller");
      found.evidence = {stage.image.cuda.evidence};
      if (format != nullptr)
        found.evidence.push_back(
            fmt::format("{}: needs a driver of CUDA {}", format->source, format->cuda));
    }
}

}  // namespace

void judge_architectures(const Project& /*project*/, const std::vector<FileView>& views,
                         FindingSink& sink) {
  for (const FileView& view : views)
    for (const StageView& stage : view.stages) {
      torch_lists(view, stage, sink);
      cmake_lists(view, stage, sink);
      nvcc_flags(view, stage, sink);
    }
}

}  // namespace flense::lint

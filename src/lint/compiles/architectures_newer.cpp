// Lists of GPUs without PTX: newer GPUs than these find no code.
#include <algorithm>
#include <array>

#include "base/format.h"
#include "base/version_numbers.h"
#include "lint/facts/build_steps.h"
#include "lint/facts/gpu_architectures.h"
#include "lint/facts/sure_installs.h"
#include "lint/rules/rules.h"
#include "lint/source/blanks.h"

namespace flense::lint {

namespace {

/// The newest GPUs of today, and what the first toolkit of each generation brought (CUDA Toolkit
/// Release Notes).
constexpr std::string_view kNewest = "12.0";
std::string_view newest_of_toolkit(std::string_view cuda) {
  return compare_versions(cuda, "12.8") >= 0   ? kNewest
         : compare_versions(cuda, "11.8") >= 0 ? "9.0"
         : compare_versions(cuda, "11.1") >= 0 ? "8.6"
         : compare_versions(cuda, "11.0") >= 0 ? "8.0"
         : compare_versions(cuda, "10.0") >= 0 ? "7.5"
         : compare_versions(cuda, "9.0") >= 0  ? "7.0"
                                               : "";
}

/// A list of plain numbers, "5.3 6.1 7.5"; no entry: one is none, or has PTX.
struct PlainList {
  std::string newest;
  std::size_t entries = 0;
};
PlainList plain_list(std::string_view list) {
  PlainList out;
  for (const std::string_view one : parts_of(list, " ,;")) {
    if (one.empty()) continue;
    if (!is_version(one)) return {};
    ++out.entries;
    if (out.newest.empty() || compare_versions(one, out.newest) > 0) out.newest = one;
  }
  return out;
}

/// A list of this many is to serve everybody's machine.
constexpr std::size_t kMany = 3;

/// What a list without PTX misses; empty: nothing that is sure. Code for 8.0 runs on all of 8.x.
std::string missed_by(const PlainList& list, std::string_view cuda) {
  const std::string_view known = newest_of_toolkit(cuda);
  if (list.newest.empty() || known.empty()) return {};
  if (first_number(list.newest) < first_number(known))
    return fmt::format("on newer GPUs, as those of {}, there is no code", known);
  if (first_number(list.newest) >= first_number(kNewest) || list.entries < kMany) return {};
  return fmt::format(
      "on newer GPUs than those of {}.x there is no code, and CUDA {} cannot compile "
      "for them",
      *first_number(list.newest), major_minor(cuda));
}

/// The base's CUDA, or that of the toolkit that the stage installs: cuda-toolkit-12-1.
Brought toolkit_of(const FileView& view, const StageView& stage) {
  if (stage.image.cuda.known()) return stage.image.cuda;
  for (const Install* install : view.installs_in(stage.index))
    for (const PackageRequest& request : install->command.packages) {
      constexpr std::string_view kName = "cuda-toolkit-";
      if (!is_of_system(install->command.manager) || !request.name.starts_with(kName)) continue;
      std::string version = request.name.substr(kName.size());
      std::ranges::replace(version, '-', '.');
      if (is_version(version)) return {version, request.name};
    }
  return {};
}

void lists_without_ptx(const FileView& view, const StageView& stage, const Brought& cuda,
                       FindingSink& sink) {
  constexpr auto kNames =
      std::to_array<std::string_view>({"TORCH_CUDA_ARCH_LIST", "CUDA_ARCH_BIN"});
  constexpr auto kPtx = std::to_array<std::string_view>({"CUDA_ARCH_PTX"});
  const std::vector<Setting> settings = settings_of(view, stage.index, kNames);
  // Another place has PTX: of a branch, or in place of this.
  if (std::ranges::any_of(settings, [](const Setting& one) { return one.value.contains("PTX"); }))
    return;
  for (const Setting& one : settings) {
    const PlainList list = plain_list(one.value);
    const std::string missed = missed_by(list, cuda.value);
    if (missed.empty() ||
        (one.name == "CUDA_ARCH_BIN" &&
         std::ranges::any_of(settings_of(view, stage.index, kPtx),
                             [](const Setting& ptx) { return !ptx.value.empty(); })))
      continue;
    Finding& found = sink.add(
        "cuda-architectures", *view.file, one.span,
        fmt::format("{} ends with {} and has no PTX: {} (\"no kernel image is available\")",
                    one.name, list.newest, missed));
    found.evidence = {fmt::format("{}={}", one.name, one.value), cuda.evidence};
    found.pedantic = true;  // the owner's machines may have these alone
    found.fix = one.name == "CUDA_ARCH_BIN"
                    ? fmt::format("add the GPUs to support, and CUDA_ARCH_PTX={}", list.newest)
                    : fmt::format("add the GPUs to support, or write {}+PTX", list.newest);
    return;
  }
}

/// The GPUs of nvcc's -gencode options; no entry: PTX comes with one, or one is not known.
PlainList targets_of(const ShellCommand& command) {
  PlainList out;
  for (std::size_t at = 0; at < command.words.size(); ++at) {
    const std::string_view text = command.words[at].text;
    if (text.starts_with("-arch") || text.starts_with("--gpu-architecture") ||
        (text.starts_with('$') && !text.contains('/')))
      return {};
    const bool apart = is_one_of(text, {"-gencode", "--generate-code"});
    if (!apart && !starts_with_any(text, {"-gencode=", "--generate-code="})) continue;
    if (apart && ++at == command.words.size()) return {};
    const std::string_view value =
        apart ? std::string_view(command.words[at].text) : text.substr(text.find('=') + 1);
    const std::size_t code = value.find("code=");
    if (code == value.npos || value.contains('$')) return {};
    for (const ListedArchitecture& item :
         read_architectures(value.substr(code + 5), ArchitectureSyntax::kNvcc).items) {
      if (!item.text.starts_with("sm_") || !is_version(item.architecture)) return {};
      ++out.entries;
      if (out.newest.empty() || compare_versions(item.architecture, out.newest) > 0)
        out.newest = item.architecture;
    }
  }
  return out;
}

/// nvcc -gencode arch=compute_80,code=sm_80 for several GPUs. One alone is somebody's machine.
void nvcc_without_ptx(const FileView& view, const StageView& stage, const Brought& cuda,
                      FindingSink& sink) {
  for (const Instruction& run : stage.stage->instructions)
    for (const ShellCommand& command : run.commands) {
      const Program program = program_of(command);
      if (program.name != "nvcc" || !runs_in_build(&run)) continue;
      const PlainList list = targets_of(command);
      const std::string missed = list.entries < 2 ? std::string() : missed_by(list, cuda.value);
      if (missed.empty()) continue;
      std::string number = list.newest;
      std::erase(number, '.');
      Finding& found = sink.add(
          "cuda-architectures", *view.file, command.words[program.first].span,
          fmt::format("the -gencode options end with sm_{} and embed no PTX: {} (\"no kernel image "
                      "is available\")",
                      number, missed));
      found.evidence = {
          cuda.evidence,
          "NVIDIA CUDA Compiler Driver: code=sm_N embeds no PTX, code=compute_N does"};
      found.pedantic = true;  // the owner's machines may have these alone
      found.fix = fmt::format(
          "add the GPUs to support, or -gencode arch=compute_{0},code=compute_{0}", number);
    }
}

}  // namespace

void judge_architectures_newer(const Project& /*project*/, const std::vector<FileView>& views,
                               FindingSink& sink) {
  for (const FileView& view : views)
    for (const StageView& stage : view.stages) {
      // Jetson's lists are of its own modules.
      const Brought cuda = toolkit_of(view, stage);
      if (!cuda.known() || stage.image.platform == "jetson") continue;
      lists_without_ptx(view, stage, cuda, sink);
      nvcc_without_ptx(view, stage, cuda, sink);
    }
}

}  // namespace flense::lint

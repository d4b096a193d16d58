// Values of the variables of GPUs that nothing takes.
#include <algorithm>
#include <optional>
#include <string>

#include "base/ascii.h"
#include "base/format.h"
#include "lint/facts/final_environment.h"
#include "lint/rules/rules.h"
#include "lint/source/blanks.h"

namespace flense::lint {

namespace {

constexpr std::string_view kCapabilities = "NVIDIA_DRIVER_CAPABILITIES";
constexpr std::string_view kDevices = "CUDA_VISIBLE_DEVICES";

/// A word of the list that is no capability; empty: all are.
std::string_view unknown_capability(std::string_view list) {
  for (const std::string_view part : split(list, ',')) {
    const std::string_view name = trim_space(part);
    if (!name.empty() && !is_one_of(name, {"all", "compute", "compat32", "graphics", "utility",
                                           "video", "display", "ngx"}))
      return name;
  }
  return {};
}

void judge_value(const ProjectFile& file, std::string_view name, std::string_view value, Span span,
                 FindingSink& sink) {
  if (value.contains('$') || value.contains('{')) return;
  if (name == kCapabilities) {
    const std::string_view unknown = unknown_capability(value);
    if (unknown.empty()) return;
    Finding& found = sink.add("gpu-variable-invalid", file, span,
                              fmt::format("{} is no capability of the driver: the container does "
                                          "not start (\"unsupported capabilities\")",
                                          unknown));
    found.evidence = {
        "NVIDIA Container Toolkit documentation, Driver Capabilities: compute, compat32, graphics, "
        "utility, video, display, ngx, all"};
    found.fix = fmt::format("take it out: {}=compute,utility", kCapabilities);
  } else if (name == kDevices && value == "all") {
    Finding& found = sink.add("gpu-variable-invalid", file, span,
                              "CUDA knows numbers and UUIDs alone: with \"all\" a program sees no "
                              "GPU");
    found.evidence = {"CUDA C++ Programming Guide, CUDA environment variables"};
    found.pedantic = true;
    found.fix = "delete it: without the variable all GPUs of the container are seen";
  }
}

}  // namespace

void judge_gpu_variables(const Project& project, const std::vector<FileView>& views,
                         FindingSink& sink) {
  for (const auto& file : project.files) {
    for (const Workload& workload : file->workloads)
      for (const Variable& one : workload.variables)
        if (one.value) judge_value(*file, one.name, *one.value, one.span, sink);
    for (const Variable& one : file->variables)
      if (one.value) judge_value(*file, one.name, *one.value, one.span, sink);
  }
  for (const FileView& view : views)
    for (const StageView& stage : view.stages)
      for (const Instruction& step : stage.stage->instructions)
        if (step.keyword == Keyword::kEnv)
          for (const KeyValue& pair : step.pairs)
            if (pair.value)
              judge_value(*view.file, pair.key.text, pair.value->text, pair.value->span, sink);
}

}  // namespace flense::lint

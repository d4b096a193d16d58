#include "lint/facts/purpose.h"

#include <algorithm>

#include "base/ascii.h"
#include "base/format.h"
#include "lint/source/blanks.h"

namespace flense::lint {

bool is_for_other_device(std::string_view words) {
  while (!words.empty()) {
    const std::size_t end = words.find_first_of("/._-: ");
    const std::string part = to_lower(words.substr(0, end));
    if (is_one_of(part, {"cpu", "xpu", "hpu", "npu", "gaudi", "habana", "neuron", "neuronx", "inf2",
                         "trn1", "tpu", "mps", "ppc64le", "s390x", "ascend"}))
      return true;
    if (end == words.npos) break;
    words.remove_prefix(end + 1);
  }
  return false;
}

bool is_example(std::string_view path) {
  while (!path.empty()) {
    const std::size_t end = path.find('/');
    if (end == path.npos) break;
    if (is_one_of(path.substr(0, end),
                  {"example", "examples", "sample", "samples", "demo", "demos", "test", "tests",
                   "e2e", "docs", "integration_tests", "integration-tests", "tutorial", "tutorials",
                   "workshop", "workshops", "notebooks"}))
      return true;
    path.remove_prefix(end + 1);
  }
  return false;
}

bool is_gpu_file(const FileView& view) {
  if (is_for_other_device(file_name(view.file->source.path())) ||
      is_for_other_device(view.stages.back().image.repository) ||
      (!view.stages.back().image.vendor.known() && is_for_other_device(view.file->source.path())))
    return false;
  for (const StageView& stage : view.stages)
    if (stage.image.vendor.known()) return true;
  for (const Install& install : view.installs)
    for (const PackageList* list : lists_of(install))
      for (const PackageRequest& request : list->packages)
        if (is_gpu_package(request.name)) return true;
  return false;
}

bool is_nvidia_final(const FileView& view, std::string& why) {
  const std::size_t last = view.stages.size() - 1;
  if (const Brought& vendor = view.stages[last].image.vendor; vendor.known()) {
    why = vendor.evidence;
    return vendor.value == "nvidia";
  }
  if (!is_gpu_file(view)) return false;
  for (const Install* install : view.installs_in(last))
    for (const PackageList* list : lists_of(*install))
      for (const Framework& one : frameworks_of(*list, view.project->knowledge->frameworks))
        if (one.cuda.known()) {
          why = fmt::format("{} brings CUDA {}", one.package, one.cuda.value);
          return true;
        }
  return false;
}

}  // namespace flense::lint

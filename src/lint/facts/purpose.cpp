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

bool is_trial(const ProjectFile& file) {
  if (!file.dockerfile) return false;
  std::string_view name = file_name(file.source.path());
  while (!name.empty()) {
    const std::size_t end = name.find_first_of("._-");
    if (is_one_of(to_lower(name.substr(0, end)), {"debug", "example", "sample"})) return true;
    if (end == name.npos) break;
    name.remove_prefix(end + 1);
  }
  const std::string first = to_lower(file.source.text().substr(0, file.source.text().find('\n')));
  return first.starts_with('#') &&
         (first.contains("(example)") || first.contains("example image") ||
          first.contains("example dockerfile"));
}

namespace {

/// The text as a word of its own: "Dockerfile.vllm" is not in "Dockerfile.vllm-server".
bool names_file(std::string_view line, std::string_view name) {
  const auto goes_on = [](char c) { return is_alphanumeric(c) || c == '-' || c == '.'; };
  for (std::size_t at = line.find(name); at != line.npos; at = line.find(name, at + 1)) {
    const std::size_t end = at + name.size();
    if ((at == 0 || !goes_on(line[at - 1]) || (line[at - 1] == '.' && at == 1)) &&
        (end == line.size() || !goes_on(line[end])))
      return true;
  }
  return false;
}

/// Calls `visit(line, comment)` for each line that holds the text, until it says false.
template <class Visit>
bool lines_with(std::string_view text, std::string_view wanted, const Visit& visit) {
  for (std::size_t at = text.find(wanted); at != text.npos;) {
    const std::size_t begin = text.rfind('\n', at) + 1;
    const std::size_t end = std::min(text.find('\n', at), text.size());
    const std::string_view line = trim_space(text.substr(begin, end - begin));
    if (!visit(line, line.starts_with('#'))) return false;
    at = text.find(wanted, end);
  }
  return true;
}

}  // namespace

bool is_commented_out(const Project& project, const ProjectFile& dockerfile) {
  const std::string_view name = file_name(dockerfile.source.path());
  // Of the usual name nobody speaks.
  if (name == "Dockerfile" || name == "Containerfile") return false;
  bool out = false;
  for (const auto& file : project.files) {
    if (file.get() == &dockerfile) continue;
    const bool unused =
        lines_with(file->source.text(), name, [&](std::string_view line, bool comment) {
          if (!names_file(line, name)) return true;
          out = out || (comment && file->kind == FileKind::kCompose &&
                        trim_space(line.substr(1)).starts_with("dockerfile:"));
          return comment;
        });
    if (!unused) return false;
  }
  return out;
}

std::string_view comments_above(const SourceText& source, Span span) {
  const std::string_view text = source.text();
  std::size_t begin = text.substr(0, span.begin).rfind('\n') + 1, first = begin;
  const std::size_t end = begin;
  bool blank = false;
  while (begin > 0) {
    const std::size_t before = begin < 2 ? 0 : text.rfind('\n', begin - 2) + 1;
    const std::string_view line = trim_space(text.substr(before, begin - before));
    if (line.starts_with('#'))
      first = before;
    else if (!line.empty() || blank)
      break;
    blank = line.empty();
    begin = before;
  }
  return text.substr(first, end - first);
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

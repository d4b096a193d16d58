#include "lint/facts/purpose.h"

#include <algorithm>
#include <map>

#include "base/ascii.h"
#include "base/format.h"
#include "lint/source/blanks.h"

namespace flense::lint {

bool is_for_other_device(std::string_view words) {
  return has_part(words, "/._-: ", {"cpu",    "xpu",      "hpu",         "npu",      "gaudi",
                                    "habana", "neuron",   "neuronx",     "inf2",     "trn1",
                                    "tpu",    "mps",      "ppc64le",     "s390x",    "ascend",
                                    "oneapi", "openvino", "raspberrypi", "orangepi", "radxarock"});
}

bool is_example(std::string_view project_path) {
  return has_part(directory_of(project_path), "/",
                  {"example", "examples", "sample", "samples", "demo", "demos", "test", "tests",
                   "e2e", "docs", "integration_tests", "integration-tests", "tutorial", "tutorials",
                   "workshop", "workshops", "notebooks"});
}

namespace {

/// "benchmark-2025-09-18": the record of what was done then.
bool names_a_day(std::string_view name) {
  if (name.size() < 10) return false;
  const std::string_view day = name.substr(name.size() - 10);
  for (std::size_t at = 0; at < day.size(); ++at)
    if (at == 4 || at == 7 ? day[at] != '-' && day[at] != '_' : !is_digit(day[at])) return false;
  return day.starts_with("20");
}

}  // namespace

bool is_put_aside(std::string_view project_path) {
  const std::string directory = directory_of(project_path);
  return has_part(
             directory, "/",
             {"archive", "archived", "archives", "attic", ".attic", ".archive", ".old", "backup",
              "backups", "deprecated", "legacy", "obsolete", "old", "unused", "retired"}) ||
         std::ranges::any_of(parts_of(directory, "/"),
                             [](std::string_view name) {
                               return names_a_day(name) ||
                                      starts_with_any(name, {"retired_", "retired-"}) ||
                                      ends_with_any(name, {"_deprecated", "-deprecated"});
                             }) ||
         has_part(
             file_name(project_path), "._-",
             {"old", "bak", "backup", "deprecated", "obsolete", "composeold", "dockerfileold"});
}

bool is_devcontainer(const ProjectFile& file) {
  return has_part(file.source.project_path(), "/._-", {"devcontainer"});
}

bool is_trial(const ProjectFile& file) {
  if (!file.dockerfile) return false;
  if (has_part(file_name(file.source.path()), "._-", {"debug", "example", "sample"})) return true;
  if (is_one_of(to_lower(file_name(file.source.path())),
                {"dockerfile.test", "dockerfile.tests", "dockerfile-test", "dockerfile_test",
                 "test.dockerfile", "tests.dockerfile"}))
    return true;
  const std::string first = to_lower(file.source.text().substr(0, file.source.text().find('\n')));
  return first.starts_with('#') &&
         (first.contains("(example)") || first.contains("example image") ||
          first.contains("example dockerfile"));
}

namespace {

/// Calls `visit(word)` for each word that may be a file's name: "Dockerfile.vllm-server" is one.
template <class Visit>
void each_name(std::string_view text, const Visit& visit) {
  const auto goes_on = [](char c) {
    return is_alphanumeric(c) || c == '-' || c == '.' || c == '_';
  };
  for (auto at = text.begin(); at != text.end();) {
    const auto begin = std::find_if(at, text.end(), goes_on);
    at = std::find_if_not(begin, text.end(), goes_on);
    if (begin != at) visit(std::string_view(begin, at));
  }
}

/// Calls `visit(line, comment)`.
template <class Visit>
void each_line(const ProjectFile& file, const Visit& visit) {
  for (std::string_view rest = file.source.text(); !rest.empty();) {
    const std::string_view line = trim_space(take_line(rest));
    visit(line, line.starts_with('#'));
  }
}

}  // namespace

std::set<const ProjectFile*> commented_out(const Project& project) {
  // By name: files that speak of it, two at most.
  std::map<std::string_view, std::set<const ProjectFile*>> names;
  for (const auto& file : project.files)
    if (file->kind == FileKind::kCompose)
      each_line(*file, [&](std::string_view line, bool comment) {
        if (!comment || !trim_space(line.substr(1)).starts_with("dockerfile:")) return;
        each_name(line, [&](std::string_view name) { names[name]; });
      });
  // Of the usual name nobody speaks.
  names.erase("Dockerfile");
  names.erase("Containerfile");
  if (names.empty()) return {};
  for (const auto& file : project.files)
    each_line(*file, [&](std::string_view line, bool comment) {
      if (comment) return;
      each_name(line, [&](std::string_view name) {
        const auto at = names.find(name);
        if (at != names.end() && at->second.size() < 2) at->second.insert(file.get());
      });
    });
  std::set<const ProjectFile*> out;
  for (const auto& file : project.files) {
    if (!file->dockerfile) continue;
    const auto at = names.find(file_name(file->source.path()));
    if (at != names.end() &&
        std::ranges::all_of(at->second, [&](const auto* other) { return other == file.get(); }))
      out.insert(file.get());
  }
  return out;
}

bool builds_one_layer(const Project& project) {
  return std::ranges::any_of(project.files, [](const auto& file) {
    if (!is_script(file->kind) && file->kind != FileKind::kWorkflow) return false;
    bool out = false;
    each_line(*file, [&](std::string_view line, bool comment) {
      out = out || (!comment && ((line.contains("--squash") && line.contains("build")) ||
                                 line.contains("--single-snapshot")));
    });
    return out;
  });
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

bool comment_says(const SourceText& source, std::size_t place,
                  std::initializer_list<std::string_view> words) {
  constexpr std::size_t kNear = 1'500;
  const std::size_t from = place < kNear ? 0 : place - kNear;
  return std::ranges::any_of(
      parts_of(source.slice({from, place}), "\n"), [&](std::string_view line) {
        const std::string low = to_lower(trim_space(line));
        return low.starts_with('#') && std::ranges::all_of(words, [&](std::string_view word) {
                 return std::ranges::any_of(std::to_array<std::string_view>({"", "s", "d"}),
                                            [&](std::string_view end) {
                                              return has_words(low, fmt::format("{}{}", word, end));
                                            });
               });
      });
}

bool names_arm(std::string_view path) {
  if (has_part(path, "/._-",
               {"arm64", "arm64v8", "aarch64", "jetson", "rpi", "sbsa", "gh200", "gb10"}))
    return true;
  // Words of other things too: a robot's arm, an apple-detector.
  const std::string low = to_lower(path);
  return std::ranges::any_of(parts_of(low, "/._"), [](std::string_view part) {
    for (const std::string_view docker : {"dockerfile-", "docker-"})
      if (part.starts_with(docker)) part.remove_prefix(docker.size());
    return is_one_of(part, {"arm", "m1", "apple", "mac"});
  });
}

bool is_arm_platform(std::string_view platform) {
  return has_part(platform, "/", {"arm", "arm64", "aarch64"});
}

bool is_for_arm(const FileView& view, const StageView& stage) {
  return names_arm(view.file->source.project_path()) ||
         has_part(view.text(stage.stage->base.span), "/:._-@", {"arm64", "arm64v8", "aarch64"}) ||
         (stage.stage->platform && is_arm_platform(*stage.stage->platform));
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

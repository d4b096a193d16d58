// Lists of folders that programs and libraries are looked for in, with parts that hold none.
#include <algorithm>
#include <optional>
#include <set>
#include <string>

#include "base/ascii.h"
#include "base/format.h"
#include "base/version_numbers.h"
#include "lint/facts/build_steps.h"
#include "lint/facts/final_environment.h"
#include "lint/rules/rules.h"
#include "lint/source/blanks.h"

namespace flense::lint {

namespace {

constexpr std::string_view kRule = "search-path-wrong";
constexpr std::string_view kOfVersion = "/usr/local/cuda-";

/// "12.0" of "/usr/local/cuda-12.0/lib64"; empty: another path.
std::string version_of(std::string_view path) {
  if (!path.starts_with(kOfVersion)) return {};
  const std::string_view rest = path.substr(kOfVersion.size());
  const std::string_view number = rest.substr(0, rest.find('/'));
  return is_version(number) && number.contains('.') ? major_minor(number) : std::string();
}

/// What the base and apt's packages of a stage bring: "12.8" of cuda-toolkit-12-8. Empty: nothing
/// that is known.
std::set<std::string> toolkits_of(const FileView& view, const StageView& stage) {
  std::set<std::string> out;
  if (stage.image.cuda.known()) out.insert(major_minor(stage.image.cuda.value));
  for (const Install* install : view.installs_in(stage.index))
    for (const PackageRequest& request : install->command.packages) {
      if (!request.name.starts_with("cuda-")) continue;
      const std::size_t minor = request.name.rfind('-');
      const std::size_t major = minor == 0 ? minor : request.name.rfind('-', minor - 1);
      if (major == request.name.npos) continue;
      std::string version = request.name.substr(major + 1);
      std::ranges::replace(version, '-', '.');
      if (is_version(version) && version.contains('.')) out.insert(std::move(version));
    }
  return out;
}

/// A step may make the folder: it is named elsewhere than in the lists, or another image brings it.
bool is_made(const FileView& view, const StageView& stage, const std::string& version) {
  std::string dashed = version;
  std::ranges::replace(dashed, '.', '-');
  for (const std::size_t one : view.dockerfile->lineage(stage.index))
    for (const Instruction& step : view.dockerfile->stages[one].instructions) {
      if (step.keyword == Keyword::kEnv || step.keyword == Keyword::kArg) continue;
      if (step.copies() && step.flag("from") != nullptr) return true;
      const std::string_view text = view.text(step.span);
      if (text.contains("cuda-" + version) || text.contains("cuda-" + dashed) ||
          text.contains(".run") || text.contains("cuda_" + version))
        return true;
    }
  return false;
}

/// What a stage was asked and told of.
struct Asked {
  std::set<std::string> versions, told;
};

void judge_part(const FileView& view, const StageView& stage, const KeyValue& pair,
                std::string_view part, Asked& asked, FindingSink& sink) {
  constexpr std::size_t kMostVersions = 20;  // each is sought in every step
  const std::string& list = pair.key.text;
  std::string says, fix;
  // Programs that bring their own libraries have these in bin too.
  if (list == "LD_LIBRARY_PATH" &&
      (part.ends_with("/include") ||
       is_one_of(part, {"/usr/local/cuda/bin", "/usr/local/nvidia/bin"}))) {
    says = fmt::format("{} holds no libraries: the loader looks there for nothing", part);
    fix = "delete it, or name the folder of the libraries";
  } else if (list == "PATH" && (part.ends_with("/bin/nvcc") || part.ends_with("/bin/python"))) {
    says = fmt::format("{} is a program, and PATH is a list of folders", part);
    fix = "name its folder";
  } else if (const std::string version = version_of(part); !version.empty()) {
    if (asked.versions.size() >= kMostVersions || !asked.versions.insert(version).second) return;
    const std::set<std::string> has = toolkits_of(view, stage);
    if (has.empty() || has.contains(version) || is_made(view, stage, version)) return;
    says = fmt::format("nothing brings {}{}: the image has CUDA {}", kOfVersion, version,
                       fmt::join(has, ", "));
    fix = "write /usr/local/cuda, which leads to the one that is there";
  }
  if (says.empty() || !asked.told.insert(says).second) return;
  Finding& found = sink.add(kRule, *view.file, pair.value->span, says);
  found.evidence = {fmt::format("{}={}", list, pair.value->text.substr(0, 200))};
  found.fix = fix;
}

}  // namespace

void judge_search_paths(const Project& /*project*/, const std::vector<FileView>& views,
                        FindingSink& sink) {
  for (const FileView& view : views)
    for (const StageView& stage : view.stages) {
      Asked asked;
      if (!stage.reachable) continue;
      for (const Instruction& step : stage.stage->instructions) {
        if (step.keyword != Keyword::kEnv) continue;
        for (const KeyValue& pair : step.pairs) {
          if (!pair.value) continue;
          if (pair.key.text == "LD_PRELOAD" && pair.value->text.contains("LD_LIBRARY_PATH")) {
            Finding& found = sink.add(kRule, *view.file, pair.value->span,
                                      "LD_PRELOAD gets the folders of LD_LIBRARY_PATH: the loader "
                                      "complains of each when a program starts");
            found.fix = "write ${LD_PRELOAD} in its place";
          }
          if (!is_one_of(pair.key.text, {"LD_LIBRARY_PATH", "PATH", "CUDA_HOME", "CUDA_PATH",
                                         "LIBRARY_PATH", "CUDA_TOOLKIT_ROOT_DIR"}))
            continue;
          for (const std::string_view part : split(pair.value->text, ':'))
            judge_part(view, stage, pair, part, asked, sink);
        }
      }
    }
}

}  // namespace flense::lint

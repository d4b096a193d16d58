// Packages and repositories against the distribution and the CUDA of the base.
#include <algorithm>
#include <array>
#include <map>
#include <optional>

#include "base/ascii.h"
#include "base/format.h"
#include "base/version_numbers.h"
#include "knowledge/table_rows.h"
#include "lint/facts/build_steps.h"
#include "lint/facts/cuda_base.h"
#include "lint/facts/layer_paths.h"
#include "lint/facts/open_torch.h"
#include "lint/facts/placed_lists.h"
#include "lint/facts/sure_installs.h"
#include "lint/facts/tied_base.h"
#include "lint/facts/workload_facts.h"
#include "lint/packages/requirement_text.h"
#include "lint/rules/rules.h"
#include "lint/source/blanks.h"
#include "text/toml.h"

namespace flense::lint {

namespace {

bool matches_any(const std::vector<std::string>& patterns, std::string_view text) {
  return std::ranges::any_of(patterns, [&](const std::string& pattern) {
    return knowledge::matches_pattern(pattern, text);
  });
}

/// What one row of the table says of a command.
struct Missing {
  const knowledge::MissingPackageRow* row;
  bool repository;  ///< the packages are of NVIDIA's
  Span span;
  std::string names;

  bool several() const { return names.contains(','); }
};

/// A directory that a copy fills, and /etc/apt with it.
bool may_hold_sources(std::string_view path) {
  while (path.size() > 1 && path.ends_with('/')) path.remove_suffix(1);
  return is_one_of(path, {"/", "/etc"}) || path.contains("/etc/apt");
}

/// A command that writes a list of packages' sources, other than of those who have none of the
/// distribution's packages.
bool writes_sources(const StepCommand& command, std::string_view text) {
  constexpr auto kHarmless = std::to_array<std::string_view>(
      {"nvidia", "nodesource", "docker.com", "google", "microsoft", "github.com", "hashicorp",
       "kubernetes", "postgresql", "intel", "rocm", "bazel", "kitware", "yarn"});
  const auto is_list = [](std::string_view word) { return word.contains("sources.list"); };
  const bool writes =
      std::ranges::any_of(command.shell->redirections,
                          [&](const ShellRedirection& one) {
                            return one.op.contains('>') && is_list(one.target.text);
                          }) ||
      (is_one_of(command.program, {"curl", "wget", "tee", "cp", "mv", "install", "ln", "dd"}) &&
       std::ranges::any_of(command.arguments,
                           [&](const Argument& word) { return is_list(word.text); }));
  return writes && std::ranges::none_of(kHarmless,
                                        [&](std::string_view word) { return text.contains(word); });
}

/// dpkg -i FILE, apt-get install ./FILE.deb: it may bring a list of sources, or the package.
bool installs_file(const StepCommand& command) {
  return is_one_of(command.program, {"apt-get", "apt", "dpkg", "gdebi"}) &&
         std::ranges::any_of(command.arguments, [](const Argument& word) {
           return word.text.ends_with(".deb") && !word.text.contains("cuda-keyring");
         });
}

/// A step up to this one may have named other repositories: a script of unknown content, a list
/// that is copied, mounted or fetched, one with the words of another release, a package file.
bool may_have_other_sources(const FileView& view, const Install& install) {
  constexpr auto kReleases = std::to_array<std::string_view>(
      {"bionic", "focal", "jammy", "noble", "buster", "bullseye", "bookworm", "trixie", "sid"});
  constexpr auto kHarmless = std::to_array<std::string_view>(
      {"nodesource", "rustup", "astral.sh", "install-poetry", "get-pip", "ollama", "nvidia"});
  for (const std::size_t one : view.dockerfile->lineage(install.stage))
    for (const Instruction& step : view.dockerfile->stages[one].instructions) {
      if (one == install.stage && step.span.begin > install.instruction->span.begin) break;
      const std::string_view text = view.text(step.span);
      if (step.copies() &&
          (text.contains("/etc/apt") || (!step.words.empty() && may_copy_directory(step) &&
                                         may_hold_sources(step.words.back().text))))
        return true;
      if (step.keyword != Keyword::kRun) continue;
      if (std::ranges::any_of(mount_targets(step), may_hold_sources)) return true;
      if ((text.contains("sources.list") || text.contains("deb http")) &&
          std::ranges::any_of(kReleases,
                              [&](std::string_view name) { return text.contains(name); }))
        return true;
      for (const StepCommand& command : commands_of(step)) {
        if (is_one_of(command.program, {"extrepo", "do-release-upgrade"}) ||
            writes_sources(command, text) || installs_file(command))
          return true;
        if (command.program.ends_with(".sh") ||
            (is_shell(command.program) &&
             std::ranges::any_of(command.arguments,
                                 [](const Argument& word) { return word.text.ends_with(".sh"); })))
          return true;
        // curl … | bash
        if (is_shell(command.program) && text.contains("curl") &&
            !std::ranges::any_of(command.arguments,
                                 [](const Argument& word) { return word.text == "-c"; }) &&
            std::ranges::none_of(kHarmless,
                                 [&](std::string_view word) { return text.contains(word); }))
          return true;
      }
    }
  return false;
}

/// Somebody's image, which may have repositories of its own.
bool is_of_others(const GpuImage& image) {
  if (image.repository.starts_with("runpod/")) return true;  // has deadsnakes
  return image.repository.contains('/') && image.row == nullptr && !image.official &&
         !starts_with_any(image.repository, {"nvidia/", "nvcr.io/nvidia/", "library/",
                                             "mcr.microsoft.com/", "osrf/"});
}

/// Whether a file of the project gives a build this argument.
bool gives_argument(const ProjectFile& file, std::string_view name) {
  const auto has = [&](const std::vector<std::pair<Word, Word>>& args) {
    return std::ranges::any_of(args, [&](const auto& one) { return one.first.text == name; });
  };
  const auto builds = [&](const std::vector<BuildTarget>& all) {
    return std::ranges::any_of(all, [&](const BuildTarget& one) { return has(one.args); });
  };
  if (builds(file.targets) || builds(file.names.builds) || builds(file.names.matrix_builds) ||
      std::ranges::any_of(file.workloads,
                          [&](const Workload& one) { return has(build_arguments(one)); }))
    return true;
  // A builder that is not known, or options in a variable.
  if (!is_script(file.kind) && file.kind != FileKind::kWorkflow && file.kind != FileKind::kUnknown)
    return false;
  const std::string_view text = file.source.text();
  const auto is_letter_of_name = [&](std::size_t at) {
    return at < text.size() && (is_alphanumeric(text[at]) || text[at] == '_');
  };
  for (std::size_t at = text.find(name); at != text.npos; at = text.find(name, at + 1))
    if ((at == 0 || !is_letter_of_name(at - 1)) && !is_letter_of_name(at + name.size()))
      return true;
  return false;
}

/// Whether the distribution of the base is an argument's that another file of the project gives: it
/// may give another one.
bool may_be_given(const FileView& view, std::size_t stage) {
  const std::string& own = view.stages[stage].image.distribution.value;
  const auto* life = view.project->knowledge->images.distribution(own);
  for (const std::size_t one : view.dockerfile->lineage(stage)) {
    const Stage& root = view.dockerfile->stages[one];
    const std::string& base = root.base.text;
    if (root.parent || base.contains(own) ||
        (life != nullptr && !life->codename.empty() && base.contains(life->codename)))
      continue;
    for (const Instruction& global : view.dockerfile->globals)
      for (const KeyValue& pair : global.pairs)
        if (uses_variable(base, pair.key.text) &&
            std::ranges::any_of(view.project->files, [&](const auto& file) {
              return gives_argument(*file, pair.key.text);
            }))
          return true;
  }
  return false;
}

/// NVIDIA's own images have its repository, those of OpenGL alone have not.
bool may_know_nvidia(const GpuImage& image) {
  return image.vendor.known() || is_of_others(image) ||
         (starts_with_any(image.repository, {"nvidia/", "nvcr.io/nvidia/"}) &&
          !image.repository.ends_with("/opengl"));
}

void missing_packages(const FileView& view, FindingSink& sink) {
  const knowledge::Images& images = view.project->knowledge->images;
  for (const Install& install : view.installs) {
    if (install.command.manager != PackageManager::kApt ||
        std::ranges::any_of(install.command.options, [](const std::string& option) {
          return is_one_of(option, {"--dry-run", "--simulate", "--just-print", "--no-act", "-s"});
        }))
      continue;
    const GpuImage& image = view.stages[install.stage].image;
    if (!image.distribution.known()) continue;
    std::optional<bool> sure;  // asked once
    std::map<const knowledge::MissingPackageRow*, bool> known;
    const auto supplied = [&](const knowledge::MissingPackageRow& row) {
      const auto [at, added] = known.emplace(&row, false);
      if (added)
        at->second = std::ranges::any_of(row.supplied_by, [&](const std::string& word) {
          return commands_mention(view, install.stage, word, install.instruction);
        });
      return at->second;
    };
    const auto row_of = [&](const std::vector<knowledge::MissingPackageRow>& rows,
                            const std::string& name) {
      const auto at = std::ranges::find_if(rows, [&](const knowledge::MissingPackageRow& row) {
        return matches_any(row.packages, name) &&
               matches_any(row.distributions, image.distribution.value) && !supplied(row);
      });
      return at == rows.end() ? nullptr : &*at;
    };
    // python3.12, python3.12-venv: one cause.
    std::vector<Missing> missing;
    for (const PackageRequest& request : install.command.packages) {
      const auto* row = row_of(images.missing_packages, request.name);
      const bool repository = row == nullptr;
      if (repository && !may_know_nvidia(image)) row = row_of(images.nvidia_packages, request.name);
      if (row == nullptr) continue;
      const auto same = std::ranges::find(missing, row, &Missing::row);
      if (same == missing.end())
        missing.push_back({row, repository, request.span, request.name});
      else if (!has_part(same->names, ", ", {request.name}))
        same->names += ", " + request.name;
    }
    for (const Missing& one : missing) {
      const bool pattern = !one.repository && install.command.program == "apt-get" &&
                           !one.several() && one.names.contains('.');
      Finding& found = sink.add(
          "package-not-in-distribution", *view.file, one.span,
          one.repository
              ? fmt::format("{} {} from NVIDIA's repository, which {} does not know", one.names,
                            one.several() ? "come" : "comes", image.distribution.value)
              : fmt::format("{} has no package{} {}{}", image.distribution.value,
                            one.several() ? "s" : "", one.names,
                            pattern ? ": apt-get takes it for a pattern, and fails or goes on with "
                                      "nothing of that name"
                                    : ""));
      if (!sure)
        sure = !is_of_others(image) && !may_be_given(view, install.stage) &&
               !may_fail(*install.instruction, install.command.span) && !install.conditional &&
               !may_have_other_sources(view, install);
      // Then the build may pass, and another Python is what runs.
      found.pedantic = !*sure || (pattern && one.names.starts_with("python3.") &&
                                  has_other_python(view.file->source.text()));
      found.evidence = {one.row->source, image.distribution.evidence};
      if (!one.row->document.empty()) found.evidence.push_back(one.row->document);
      found.fix = one.repository ? "begin with nvidia/cuda, or install the package cuda-keyring of "
                                   "this distribution first"
                                 : "take " + one.row->instead;
    }
  }
}

/// Ubuntu 22.04 has Python 3.11 as it was before its release, and leaves it so.
struct Candidate {
  std::string_view package, distribution, version, instead;
};
constexpr Candidate kCandidate{"python3.11", "ubuntu22.04", "3.11.0~rc1",
                               "Python 3.11 of uv or deadsnakes, or, where the program runs on it "
                               "and nothing made for 3.11 is "
                               "copied, python3 of the distribution (3.10)"};

/// Whether a step of the file runs the interpreter, or makes it the one that is run.
bool uses_program(const FileView& view, std::string_view name) {
  const auto is = [&](std::string_view word) { return file_name(word) == name; };
  return std::ranges::any_of(view.dockerfile->stages, [&](const Stage& stage) {
    return std::ranges::any_of(stage.instructions, [&](const Instruction& step) {
      if (step.keyword != Keyword::kRun)
        return std::ranges::any_of(step.words, [&](const Word& word) { return is(word.text); });
      return std::ranges::any_of(commands_of(step), [&](const StepCommand& command) {
        if (is_one_of(command.program, {"apt-get", "apt", "echo"})) return false;
        return is(command.program) ||
               std::ranges::any_of(command.arguments,
                                   [&](const Argument& word) { return is(word.text); });
      });
    });
  });
}

void release_candidates(const FileView& view, FindingSink& sink) {
  if (!view.for_gpu || !uses_program(view, kCandidate.package)) return;
  for (const Install& install : view.installs) {
    const StageView& stage = view.stages[install.stage];
    if (install.command.manager != PackageManager::kApt || !stage.reachable ||
        stage.image.distribution.value != kCandidate.distribution ||
        !(is_one_of(stage.image.repository, {"nvidia/cuda", "ubuntu"}) ||
          stage.image.repository.starts_with("rocm/dev-ubuntu-")))
      continue;
    const PackageRequest* asked = install.command.find(kCandidate.package);
    if (asked == nullptr || may_have_other_sources(view, install) ||
        commands_mention(view, install.stage, "deadsnakes", install.instruction) ||
        commands_mention(view, install.stage, "add-apt-repository", install.instruction))
      continue;
    Finding& found =
        sink.add("package-not-in-distribution", *view.file, asked->span,
                 fmt::format("{} of {} is still the release candidate {}", kCandidate.package,
                             kCandidate.distribution, kCandidate.version));
    found.severity = Severity::kWarning;
    found.evidence = {
        stage.image.distribution.evidence,
        "NVIDIA-NeMo/Speech#8459: torch.jit.script fails in it; usnistgov/dioptra#453"};
    found.fix = fmt::format("take {}", kCandidate.instead);
    found.pedantic = may_fail(*install.instruction, install.command.span) || install.conditional ||
                     may_be_given(view, install.stage);
    return;
  }
}

/// libcudnn8=8.6.0.163-1+cuda11.8 on a base of CUDA 12.
void other_cuda(const FileView& view, FindingSink& sink) {
  constexpr std::string_view kMark = "+cuda";
  for (const Install& install : view.installs) {
    const StageView& stage = view.stages[install.stage];
    if (!is_of_system(install.command.manager) || !stage.reachable ||
        stage.image.repository != "nvidia/cuda" || !stage.image.cuda.known())
      continue;
    for (const PackageRequest& request : install.command.packages) {
      const std::size_t at = request.specifier.find(kMark);
      if (at == std::string::npos) continue;
      const auto made = first_number(std::string_view(request.specifier).substr(at + kMark.size()));
      const auto base = first_number(stage.image.cuda.value);
      if (!made || made == base) continue;
      Finding& found =
          sink.add("cuda-major-mixed", *view.file, request.span,
                   fmt::format("{}{} is built for CUDA {}, and the base has CUDA {}: it "
                               "finds no libraries",
                               request.name, request.specifier, *made, stage.image.cuda.value));
      found.evidence = {request.specifier, stage.image.cuda.evidence, "mindee/doctr#1769"};
      found.fix = fmt::format("take a version that ends in +cuda{}.…, or {}", base.value_or(0),
                              base_of_cuda(std::to_string(*made)));
      found.pedantic = !surely_runs(install);
      break;
    }
  }
}

/// "ubuntu2004" of "https://developer.download.nvidia.com/compute/cuda/repos/ubuntu2004/x86_64/…".
std::string_view repository_release(std::string_view word) {
  constexpr std::string_view kServer = "developer.download.nvidia.com/compute/", kPath = "/repos/";
  const std::size_t server = word.find(kServer);
  const std::size_t at = server == word.npos ? word.npos : word.find(kPath, server);
  if (at == word.npos) return {};
  word.remove_prefix(at + kPath.size());
  word = word.substr(0, word.find('/'));
  return word.contains('$') ? std::string_view() : word;
}

/// The repository of ubuntu2204 on Ubuntu 20.04, or, on a base that is not known, two of them.
void other_release(const FileView& view, FindingSink& sink) {
  for (const StageView& stage : view.stages) {
    const std::string& distribution = stage.image.distribution.value;
    if (!stage.reachable || (!distribution.empty() && !distribution.starts_with("ubuntu")))
      continue;
    std::string own = distribution;
    std::erase(own, '.');
    for (const Instruction& step : stage.stage->instructions)
      for (const ShellCommand& command : step.commands)
        for (const ShellWord& word : command.words) {
          const std::string_view named = repository_release(word.text);
          // Keys and pins are the same everywhere, and one file of another release may be meant.
          if (!named.starts_with("ubuntu") || named == own ||
              ends_with_any(word.text, {".pub", ".gpg", ".pin"}) ||
              (word.text.ends_with(".deb") && !holds(word.text, "keyring") &&
               !holds(word.text, "cuda-repo")))
            continue;
          if (own.empty()) {
            own = named;  // the first may be the base's
            continue;
          }
          Finding& found = sink.add(
              "cuda-repository-release", *view.file, word.span,
              distribution.empty()
                  ? fmt::format(
                        "these are NVIDIA's repositories for {} and for {}: packages of one may "
                        "require libraries of another release",
                        own, named)
                  : fmt::format("this is NVIDIA's repository for {}, and the base is {}: its "
                                "packages may require libraries of that release",
                                named, distribution));
          if (!distribution.empty()) found.evidence = {stage.image.distribution.evidence};
          found.evidence.emplace_back("CUDA Installation Guide: one repository a release");
          found.fix = distribution.empty() ? "keep that of the base's release"
                                           : fmt::format(
                                                 "write …/repos/{}/…; CUDA that it has "
                                                 "not wants a base of {}",
                                                 own, named);
          // What is of an older release often works on a newer one.
          found.pedantic = command.depth > 0 || (named < own && !distribution.empty()) ||
                           may_be_given(view, stage.index);
          return;
        }
  }
}

}  // namespace

void judge_distribution_packages(const Project& /*project*/, const std::vector<FileView>& views,
                                 FindingSink& sink) {
  for (const FileView& view : views) {
    missing_packages(view, sink);
    release_candidates(view, sink);
    other_cuda(view, sink);
    other_release(view, sink);
  }
}

}  // namespace flense::lint

// Which package lists a Dockerfile installs: the commands of its RUN instructions, and the files
// they name, traced back through COPY, ADD and bind mounts to the build context.

#include <algorithm>
#include <map>

#include "base/version_numbers.h"
#include "lint/facts/build_steps.h"
#include "lint/facts/cloned_paths.h"
#include "lint/facts/gpu_image.h"
#include "lint/facts/stage_view.h"
#include "lint/facts/system_python.h"
#include "lint/packages/asked.h"
#include "lint/packages/filtered.h"
#include "lint/packages/marker.h"
#include "lint/shell/command_words.h"
#include "lint/shell/reached.h"
#include "lint/source/blanks.h"

namespace flense::lint {

namespace {

/// Paths below the build context that a path inside the stage may come from, likely ones first.
std::vector<std::string> context_paths(const Dockerfile& file, std::size_t stage,
                                       const Instruction& run, std::string_view path) {
  std::vector<std::string> out;
  const std::string_view wanted = file_name(path);
  for (const Flag* mount : run.flags_of("mount")) {
    std::string source, target, from;
    for (const auto& [key, value] : mount->pairs()) {
      if (key == "source" || key == "src") source = value;
      if (key == "target" || key == "dst" || key == "destination") target = value;
      if (key == "from") from = value;
    }
    if (from.empty() && file_name(target) == wanted) out.push_back(source);
  }
  std::vector<std::string> folders;
  for (const std::size_t one : file.lineage(stage)) {
    for (const Instruction& copy : file.stages[one].instructions) {
      if (copy.span.begin >= run.span.begin && one == stage) break;
      if (!copy.copies()) continue;
      if (copy.flag("from") != nullptr || copy.words.size() < 2) continue;
      for (std::size_t at = 0; at + 1 < copy.words.size(); ++at) {
        const std::string& source = copy.words[at].text;
        if (file_name(source) == wanted)
          out.push_back(source);
        else if (source == "." || source == "./" || source.find('.') == std::string::npos)
          folders.push_back(source);
      }
    }
  }
  if (!path.starts_with('/')) out.emplace_back(path);
  for (const std::string& folder : folders) {
    out.push_back(folder + "/" + std::string(path));
    out.push_back(folder + "/" + std::string(wanted));
  }
  if (out.empty() || path.starts_with('/')) out.emplace_back(wanted);
  if (out.size() > 32) out.resize(32);
  // A leading "/" means the context's root.
  for (std::string& one : out)
    while (one.starts_with('/')) one.erase(0, 1);
  return out;
}

/// A step before that takes torch out of lists of requirements, or works on this one for that:
/// `python use_existing_torch.py`, `sed -i '/torch/d' requirements.txt`.
bool is_changed_before(const Dockerfile& file, std::size_t stage, const Instruction& run,
                       const Word& named) {
  for (const std::size_t one : file.lineage(stage))
    for (const Instruction& before : file.stages[one].instructions) {
      if (before.keyword != Keyword::kRun) continue;
      if (before.span.begin > run.span.begin && one == stage) break;
      for (const ShellCommand& command : before.commands) {
        if (command.span.begin >= named.span.begin && &before == &run) break;
        bool torch = false, list = false;
        for (const ShellWord& word : command.words) {
          if (word.text.ends_with("existing_torch.py")) return true;
          torch = torch || word.text.contains("torch");
          list = list || file_name(word.text) == file_name(named.text);
        }
        if (torch && list && program_of(command).name == "sed") return true;
      }
    }
  return false;
}

/// How a step before, or an earlier command of this one, writes a list from another one.
std::optional<FilteredList> filtered_before(const Dockerfile& file, std::size_t stage,
                                            const Instruction& run, const PackageList& list,
                                            const Word& named) {
  const auto behind = std::ranges::find_if(run.commands, [&](const ShellCommand& command) {
    return command.span.begin >= list.span.begin;
  });
  if (auto made = filtered_list({run.commands.begin(), behind}, named.text)) return made;
  for (const std::size_t one : file.lineage(stage)) {
    const auto& steps = file.stages[one].instructions;
    for (auto before = steps.rbegin(); before != steps.rend(); ++before)
      if (before->keyword == Keyword::kRun && (one != stage || before->span.begin < run.span.begin))
        if (auto made = filtered_list(before->commands, named.text)) return made;
  }
  return std::nullopt;
}

/// The version of the Python that pip is of: the base's, as long as no step may bring another one;
/// empty: not known.
std::string only_python(const Dockerfile& file, std::size_t stage, const GpuImage& image) {
  if (!is_plain_system(image) && image.repository != "python") return {};
  const std::string own = major_minor(image.python.value);
  const auto is_other = [&](std::string_view word) {
    const std::size_t named = std::min(word.find("python3."), word.find("pip3."));
    return is_one_of(word, {"uv", "pipx"}) || word.contains("astral") ||
           (named != word.npos && !word.substr(word.find("3.", named)).starts_with(own));
  };
  for (const std::size_t one : file.lineage(stage))
    for (const Instruction& step : file.stages[one].instructions)
      if (may_bring_pip(step) || mentions(step, is_other)) return {};
  return own;
}

/// What the commands of one Dockerfile take of projects' files. Commands that ask alike share it.
class Takings {
 public:
  Takings(const Project& project, const Dockerfile& file) : project_(project), file_(file) {}

  /// Null: all of the file.
  std::shared_ptr<const PackageList> of(const PackageList& command, const ProjectFile& file,
                                        const ProjectFile* beside, std::size_t stage) {
    if (file.kind == FileKind::kRequirements) return for_python(file, stage);
    if (file.kind != FileKind::kPyproject && file.kind != FileKind::kUvLock) return nullptr;
    const std::string python =
        image_of_stage(file_, stage, project_.knowledge->images).python.value;
    std::string key =
        file.source.path() + "\n" + python + "\n" + command.program + "\n" + command.verb;
    for (const std::string& extra : command.extras) key += "\n." + extra;
    for (const std::string& option : command.options) key += "\n" + option;
    if (!made_.contains(key) && made_.size() >= kMost) return nullptr;
    auto& made = made_[key];
    if (made == nullptr)
      made = std::make_shared<const PackageList>(taken_by(
          command, *file.packages, beside == nullptr ? nullptr : &*beside->packages, python));
    return made;
  }

 private:
  static constexpr std::size_t kMost = 100;  // a copy each

  /// Of a plain list what its markers leave; null: all of it.
  std::shared_ptr<const PackageList> for_python(const ProjectFile& file, std::size_t stage) {
    const auto [python, fresh] = pythons_.try_emplace(stage);
    if (fresh)
      python->second =
          only_python(file_, stage, image_of_stage(file_, stage, project_.knowledge->images));
    const std::string key = file.source.path() + "\n" + python->second;
    if (python->second.empty() || (!made_.contains(key) && made_.size() >= kMost)) return nullptr;
    const auto [made, first] = made_.try_emplace(key);
    const auto is_left_out = [&](const PackageRequest& one) {
      return !may_hold(one.marker, {python->second, {}, false});
    };
    if (first && std::ranges::any_of(file.packages->packages, is_left_out)) {
      PackageList left = *file.packages;
      std::erase_if(left.packages, is_left_out);
      made->second = std::make_shared<const PackageList>(std::move(left));
    }
    return made->second;
  }

  const Project& project_;
  const Dockerfile& file_;
  std::map<std::string, std::shared_ptr<const PackageList>> made_;
  std::map<std::size_t, std::string> pythons_;  ///< of stages
};

}  // namespace

ListFiles list_files_of(const Project& project) {
  ListFiles out;
  for (const auto& file : project.files)
    if (file->packages) out.emplace(normal_path(file->source.path()), file.get());
  return out;
}

std::vector<Install> installs_of(const FileView& view, const ListFiles& files) {
  // Each file named is looked up in the preceding instructions.
  constexpr std::size_t kMostNamed = 1000;
  constexpr std::size_t kMostFiltered = 100;  // a copy each, and a longer look
  std::size_t named_files = 0;
  const auto find = [&](const std::string& path) -> const ProjectFile* {
    const auto at = files.find(path);
    return at == files.end() ? nullptr : at->second;
  };
  std::vector<Install> out;
  const Project& project = *view.project;
  const ProjectFile& dockerfile = *view.file;
  const Dockerfile& file = *view.dockerfile;
  const Context* context = files.empty() ? nullptr : project.context_of(dockerfile);
  const std::string root =
      context != nullptr ? context->directory : directory_of(dockerfile.source.path());
  static const Environment kNone;
  Takings takings(project, file);
  const ClonedPaths clones(view);
  for (std::size_t stage = 0; stage < file.stages.size(); ++stage) {
    for (const Instruction& run : file.stages[stage].instructions) {
      if (run.keyword != Keyword::kRun) continue;
      auto lists = package_commands(dockerfile.source, run.commands,
                                    run.environment ? *run.environment : kNone);
      const std::vector<bool> reached =
          lists.empty() ? std::vector<bool>() : surely_reached(run.commands);
      for (PackageList& list : lists) {
        Install made;
        if (const ShellCommand* command = command_at(run, list.span))
          made.conditional = !reached[static_cast<std::size_t>(command - run.commands.data())];
        for (const Word& named : list.requirement_files) {
          if (files.empty() || ++named_files > kMostNamed) break;
          if (is_changed_before(file, stage, run, named) || clones.hold(stage, run, named))
            continue;
          const auto filtered = named_files <= kMostFiltered
                                    ? filtered_before(file, stage, run, list, named)
                                    : std::nullopt;
          for (const std::string& path :
               context_paths(file, stage, run, filtered ? filtered->source : named.text)) {
            const std::string full = path_below(root, path);
            const ProjectFile *found = nullptr, *beside = nullptr;
            // `uv pip` knows of no lock.
            if (list.program == "uv" && is_one_of(list.verb, {"sync", "export"})) {
              found = find(path_below(directory_of(full), "uv.lock"));
              if (found != nullptr) beside = find(full);
            }
            if (found == nullptr) found = find(full);
            if (found == nullptr) continue;
            made.files.push_back(found);
            auto taken = takings.of(list, *found, beside, stage);
            if (filtered) {
              made.filtered = true;
              taken = std::make_shared<const PackageList>(
                  surely_left(taken != nullptr ? *taken : *found->packages, filtered->left_out));
            }
            made.taken.push_back(std::move(taken));
            break;
          }
        }
        made.command = std::move(list);
        made.instruction = &run;
        made.stage = stage;
        out.push_back(std::move(made));
      }
    }
  }
  return out;
}

std::vector<const PackageList*> lists_of(const Install& install) {
  std::vector<const PackageList*> out{&install.command};
  for (std::size_t at = 0; at < install.files.size(); ++at) {
    const PackageList* list =
        install.taken[at] != nullptr ? install.taken[at].get() : &*install.files[at]->packages;
    if (std::ranges::find(out, list) == out.end()) out.push_back(list);
  }
  return out;
}

const ProjectFile& file_of(const Install& install, const PackageList& list,
                           const ProjectFile& dockerfile) {
  for (std::size_t at = 0; at < install.files.size(); ++at)
    if (&*install.files[at]->packages == &list || install.taken[at].get() == &list)
      return *install.files[at];
  return dockerfile;
}

}  // namespace flense::lint

#include "lint/facts/cloned_paths.h"

#include <algorithm>
#include <span>

#include "lint/facts/build_steps.h"
#include "lint/source/blanks.h"

namespace flense::lint {

struct ClonedPaths::Asked {
  std::size_t stage = 0, before = 0;
  std::string path;
};

ClonedPaths::ClonedPaths(const FileView& view) : file_(*view.dockerfile) {
  if (!holds(view.file->source.text(), "clone")) return;
  for (std::size_t stage = 0; stage < file_.stages.size(); ++stage) {
    const StageSteps steps(view, stage);
    for (const Step& at : std::span(steps.all()).last(file_.stages[stage].instructions.size())) {
      const Instruction& step = *at.instruction;
      if (step.keyword != Keyword::kRun && !step.copies()) continue;
      auto& directories = directories_[&step];
      // Where nobody knows it, paths are still compared with each other.
      directories.push_back({step.span.begin, at.directory.empty() ? "/" : at.directory});
      if (step.keyword == Keyword::kRun) read(stage, step, directories);
    }
  }
}

void ClonedPaths::read(std::size_t stage, const Instruction& run,
                       std::vector<Directory>& directories) {
  // A subshell's `cd` ends with it.
  std::vector<std::pair<unsigned, std::string>> within{{0, directories.front().path}};
  const auto here = [&](std::size_t at) {
    if (directories.back().path != within.back().second)
      directories.push_back({at, within.back().second});
  };
  for (const StepCommand& command : commands_of(run)) {
    const unsigned depth = command.shell->depth;
    const std::size_t at = command.shell->span.begin;
    while (within.back().first > depth) within.pop_back();
    here(at);
    if (command.program == "cd" && !command.arguments.empty()) {
      std::string to = path_below(within.back().second, command.arguments.front().text);
      if (within.back().first < depth)
        within.emplace_back(depth, std::move(to));
      else
        within.back().second = std::move(to);
      here(command.shell->span.end);
    } else if (const std::string to = clone_target(command); !to.empty()) {
      clones_.push_back({stage, at, path_below(within.back().second, to)});
    }
  }
}

std::string ClonedPaths::resolved(const Instruction& step, std::size_t at,
                                  std::string_view path) const {
  const auto found = directories_.find(&step);
  if (found == directories_.end()) return path_below("/", path);
  const auto after = std::ranges::upper_bound(found->second, at, {}, &Directory::from);
  return path_below(after == found->second.begin() ? "/" : std::prev(after)->path, path);
}

bool ClonedPaths::cloned_last(const Asked& asked, std::vector<Asked>& sources) const {
  std::size_t cloned = 0, copied = 0;
  for (const std::size_t stage : file_.lineage(asked.stage)) {
    for (const Clone& clone : clones_)
      if (clone.stage == stage && clone.at < asked.before && clone.path != "/" &&
          lies_in(asked.path, clone.path))
        cloned = std::max(cloned, clone.at);
    for (const Instruction& copy : file_.stages[stage].instructions) {
      if (copy.span.begin >= asked.before) break;
      if (!copy.copies() || copy.words.size() < 2) continue;
      const std::string target = resolved(copy, copy.span.begin, copy.words.back().text);
      if (!lies_in(asked.path, target)) continue;
      const std::string rest = target == "/"
                                   ? asked.path
                                   : asked.path.substr(std::min(target.size(), asked.path.size()));
      const bool context = copy.flag("from") == nullptr;
      const auto from = context ? std::nullopt : file_.copied_from(copy);
      for (std::size_t word = 0; word + 1 < copy.words.size(); ++word) {
        const std::string& source = copy.words[word].text;
        if (from)
          sources.push_back({*from, std::string::npos, path_below("/", source) + rest});
        else if (context && (file_name(source) == file_name(asked.path) || source == "." ||
                             source == "./" || !source.contains('.')))
          copied = std::max(copied, copy.span.begin);
      }
    }
  }
  return cloned > copied;
}

bool ClonedPaths::hold(std::size_t stage, const Instruction& run, const Word& path) const {
  constexpr std::size_t kMostSources = 8;
  if (clones_.empty()) return false;
  std::vector<Asked> asked{{stage, path.span.begin, resolved(run, path.span.begin, path.text)}};
  for (std::size_t at = 0; at < asked.size() && at < kMostSources; ++at) {
    const Asked one = asked[at];
    if (cloned_last(one, asked)) return true;
  }
  return false;
}

}  // namespace flense::lint

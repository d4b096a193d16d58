#include "closure/marks.h"

#include <algorithm>
#include <utility>

#include "base/path.h"
#include "closure/places.h"

namespace flense::closure {

const inventory::ElfFacts* ReachContext::elf(PathId id) const {
  const auto& content = tree.at(id).found.content;
  return content ? contents.elf(*content) : nullptr;
}

const std::string* ReachContext::script_line(PathId id) const {
  const auto& content = tree.at(id).found.content;
  if (!content) return nullptr;
  const auto& scripts = contents.scan(*content).scripts;
  const auto at = scripts.find(content->index);
  return at == scripts.end() ? nullptr : &at->second;
}

bool ReachContext::is_of_idle(PathId id) const {
  if (idle.empty()) return false;
  const std::vector<UnitId>& owners = units.owners(id);
  return !owners.empty() && std::ranges::all_of(owners, [&](UnitId unit) { return is_idle(unit); });
}

void ReachMarks::keep(PathId id, Follow follow, const std::string& why) {
  Mark& mark = marks_[id];
  if (mark.follow >= follow) return;
  // The first reason stands, but for one that explains nothing.
  if (mark.follow <= Follow::kKeep) mark.why = why;
  mark.follow = follow;
  if (follow > Follow::kKeep) tasks_.push_back({id, follow});
}

bool ReachMarks::keep_path(std::string_view path, Follow follow, const std::string& why) {
  constexpr int kMostLinks = 40;  // as the kernel
  std::string rest = resolve_link_text("", path);
  int links = 0;
  std::size_t at = 0;
  while (true) {
    const std::size_t end = std::min(rest.find('/', at), rest.size());
    const auto id = context_.tree.find(std::string_view(rest).substr(0, end));
    if (!id) return false;
    if (context_.tree.at(*id).found.type == codec::MemberType::kSymlink) {
      if (++links > kMostLinks) return false;
      keep(*id, Follow::kData, why);
      const std::string_view text =
          context_.tree.merged().entry(*context_.tree.at(*id).found.entry).link;
      std::string target = resolve_link_text(parent_path(context_.tree.path(*id)), text);
      if (end < rest.size()) target += rest.substr(end);
      rest = std::move(target);
      at = 0;
      if (rest.empty()) return false;
      continue;
    }
    if (end == rest.size()) {
      if (!context_.tree.is_directory(*id)) keep(*id, follow, why);
      return true;
    }
    at = end + 1;
  }
}

void ReachMarks::keep_tree(PathId directory, Follow follow, const std::string& why) {
  const auto [begin, end] = context_.tree.below(directory);
  for (PathId id = begin; id < end; ++id)
    if (!context_.tree.is_directory(id)) keep(id, follow, why);
}

void ReachMarks::keep_folder(PathId directory, Follow follow, const std::string& why) {
  const auto [begin, end] = context_.tree.below(directory);
  for (PathId id = begin; id < end; ++id) {
    const auto& content = context_.tree.at(id).found.content;
    const bool script = content && context_.facts.shell.contains(inventory::key_of(*content));
    if (!context_.tree.is_directory(id)) keep(id, script ? follow : Follow::kData, why);
  }
}

void ReachMarks::keep_named(std::string_view path, Follow follow, const std::string& why) {
  if (!keep_path(path, follow, why)) return;
  const auto real = context_.tree.merged().resolve(resolve_link_text("", path));
  const auto id = real ? context_.tree.find(*real) : std::nullopt;
  if (id && context_.tree.is_directory(*id) && !is_common_directory(context_.tree.merged(), *real))
    keep_folder(*id, follow, why);
}

void ReachMarks::keep_matching(std::string_view pattern, Follow follow, const std::string& why) {
  for (const PathId id : context_.tree.matching(pattern))
    if (!context_.is_of_idle(id)) keep_path(context_.tree.path(id), follow, why);
}

void ReachMarks::keep_unit(UnitId unit, const std::string& why) {
  if (unit_reached_[unit]) return;
  unit_reached_[unit] = true;
  new_units_.push_back(unit);
  const ReachUnit& one = context_.units.at(unit);
  const std::string reason = fmt::format("of {}: {}", one.text(), why);
  for (const PathId id : one.files) keep(id, Follow::kPart, reason);
}

bool ReachMarks::keep_program(std::string_view name, Follow follow, const std::string& why) {
  for (const std::string& folder : context_.program_path) {
    const std::string path = fmt::format("{}/{}", folder, name);
    if (context_.survey.exists(path)) return keep_path(path, follow, why);
  }
  return false;
}

std::optional<ReachMarks::Task> ReachMarks::next() {
  while (!tasks_.empty()) {
    const Task task = tasks_.front();
    tasks_.pop_front();
    // Reached again since, and further.
    if (marks_[task.id].follow == task.follow) return task;
  }
  return std::nullopt;
}

}  // namespace flense::closure

#include "lint/packages/asked.h"

#include <algorithm>
#include <set>
#include <utility>

#include "lint/packages/marker.h"
#include "lint/packages/requirement_text.h"
#include "lint/source/blanks.h"

namespace flense::lint {

namespace {

using NameSet = std::set<std::string, std::less<>>;

/// The options of a command that choose among extras and groups.
struct Asked {
  NameSet extras, groups, without;
  std::string member;        ///< of a workspace; empty: the project itself
  bool all_members = false;  ///< of the workspace
  bool all_extras = false, all_groups = false, defaults = false;
  bool project = true;       ///< the project's own dependencies
  bool dependencies = true;  ///< false: --no-deps

  bool takes_group(const std::string& name) const {
    return !without.contains(name) && (all_groups || groups.contains(name));
  }
  bool takes_extra(const std::string& name) const {
    return !without.contains(name) && (all_extras || extras.contains(name));
  }
};

/// Values that commas or blanks divide.
void add_names(std::string_view value, NameSet& out) {
  while (!value.empty()) {
    const std::size_t end = value.find_first_of(", ");
    std::string_view one = trim_space(value.substr(0, end));
    // pip's --group may name a file: "other/pyproject.toml:dev".
    if (const std::size_t colon = one.rfind(':'); colon != one.npos) one.remove_prefix(colon + 1);
    if (!one.empty()) out.insert(normalised_name(one));
    if (end == value.npos) break;
    value.remove_prefix(end + 1);
  }
}

Asked asked_by(const PackageList& command) {
  Asked out;
  const bool uv_project = command.program == "uv" && is_one_of(command.verb, {"sync", "export"});
  out.defaults = uv_project || command.manager == PackageManager::kPoetry;
  for (const std::string& extra : command.extras) out.extras.insert(extra);
  for (const std::string& option : command.options) {
    const std::size_t equal = option.find('=');
    const std::string_view name = std::string_view(option).substr(0, equal);
    const std::string_view value =
        equal == option.npos ? std::string_view() : std::string_view(option).substr(equal + 1);
    if (is_one_of(name, {"--extra", "-E", "--extras"})) {
      add_names(value, out.extras);
    } else if (is_one_of(name, {"--group", "--with"})) {
      add_names(value, out.groups);
    } else if (is_one_of(name, {"--only-group", "--only"})) {
      NameSet only;
      add_names(value, only);
      out.project = only.erase("main") > 0;
      out.groups.merge(only);
      out.defaults = false;
    } else if (is_one_of(name, {"--no-group", "--without", "--no-extra"})) {
      add_names(value, out.without);
    } else if (name == "--package") {
      out.member = normalised_name(value);
    } else if (name == "--all-packages") {
      out.all_members = true;
    } else if (name == "--all-extras") {
      out.all_extras = true;
    } else if (name == "--all-groups") {
      out.all_groups = true;
    } else if (name == "--no-default-groups") {
      out.defaults = false;
    } else if (is_one_of(name, {"--no-dev", "--production"})) {
      out.without.insert("dev");
    } else if (name == "--only-dev") {
      out.project = false;
      out.defaults = false;
      out.groups.insert("dev");
    } else if (is_one_of(name, {"--no-deps", "--no-dependencies"})) {
      out.dependencies = false;
    }
  }
  return out;
}

/// Extras that ask for other extras of the project, and groups that include groups.
void follow(const PackageList& file, Asked& asked) {
  for (const std::string& group : file.default_groups) {
    if (!asked.defaults) break;
    if (group == "*")
      asked.all_groups = true;
    else
      asked.groups.insert(group);
  }
  bool grew = true;
  for (int round = 0; grew && round < 20; ++round) {
    grew = false;
    for (const auto& [group, other] : file.included)
      if (asked.takes_group(group)) grew = asked.groups.insert(other).second || grew;
    for (const PackageRequest& request : file.packages)
      if (!file.project.empty() && request.name == file.project &&
          (request.group.empty() ||
           (request.extra ? asked.takes_extra(request.group) : asked.takes_group(request.group))))
        for (const std::string& extra : request.extras)
          grew = asked.extras.insert(extra).second || grew;
  }
}

/// A walk through the lock from the project on.
class LockWalk {
 public:
  LockWalk(const LockGraph& graph, const Asked& asked, std::string_view python)
      : graph_(graph), asked_(asked), extras_(asked.extras.begin(), asked.extras.end()) {
    place_ = {python, extras_, !asked.all_extras};
    for (std::size_t at = 0; at < graph.nodes.size(); ++at)
      by_name_.emplace(graph.nodes[at].name, at);
  }

  /// The packages' places in the list.
  std::set<std::size_t> run(const LockGraph::Node& root) {
    if (asked_.project) take(root.needs);
    for (const auto& [extra, needs] : root.extras)
      if (asked_.project && asked_.takes_extra(extra)) take(needs);
    for (const auto& [group, needs] : root.groups)
      if (asked_.takes_group(group)) take(needs);
    while (!open_.empty()) {
      const auto [node, extra] = std::move(open_.back());
      open_.pop_back();
      const LockGraph::Node& one = graph_.nodes[node];
      if (one.request != LockGraph::kNone) out_.insert(one.request);
      if (extra.empty()) {
        take(one.needs);
      } else if (const auto at = one.extras.find(extra); at != one.extras.end()) {
        take(at->second);
      }
    }
    return std::move(out_);
  }

 private:
  /// A lock of thousands of packages has tens of thousands of needs.
  static constexpr std::size_t kMostVisits = 200'000;

  void take(const std::vector<LockGraph::Need>& needs) {
    for (const LockGraph::Need& need : needs) {
      if (!may_hold(need.marker, place_)) continue;
      const auto [begin, end] = by_name_.equal_range(need.name);
      for (auto at = begin; at != end && visits_ <= kMostVisits; ++at) {
        ++visits_;
        if (!need.version.empty() && graph_.nodes[at->second].version != need.version) continue;
        visit(at->second, {});
        for (const std::string& extra : need.extras) visit(at->second, extra);
      }
    }
  }

  void visit(std::size_t node, const std::string& extra) {
    if (++visits_ > kMostVisits) return;
    if (seen_.emplace(node, extra).second) open_.emplace_back(node, extra);
  }

  const LockGraph& graph_;
  const Asked& asked_;
  std::vector<std::string> extras_;
  MarkerPlace place_;
  std::multimap<std::string_view, std::size_t> by_name_;
  std::set<std::pair<std::size_t, std::string>> seen_;
  std::vector<std::pair<std::size_t, std::string>> open_;
  std::set<std::size_t> out_;
  std::size_t visits_ = 0;
};

/// All but the requests.
PackageList head_of(const PackageList& file) {
  PackageList out;
  out.manager = file.manager;
  out.path = file.path;
  out.span = file.span;
  out.indexes = file.indexes;
  out.options = file.options;
  out.project = file.project;
  return out;
}

}  // namespace

PackageList taken_by(const PackageList& command, const PackageList& file, const PackageList* beside,
                     std::string_view python) {
  PackageList out = head_of(file);
  // What the tables of other tools say of indexes is nothing to pip.
  const bool pip = command.program == "pip";
  if (pip) out.indexes.clear();
  Asked asked = asked_by(command);
  if (!asked.dependencies) return out;
  if (file.lock != nullptr) {
    const auto root = std::ranges::find_if(file.lock->nodes, [&](const LockGraph::Node& node) {
      return asked.member.empty() ? node.root
                                  : node.request == LockGraph::kNone && node.name == asked.member;
    });
    if (root == file.lock->nodes.end() || asked.all_members) return file;
    // The lock does not say which groups are installed unasked; uv's own default is dev.
    if (beside != nullptr)
      follow(*beside, asked);
    else if (asked.defaults)
      asked.groups.insert("dev");
    for (const std::size_t at : LockWalk(*file.lock, asked, python).run(*root))
      out.packages.push_back(file.packages[at]);
    return out;
  }
  follow(file, asked);
  const MarkerPlace place{python, {}, false};
  for (const PackageRequest& request : file.packages) {
    const bool taken = request.group.empty() ? asked.project
                       : request.extra       ? asked.project && asked.takes_extra(request.group)
                                             : asked.takes_group(request.group);
    if (!taken || !may_hold(request.marker, place)) continue;
    out.packages.push_back(request);
    out.packages.back().taken_of = std::exchange(out.packages.back().group, {});
    if (pip) out.packages.back().index.clear();
  }
  return out;
}

}  // namespace flense::lint

// pyproject.toml: dependencies of PEP 621 and PEP 735, uv's sources and indexes, poetry's own
// tables.

#include <algorithm>
#include <map>

#include "lint/packages/marker.h"
#include "lint/packages/packages.h"
#include "lint/packages/requirement_text.h"
#include "lint/source/toml_places.h"
#include "text/toml.h"

namespace flense::lint {

using text::Json;

namespace {

constexpr std::size_t kMaxProjectRequests = 50'000;

class PyprojectReader {
 public:
  PyprojectReader(const SourceText& source, const Json& document)
      : document_(document), places_(source.text()) {
    list_.path = source.path();
  }

  PackageList read() {
    indexes();
    list_.project = normalised_name(document_["project"]["name"].text());
    default_groups();
    requirements(document_["project"]["dependencies"], "project", "dependencies");
    groups(document_["project"]["optional-dependencies"], "project.optional-dependencies", true);
    groups(document_["dependency-groups"], "dependency-groups", false);
    requirements(document_["tool"]["uv"]["dev-dependencies"], "tool.uv", "dev-dependencies", "dev");
    poetry(document_["tool"]["poetry"]["dependencies"], "tool.poetry.dependencies");
    for (const auto& [name, group] : document_["tool"]["poetry"]["group"].members())
      poetry(group["dependencies"], "tool.poetry.group." + name + ".dependencies",
             normalised_name(name));
    bind();
    return std::move(list_);
  }

 private:
  void indexes();
  void default_groups();
  void requirements(const Json& items, const std::string& table, const std::string& key,
                    const std::string& group = {}, bool extra = false);
  void groups(const Json& groups, const std::string& table, bool extra);
  void poetry(const Json& table, const std::string& header, const std::string& group = {});
  std::string extra_of(std::string_view dependency) const;
  void bind();
  void add(PackageRequest request, Span span) {
    if (list_.packages.size() >= kMaxProjectRequests) return;
    request.path = list_.path;
    request.span = span;
    list_.packages.push_back(std::move(request));
  }

  const Json& document_;
  TomlPlaces places_;
  PackageList list_;
  std::map<std::string, std::string, std::less<>> index_urls_;  ///< by name
};

void PyprojectReader::indexes() {
  places_.enter("");
  const Json& uv = document_["tool"]["uv"];
  for (const Json& index : uv["index"].items()) {
    const std::string url(index["url"].text());
    if (url.empty()) continue;
    const bool header = places_.enter_next("tool.uv.index");
    if (!header) places_.enter("tool.uv");
    list_.indexes.push_back({url, places_.value(url)});
    index_urls_[std::string(index["name"].text())] = url;
  }
  places_.enter("");
  for (const Json& source : document_["tool"]["poetry"]["source"].items()) {
    const std::string url(source["url"].text());
    if (url.empty()) continue;
    places_.enter_next("tool.poetry.source");
    list_.indexes.push_back({url, places_.value(url)});
    index_urls_[std::string(source["name"].text())] = url;
  }
  for (const std::string key : {"index-url", "extra-index-url", "find-links"}) {
    places_.enter("tool.uv");
    const Json& value = uv[key];
    if (value.is_string())
      list_.add_index(key, {std::string(value.text()), places_.value(value.text())});
    for (const Json& item : value.items())
      list_.add_index(key, {std::string(item.text()), places_.value(item.text())});
  }
}

void PyprojectReader::default_groups() {
  const Json& stated = document_["tool"]["uv"]["default-groups"];
  for (const Json& group : stated.items())
    list_.default_groups.push_back(normalised_name(group.text()));
  if (stated.text() == "all") list_.default_groups = {"*"};
  const Json& poetry = document_["tool"]["poetry"];
  if (stated.is_null() && poetry.is_null()) list_.default_groups = {"dev"};
  for (const auto& [name, group] : poetry["group"].members())
    if (!group["optional"].bool_or(false)) list_.default_groups.push_back(normalised_name(name));
}

void PyprojectReader::requirements(const Json& items, const std::string& table,
                                   const std::string& key, const std::string& group, bool extra) {
  if (items.items().empty()) return;
  places_.enter(table);
  places_.move_to(places_.key(key));
  for (const Json& item : items.items()) {
    if (const std::string_view other = item["include-group"].text(); !other.empty())
      list_.included.emplace_back(group, normalised_name(other));
    if (!item.is_string()) continue;
    const std::string_view text = item.text();
    const Span span = places_.value(text);
    if (auto request = parse_requirement(text); request && is_for_linux(request->marker)) {
      request->group = group;
      request->extra = extra;
      add(std::move(*request), span);
    }
  }
}

void PyprojectReader::groups(const Json& groups, const std::string& table, bool extra) {
  // Tables come in order of their names; each list is searched for from its header on.
  for (const auto& [name, items] : groups.members())
    requirements(items, table, name, normalised_name(name), extra);
}

/// The extra that asks for an optional dependency of poetry: the first that does.
std::string PyprojectReader::extra_of(std::string_view dependency) const {
  for (const auto& [extra, names] : document_["tool"]["poetry"]["extras"].members())
    for (const Json& name : names.items())
      if (normalised_name(name.text()) == normalised_name(dependency))
        return normalised_name(extra);
  return "optional";
}

void PyprojectReader::poetry(const Json& table, const std::string& header,
                             const std::string& group) {
  if (table.members().empty()) return;
  places_.enter(header);
  // The place of each key is searched for in the table.
  constexpr std::size_t kMostKeys = 2000;
  std::size_t keys = 0;
  for (const auto& [name, value] : table.members()) {
    if (++keys > kMostKeys) break;
    if (name == "python") continue;
    PackageRequest request;
    request.name = normalised_name(name);
    request.group = group;
    if (group.empty() && value["optional"].bool_or(false)) {
      request.group = extra_of(name);
      request.extra = true;
    }
    const Json& version = value.is_string() ? value : value["version"];
    request.specifier = version.text();
    request.marker = value["markers"].text();
    if (!is_for_linux(request.marker)) continue;
    const std::string_view platform = value["platform"].text();
    if (!platform.empty() && platform != "linux") continue;
    for (const Json& extra : value["extras"].items())
      request.extras.push_back(normalised_name(extra.text()));
    // Poetry: a bare number is exact, ^ and ~ leave a choice.
    request.version = fixed_version(request.specifier);
    if (request.version.empty() && !request.specifier.empty() &&
        request.specifier.find_first_not_of("0123456789.abcdefghijklmnopqrstuvwxyz+") ==
            std::string::npos)
      request.version = request.specifier;
    for (const std::string_view key : {"url", "git", "path"})
      if (request.url.empty()) request.url = value[key].text();
    if (const auto at = index_urls_.find(value["source"].text()); at != index_urls_.end())
      request.index = at->second;
    add(std::move(request), places_.key(name));
  }
}

/// [tool.uv.sources]: NAME = {index = "…"}, or a list of them with markers, extras and groups.
void PyprojectReader::bind() {
  for (const auto& [name, value] : document_["tool"]["uv"]["sources"].members()) {
    std::vector<const Json*> items;
    if (value.is_object()) items.push_back(&value);
    for (const Json& item : value.items()) items.push_back(&item);
    const std::string wanted = normalised_name(name);
    for (PackageRequest& request : list_.packages) {
      if (request.name != wanted) continue;
      std::vector<const Json*> candidates;
      for (const Json* item : items) {
        const std::string_view only = (*item)[request.extra ? "extra" : "group"].text();
        const std::string_view other = (*item)[request.extra ? "group" : "extra"].text();
        if (is_for_linux((*item)["marker"].text()) && other.empty() &&
            (only.empty() || normalised_name(only) == request.group))
          candidates.push_back(item);
      }
      if (candidates.size() != 1) continue;
      const Json& source = *candidates[0];
      if (const auto at = index_urls_.find(source["index"].text()); at != index_urls_.end())
        request.index = at->second;
      for (const std::string_view key : {"url", "git", "path"})
        if (request.url.empty()) request.url = source[key].text();
    }
  }
}

}  // namespace

PackageList read_pyproject(const SourceText& source, std::vector<ParseProblem>& problems) {
  const auto document = text::parse_toml(source.text(), source.path());
  if (!document) {
    problems.push_back({line_of_error(source, document.error().message), document.error().message});
    PackageList empty;
    empty.path = source.path();
    return empty;
  }
  return PyprojectReader(source, *document).read();
}

}  // namespace flense::lint

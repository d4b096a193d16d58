// uv.lock: every package of the resolution, with the registry it comes from and what needs it.

#include "lint/packages/asked.h"
#include "lint/packages/packages.h"
#include "lint/packages/requirement_text.h"
#include "lint/source/toml_places.h"
#include "text/toml.h"

namespace flense::lint {

using text::Json;

namespace {

std::vector<LockGraph::Need> needs_of(const Json& items) {
  std::vector<LockGraph::Need> out;
  for (const Json& item : items.items()) {
    LockGraph::Need made;
    made.name = normalised_name(item["name"].text());
    made.version = item["version"].text();
    made.marker = item["marker"].text();
    for (const Json& extra : item["extra"].items())
      made.extras.push_back(normalised_name(extra.text()));
    out.push_back(std::move(made));
  }
  return out;
}

LockGraph::Node node_of(const Json& package) {
  LockGraph::Node out;
  out.name = normalised_name(package["name"].text());
  out.version = package["version"].text();
  out.request = LockGraph::kNone;
  out.needs = needs_of(package["dependencies"]);
  for (const auto& [extra, items] : package["optional-dependencies"].members())
    out.extras[normalised_name(extra)] = needs_of(items);
  for (const auto& [group, items] : package["dev-dependencies"].members())
    out.groups[normalised_name(group)] = needs_of(items);
  const Json& from = package["source"];
  out.root = from["editable"].text() == "." || from["virtual"].text() == ".";
  return out;
}

}  // namespace

PackageList read_uv_lock(const SourceText& source, std::vector<ParseProblem>& problems) {
  constexpr std::size_t kMaxPackages = 50'000;
  PackageList list;
  list.manager = PackageManager::kUv;
  list.path = source.path();
  const auto document = text::parse_toml(source.text(), source.path());
  if (!document) {
    problems.push_back({line_of_error(source, document.error().message), document.error().message});
    return list;
  }
  TomlPlaces places(source.text());
  auto graph = std::make_shared<LockGraph>();
  for (const Json& package : (*document)["package"].items()) {
    if (graph->nodes.size() >= kMaxPackages) break;
    const bool header = places.enter_next("package");
    const Json& from = package["source"];
    graph->nodes.push_back(node_of(package));
    // The project itself and its members are not requests.
    if (!from["editable"].is_null() || !from["virtual"].is_null()) continue;
    PackageRequest request;
    request.manager = PackageManager::kUv;
    request.name = normalised_name(package["name"].text());
    if (request.name.empty()) continue;
    request.version = package["version"].text();
    if (!request.version.empty()) request.specifier = "==" + request.version;
    request.index = from["registry"].text();
    for (const std::string_view key : {"url", "git", "path"})
      if (request.url.empty()) request.url = from[key].text();
    request.path = source.path();
    if (header) request.span = places.key("name");
    graph->nodes.back().request = list.packages.size();
    list.packages.push_back(std::move(request));
  }
  list.lock = std::move(graph);
  return list;
}

}  // namespace flense::lint

// uv.lock: every package of the resolution, with the registry it comes from.

#include "lint/packages/packages.h"
#include "lint/packages/requirement_text.h"
#include "lint/source/toml_places.h"
#include "text/toml.h"

namespace flense::lint {

using text::Json;

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
  for (const Json& package : (*document)["package"].items()) {
    if (list.packages.size() >= kMaxPackages) break;
    const bool header = places.enter_next("package");
    const Json& from = package["source"];
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
    list.packages.push_back(std::move(request));
  }
  return list;
}

}  // namespace flense::lint

// conda's environment.yml: channels, dependencies, and the pip: part, whose items are requirements
// and options of pip.

#include <algorithm>

#include "lint/packages/marker.h"
#include "lint/packages/packages.h"
#include "lint/packages/requirement_text.h"
#include "lint/source/toml_places.h"
#include "text/yaml.h"

namespace flense::lint {

using text::Json;

namespace {

constexpr std::size_t kMaxCondaRequests = 50'000;

/// Items of lists, by the text behind "- ". The search goes on from the last one found.
class ItemPlaces {
 public:
  explicit ItemPlaces(const SourceText& source) : source_(source) {}

  Span item(std::string_view value) {
    // Values that span several lines are not found; a few such searches suffice.
    if (value.empty() || misses_ > 64) return {};
    for (std::size_t line = next_; line <= source_.line_count(); ++line) {
      const Span whole = source_.line_span(line);
      const std::string_view text = source_.slice(whole);
      std::size_t first = text.find_first_not_of(" \t");
      if (first == std::string_view::npos || text[first] != '-') continue;
      first = text.find_first_not_of(" \t'\"", first + 1);
      if (first == std::string_view::npos || text.substr(first, value.size()) != value) continue;
      const std::string_view behind = text.substr(first + value.size());
      if (!behind.empty() && behind.find_first_not_of(" \t\r'\"") != std::string_view::npos &&
          behind.find(" #") == std::string_view::npos)
        continue;
      next_ = line + 1;
      return {whole.begin + first, whole.begin + first + value.size()};
    }
    ++misses_;
    return {};
  }
  void restart() { next_ = 1; }

 private:
  const SourceText& source_;
  std::size_t next_ = 1;
  unsigned misses_ = 0;
};

class EnvironmentReader {
 public:
  explicit EnvironmentReader(const SourceText& source) : places_(source) {
    list_.manager = PackageManager::kConda;
    list_.path = source.path();
  }

  PackageList read(const Json& document) {
    list_.name = document["name"].text();
    for (const Json& channel : document["channels"].items())
      list_.indexes.push_back({std::string(channel.text()), places_.item(channel.text())});
    places_.restart();
    for (const Json& item : document["dependencies"].items()) {
      if (list_.packages.size() >= kMaxCondaRequests) break;
      if (item.is_string()) {
        const Span span = places_.item(item.text());
        add(parse_conda_spec(item.text()), PackageManager::kConda, span);
      }
      for (const Json& line : item["pip"].items()) pip_line(line.text());
    }
    return std::move(list_);
  }

 private:
  void pip_line(std::string_view line) {
    const Span span = places_.item(line);
    if (!line.starts_with('-')) {
      auto request = parse_requirement(line);
      if (request && is_for_linux(request->marker))
        add(std::move(request), PackageManager::kPip, span);
      return;
    }
    const std::size_t end = std::min(line.find_first_of(" ="), line.size());
    const std::string_view name = line.substr(0, end);
    const std::size_t begin = std::min(line.find_first_not_of(" =", end), line.size());
    Word value{std::string(line.substr(begin)), span};
    if (name == "-r" || name == "--requirement")
      list_.requirement_files.push_back(std::move(value));
    else if (name == "-i" || name == "-f" || name == "--index-url" || name == "--find-links" ||
             name == "--extra-index-url")
      list_.add_index(name, std::move(value));
    else
      list_.options.emplace_back(line);
  }

  void add(std::optional<PackageRequest> request, PackageManager manager, Span span) {
    if (!request) return;
    request->manager = manager;
    request->path = list_.path;
    request->span = span;
    list_.packages.push_back(std::move(*request));
  }

  ItemPlaces places_;
  PackageList list_;
};

}  // namespace

PackageList read_conda_environment(const SourceText& source, std::vector<ParseProblem>& problems) {
  const auto document = text::parse_yaml(source.text(), source.path());
  if (!document) {
    problems.push_back({line_of_error(source, document.error().message), document.error().message});
    PackageList empty;
    empty.manager = PackageManager::kConda;
    empty.path = source.path();
    return empty;
  }
  return EnvironmentReader(source).read(*document);
}

}  // namespace flense::lint

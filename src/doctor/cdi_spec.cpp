#include "doctor/cdi_spec.h"

#include <algorithm>

#include "base/numbers.h"
#include "host/text_formats.h"
#include "text/json.h"

namespace flense::doctor {

namespace {

using text::Json;
constexpr std::size_t kMaxItems = 4096;

/// One entry of a list, or the mapping around it: keys of mounts, hooks and device nodes do not
/// overlap but for `path`, which is a device below /dev and a program elsewhere.
struct Item {
  std::string path, host_path;
  std::optional<std::uint64_t> major;

  void flush(CdiSpec& spec) {
    const std::string& place = host_path.empty() ? path : host_path;
    if (place.starts_with("/dev/") && spec.nodes.size() < kMaxItems)
      spec.nodes.push_back({place, major});
    else if (place.starts_with('/') && spec.files.size() < kMaxItems)
      spec.files.push_back(place);
    *this = {};
  }
};

void walk(const Json& value, CdiSpec& spec) {
  for (const Json& item : value.items()) walk(item, spec);
  if (!value.is_object()) return;
  Item item;
  item.path = value["path"].text();
  item.host_path = value["hostPath"].text();
  if (value["major"].is_number()) item.major = value["major"].unsigned_or(0);
  item.flush(spec);
  for (const auto& [name, member] : value.members()) walk(member, spec);
}

std::string unquoted(std::string text) {
  if (text.size() >= 2 && (text.front() == '"' || text.front() == '\'') &&
      text.back() == text.front())
    return text.substr(1, text.size() - 2);
  return text;
}

std::optional<CdiSpec> parse_lines(std::string_view text) {
  CdiSpec spec;
  Item item;
  while (!text.empty()) {
    std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), line.size() + 1));
    line.remove_prefix(std::min(line.size(), line.find_first_not_of(" \t")));
    if (line.starts_with('#')) continue;
    while (line.starts_with("- ")) {
      item.flush(spec);
      line.remove_prefix(2);
      line.remove_prefix(std::min(line.size(), line.find_first_not_of(' ')));
    }
    const std::size_t colon = line.find(':');
    if (colon == std::string_view::npos) continue;
    const std::string key = unquoted(host::clean(line.substr(0, colon)));
    const std::string value = unquoted(host::clean(line.substr(colon + 1)));
    if (value.empty()) {
      item.flush(spec);  // "mounts:" begins another section
    } else if (key == "kind") {
      spec.kind = value;
    } else if (key == "path") {
      item.path = value;
    } else if (key == "hostPath") {
      item.host_path = value;
    } else if (key == "major") {
      item.major = parse_number(value);
    }
  }
  item.flush(spec);
  return spec.kind.empty() ? std::nullopt : std::optional(std::move(spec));
}

}  // namespace

std::optional<CdiSpec> parse_cdi_spec(std::string_view text) {
  const std::size_t first = text.find_first_not_of(" \t\r\n");
  if (first == std::string_view::npos) return std::nullopt;
  if (text[first] != '{') return parse_lines(text);
  const Result<Json> json = text::parse_json(text, "CDI specification");
  if (!json || (*json)["kind"].text().empty()) return std::nullopt;
  CdiSpec spec;
  spec.kind = (*json)["kind"].text();
  for (const auto& [name, member] : json->members()) walk(member, spec);
  return spec;
}

}  // namespace flense::doctor

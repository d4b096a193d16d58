#include "verify/file_lists.h"

#include <vector>

#include "base/format.h"
#include "base/path.h"
#include "codec/legacy_digest.h"
#include "codec/sha256.h"
#include "image/sources/wheel.h"
#include "text/json.h"

namespace flense::verify {

namespace {

std::vector<std::string_view> lines_of(std::string_view text) {
  std::vector<std::string_view> out;
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    out.push_back(text.substr(0, end));
    if (end == std::string_view::npos) break;
    text.remove_prefix(end + 1);
  }
  return out;
}

/// The name at the start of a line of RECORD, and where the field ends.
std::pair<std::string, std::size_t> name_field(std::string_view line) {
  if (!line.starts_with('"')) {
    const std::size_t comma = std::min(line.find(','), line.size());
    return {std::string(line.substr(0, comma)), comma};
  }
  std::string name;
  std::size_t at = 1;
  for (; at < line.size(); ++at) {
    if (line[at] == '"' && (at + 1 >= line.size() || line[at + 1] != '"')) return {name, at + 1};
    if (line[at] == '"') ++at;
    name += line[at];
  }
  return {name, at};
}

std::vector<std::string> wheel_lines(std::string_view path, std::string_view text,
                                     const Fate& fate) {
  const std::string_view root = parent_path(parent_path(path));
  std::vector<std::string> out;
  for (const std::string_view line : lines_of(text)) {
    const auto [name, end] = name_field(line);
    const auto listed = name.empty() ? std::nullopt : fate(resolve_link_text(root, name));
    if (!listed) {
      out.emplace_back(line);
    } else if (!listed->gone) {
      out.push_back(fmt::format("{},sha256={},{}{}", line.substr(0, end),
                                codec::sha256_record(listed->content), listed->content.size(),
                                line.ends_with('\r') ? "\r" : ""));
    }
  }
  return out;
}

std::optional<ListDifference> compare_lines(const std::vector<std::string>& expected,
                                            std::string_view after) {
  const std::vector<std::string_view> found = lines_of(after);
  for (std::size_t i = 0; i < std::max(expected.size(), found.size()); ++i) {
    const bool here = i < expected.size(), there = i < found.size();
    if (here && there && expected[i] == found[i]) continue;
    return ListDifference{fmt::format("line {}", i + 1), here ? expected[i] : "the end",
                          there ? std::string(found[i]) : "the end"};
  }
  return std::nullopt;
}

bool is_build(std::string_view line) {
  return line.starts_with("Build:");
}

/// All lines but the build tag, of which the slim wheel has one (PyPA "Binary distribution
/// format").
std::optional<ListDifference> compare_tags(std::string_view before, std::string_view after) {
  std::vector<std::string> expected;
  for (const std::string_view line : lines_of(before))
    if (!is_build(line)) expected.emplace_back(line);
  std::string rest;
  std::size_t builds = 0;
  for (const std::string_view line : lines_of(after)) {
    if (is_build(line))
      ++builds;
    else
      rest += fmt::format("{}\n", line);
  }
  if (builds != 1) return ListDifference{"", "one build tag", fmt::format("{}", builds)};
  return compare_lines(expected, rest);
}

std::vector<std::string> debian_lines(std::string_view text, const Fate& fate) {
  std::vector<std::string> out;
  for (const std::string_view line : lines_of(text)) {
    const auto listed = line.size() > 34 ? fate(std::string(line.substr(34))) : std::nullopt;
    if (!listed) {
      out.emplace_back(line);
    } else if (!listed->gone) {
      out.push_back(codec::md5_hex(listed->content) + std::string(line.substr(32)));
    }
  }
  return out;
}

std::vector<std::string> alpine_lines(std::string_view text, const Fate& fate) {
  std::vector<std::string> out;
  std::string directory;
  std::optional<ListedFile> listed;
  for (const std::string_view line : lines_of(text)) {
    const std::string_view kind = line.substr(0, 2);
    if (kind == "F:") {
      directory = line.substr(2);
      listed.reset();
    } else if (kind == "R:") {
      const std::string name(line.substr(2));
      listed = fate(directory.empty() ? name : directory + "/" + name);
    } else if (line.empty() || kind == "P:") {
      listed.reset();
    }
    const bool of_file = kind == "R:" || kind == "a:" || kind == "Z:";
    if (listed && listed->gone && of_file) continue;
    if (listed && line.starts_with("Z:Q1"))
      out.push_back("Z:Q1" + codec::sha1_base64(listed->content));
    else
      out.emplace_back(line);
  }
  return out;
}

std::string hex_digest(Bytes content) {
  return codec::sha256_digest(content).substr(7);
}

/// What `before` has to become: the names of files, and the rows about paths.
text::Json conda_expected(std::string_view path, const text::Json& before, const Fate& fate) {
  const std::string_view prefix = parent_path(parent_path(path));
  const auto fate_of = [&](std::string_view name) { return fate(resolve_link_text(prefix, name)); };
  text::Json out = before;
  if (text::Json* files = out.find_mutable("files"); files != nullptr && files->is_array()) {
    text::Json kept = text::Json::array();
    for (const text::Json& name : files->items()) {
      const auto listed = fate_of(name.text());
      if (!listed || !listed->gone) kept.push(name);
    }
    *files = std::move(kept);
  }
  text::Json* data = out.find_mutable("paths_data");
  text::Json* rows = data == nullptr ? nullptr : data->find_mutable("paths");
  if (rows == nullptr || !rows->is_array()) return out;
  text::Json kept = text::Json::array();
  for (text::Json row : rows->items()) {
    const auto listed = fate_of(row["_path"].text());
    if (listed && listed->gone) continue;
    if (listed) {
      row.set("sha256_in_prefix", hex_digest(listed->content));
      row.set("size_in_bytes", std::uint64_t{listed->content.size()});
    }
    kept.push(std::move(row));
  }
  *rows = std::move(kept);
  return out;
}

std::optional<ListDifference> compare_conda(std::string_view path, std::string_view before,
                                            std::string_view after, const Fate& fate) {
  const auto was = text::parse_json(before, path);
  // What nobody can read is left as it is.
  if (!was)
    return before == after ? std::nullopt
                           : std::optional<ListDifference>({"", "as it was", "another text"});
  const auto is = text::parse_json(after, path);
  if (!is) return ListDifference{"", "JSON", is.error().message};
  const text::Json expected = conda_expected(path, *was, fate);
  if (expected == *is) return std::nullopt;
  for (const auto& [name, value] : expected.members())
    if (!(value == (*is)[name]))
      return ListDifference{name, "what the files are", "something else"};
  return ListDifference{"", "what the files are", "further members"};
}

}  // namespace

std::optional<ListKind> list_kind(std::string_view path, bool of_wheel) {
  const std::string_view name = base_name(path), directory = parent_path(path);
  if (name == "RECORD" && directory.ends_with(".dist-info")) return ListKind::kWheel;
  // Of a wheel that is the target itself; what is installed, and packages within it, keep theirs.
  if (of_wheel && name == "WHEEL" && directory.ends_with(".dist-info") &&
      fmt::format("{}/", parent_path(directory)) == image::kWheelRoot)
    return ListKind::kWheelTags;
  if (name.ends_with(".md5sums") &&
      (directory.ends_with("var/lib/dpkg/info") || directory.ends_with("var/lib/dpkg/status.d")))
    return ListKind::kDebian;
  if (name == "installed" && directory.ends_with("lib/apk/db")) return ListKind::kAlpine;
  if (name.ends_with(".json") && base_name(directory) == "conda-meta") return ListKind::kConda;
  return std::nullopt;
}

std::optional<ListDifference> compare_list(ListKind kind, std::string_view path,
                                           std::string_view before, std::string_view after,
                                           const Fate& fate) {
  switch (kind) {
    case ListKind::kWheel:
      return compare_lines(wheel_lines(path, before, fate), after);
    case ListKind::kWheelTags:
      return compare_tags(before, after);
    case ListKind::kDebian:
      return compare_lines(debian_lines(before, fate), after);
    case ListKind::kAlpine:
      return compare_lines(alpine_lines(before, fate), after);
    case ListKind::kConda:
      return compare_conda(path, before, after, fate);
  }
  return std::nullopt;
}

}  // namespace flense::verify

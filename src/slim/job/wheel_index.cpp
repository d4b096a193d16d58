#include "slim/job/wheel_index.h"

#include <algorithm>
#include <map>
#include <set>
#include <system_error>
#include <utility>

#include "base/ascii.h"
#include "base/file.h"
#include "inventory/scan/packages.h"

namespace flense::slim {

namespace {

constexpr std::string_view kHashOption = "--hash";
constexpr std::string_view kHashKind = "sha256:";

std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (is_alphanumeric(c) || is_one_of(std::string_view(&c, 1), {" ", ".", "-", "_", "/"}))
      out += c;
    else
      out += fmt::format("&#{};", static_cast<unsigned char>(c));
  }
  return out;
}

/// Of what parse_wheel_name() lets through, '+' alone means something else in some places.
std::string in_url(std::string_view name) {
  std::string out;
  for (const char c : name)
    if (c == '+')
      out += "%2B";
    else
      out += c;
  return out;
}

std::string page(std::string_view title, const std::string& links) {
  return fmt::format(
      "<!DOCTYPE html>\n<html>\n<head><meta name=\"pypi:repository-version\" content=\"1.0\">"
      "<title>{}</title></head>\n<body>\n{}</body>\n</html>\n",
      escaped(title), links);
}

std::string link_to(const WheelOutcome& wheel) {
  // "sha256:…" is "sha256=…" in a fragment.
  std::string digest = wheel.digest_after;
  std::ranges::replace(digest, ':', '=');
  const std::string python =
      wheel.requires_python.empty()
          ? ""
          : fmt::format(" data-requires-python=\"{}\"", escaped(wheel.requires_python));
  return fmt::format("<a href=\"../../{}#{}\"{}>{}</a><br>\n", in_url(wheel.name), digest, python,
                     escaped(wheel.name));
}

Result<void> write_page(const std::filesystem::path& directory, const std::string& text) {
  std::error_code error;
  std::filesystem::create_directories(directory, error);
  if (error) return system_error(error.value(), "cannot create " + directory.string());
  return write_new_file(directory / "index.html", text);
}

/// A requirement that fixes a version.
struct Pinned {
  std::string project, version;
  std::string text;                  ///< without hashes and comment
  std::vector<std::string> digests;  ///< "sha256:…"
};

/// `line` is one of a requirements file with its continuations joined; no version for all others.
Pinned parse_pinned(std::string_view line) {
  Pinned out;
  for (const std::string_view mark : {" #", "\t#"}) line = line.substr(0, line.find(mark));
  const auto is_name = [](char c) {
    return is_alphanumeric(c) || c == '-' || c == '_' || c == '.';
  };
  std::string_view rest = trim(line);
  const auto name_end = std::ranges::find_if_not(rest, is_name);
  const std::string_view name(rest.begin(), name_end);
  if (name.empty() || !is_alphanumeric(name.front())) return out;
  rest = trim(rest.substr(name.size()));
  if (rest.starts_with('[')) rest = trim(rest.substr(std::min(rest.size(), rest.find(']') + 1)));
  if (!rest.starts_with("==") || rest.starts_with("===")) return out;
  rest = trim(rest.substr(2));
  out.project = inventory::normalised_python_name(name);
  out.version = rest.substr(0, rest.find_first_of(" \t;,"));
  line = trim(line);
  while (true) {
    const std::size_t at = line.find(kHashOption);
    out.text += line.substr(0, at);
    if (at == std::string_view::npos) break;
    line.remove_prefix(at + kHashOption.size());
    line.remove_prefix(std::min(line.find_first_not_of("= \t"), line.size()));
    const std::string_view digest = line.substr(0, line.find_first_of(" \t"));
    if (digest.starts_with(kHashKind)) out.digests.emplace_back(digest);
    line.remove_prefix(digest.size());
  }
  out.text = trim(out.text);
  return out;
}

using Versions = std::map<std::pair<std::string, std::string>, std::vector<const WheelOutcome*>>;

Versions by_version(const std::vector<WheelOutcome>& wheels) {
  Versions out;
  for (const WheelOutcome& wheel : wheels) out[{wheel.project, wheel.version}].push_back(&wheel);
  return out;
}

std::string with_digests(std::string_view requirement,
                         const std::vector<const WheelOutcome*>& wheels) {
  std::set<std::string_view> digests;
  for (const WheelOutcome* wheel : wheels) digests.insert(wheel->digest_after);
  std::string out(requirement);
  for (const std::string_view digest : digests)
    out += fmt::format(" \\\n    {}={}", kHashOption, digest);
  return out + "\n";
}

}  // namespace

Result<void> write_wheel_index(const std::filesystem::path& directory,
                               const std::vector<WheelOutcome>& wheels) {
  std::map<std::string, std::string> projects;
  for (const WheelOutcome& wheel : wheels) projects[wheel.project] += link_to(wheel);
  std::string all;
  for (const auto& [project, links] : projects) {
    all += fmt::format("<a href=\"{0}/\">{0}</a><br>\n", project);
    TRY_DO(write_page(directory / project, page(project, links)));
  }
  return write_page(directory, page("wheels", all));
}

Requirements requirements_of(const std::vector<WheelOutcome>& wheels) {
  Requirements out;
  for (const auto& [version, files] : by_version(wheels))
    out.text += with_digests(fmt::format("{}=={}", version.first, version.second), files);
  return out;
}

Result<Requirements> follow_requirements(std::string_view text, const std::string& name,
                                         const std::vector<WheelOutcome>& wheels) {
  Requirements out;
  const Versions versions = by_version(wheels);
  std::set<const WheelOutcome*> named;
  std::size_t line_number = 0;
  while (!text.empty()) {
    const std::string_view begin = text;
    const std::size_t first = line_number + 1;
    std::string line;
    for (bool more = true; more && !text.empty();) {
      std::string_view part = take_line(text);
      ++line_number;
      more = part.ends_with('\\');
      if (more) part.remove_suffix(1);
      line += part;
      if (more) line += ' ';
    }
    const std::string_view raw = begin.substr(0, begin.size() - text.size());
    const Pinned pinned = parse_pinned(line);
    const auto found = versions.find({pinned.project, pinned.version});
    if (found == versions.end()) {
      out.text += raw;
      continue;
    }
    for (const WheelOutcome* wheel : found->second) {
      named.insert(wheel);
      if (pinned.digests.empty() || is_one_of(wheel->digest_before, pinned.digests)) continue;
      return bad_input("{}: line {}: {}=={} has other digests than {} that was given: {}", name,
                       first, pinned.project, pinned.version, wheel->name, wheel->digest_before)
          .hint("give the wheels that this file was made for: pip download -r " + name);
    }
    out.text += with_digests(pinned.text, found->second);
  }
  for (const WheelOutcome& wheel : wheels)
    if (!named.contains(&wheel))
      out.notices.push_back(fmt::format("{} fixes no {}=={}: its wheel is in no line", name,
                                        wheel.project, wheel.version));
  return out;
}

}  // namespace flense::slim

#include "lint/packages/requirement_text.h"

#include <algorithm>
#include <array>

#include "base/ascii.h"
#include "base/version_numbers.h"
#include "lint/source/blanks.h"

namespace flense::lint {

namespace {

constexpr std::size_t kMaxName = 200;
constexpr std::size_t kMaxExtras = 64;

bool is_name_char(char c) {
  return is_alphanumeric(c) || c == '-' || c == '_' || c == '.';
}

std::string without_blanks(std::string_view text) {
  std::string out(text);
  std::erase_if(out, [](char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; });
  return out;
}

/// Cuts a name off the front; empty: there is none.
std::string_view take_name(std::string_view& text) {
  std::size_t end = 0;
  while (end < text.size() && is_name_char(text[end])) ++end;
  while (end > 0 && !is_alphanumeric(text[end - 1])) --end;
  const std::string_view name = text.substr(0, end);
  if (name.empty() || name.size() > kMaxName || !is_alphanumeric(name.front())) return {};
  text.remove_prefix(end);
  return name;
}

std::vector<std::string> split_list(std::string_view text) {
  std::vector<std::string> out;
  while (!text.empty() && out.size() < kMaxExtras) {
    const std::size_t comma = text.find(',');
    if (const auto item = trim_space(text.substr(0, comma)); !item.empty())
      out.push_back(normalised_name(item));
    if (comma == std::string_view::npos) break;
    text.remove_prefix(comma + 1);
  }
  return out;
}

bool is_version_text(std::string_view text) {
  return !text.empty() && is_alphanumeric(text.front()) &&
         std::ranges::all_of(text, [](char c) { return is_name_char(c) || c == '+' || c == '!'; });
}

/// "2.6.*" and "2.6" of conda's "=2.6" fix what they name.
std::string version_of_pattern(std::string_view text) {
  if (text.ends_with(".*"))
    text.remove_suffix(2);
  else if (text.ends_with('*'))
    text.remove_suffix(1);
  return is_version_text(text) ? std::string(text) : std::string();
}

}  // namespace

std::string normalised_name(std::string_view name) {
  std::string out;
  for (const char c : name) {
    const bool joint = c == '-' || c == '_' || c == '.';
    if (joint && !out.empty() && out.back() == '-') continue;
    if (joint)
      out += '-';
    else
      out += lower(c);
  }
  return out;
}

std::string fixed_version(std::string_view specifier) {
  while (!specifier.empty()) {
    const std::size_t comma = specifier.find(',');
    std::string_view part = trim_space(specifier.substr(0, comma));
    if (part.starts_with("==")) {
      part.remove_prefix(part.starts_with("===") ? 3 : 2);
      part = trim_space(part);
      // "==2.*" leaves all of its minors.
      if (std::string version = version_of_pattern(part);
          version.contains('.') || !part.ends_with('*'))
        return version;
    }
    if (comma == std::string_view::npos) break;
    specifier.remove_prefix(comma + 1);
  }
  return {};
}

std::optional<PackageRequest> parse_requirement(std::string_view text) {
  text = trim_space(text);
  const std::string_view name = take_name(text);
  if (name.empty()) return std::nullopt;
  PackageRequest out;
  out.name = normalised_name(name);
  text = trim_space(text);
  if (text.starts_with('[')) {
    const std::size_t close = text.find(']');
    if (close == std::string_view::npos) return std::nullopt;
    out.extras = split_list(text.substr(1, close - 1));
    text = trim_space(text.substr(close + 1));
  }
  if (text.starts_with('@')) {
    text = trim_space(text.substr(1));
    out.url = text.substr(0, text.find_first_of(" \t"));
    if (const std::string_view rest = trim_space(text.substr(out.url.size()));
        rest.starts_with(';'))
      out.marker = trim_space(rest.substr(1));
    return out;
  }
  if (const std::size_t semicolon = text.find(';'); semicolon != std::string_view::npos) {
    out.marker = trim_space(text.substr(semicolon + 1));
    text = trim_space(text.substr(0, semicolon));
  }
  if (text.starts_with('(') && text.ends_with(')')) text = text.substr(1, text.size() - 2);
  out.specifier = without_blanks(text);
  if (!out.specifier.empty() &&
      std::string_view("=<>!~").find(out.specifier.front()) == std::string_view::npos)
    return std::nullopt;
  out.version = fixed_version(out.specifier);
  return out;
}

std::optional<PackageRequest> parse_conda_spec(std::string_view text) {
  text = trim_space(text);
  if (const std::size_t channel = text.rfind("::"); channel != std::string_view::npos)
    text.remove_prefix(channel + 2);
  const std::string_view name = take_name(text);
  if (name.empty()) return std::nullopt;
  PackageRequest out;
  out.manager = PackageManager::kConda;
  out.name = to_lower(name);
  text = trim_space(text);
  if (text.starts_with('[')) {
    // name[version=">=2", build="…"]: only the version matters here.
    const std::size_t at = text.find("version=");
    if (at == std::string_view::npos) return out;
    text.remove_prefix(at + 8);
    const char quote = text.empty() ? '\0' : text.front();
    if (quote == '"' || quote == '\'') text = text.substr(1, text.find(quote, 1) - 1);
    text = text.substr(0, text.find_first_of("]\"'"));
    out.specifier = without_blanks(text);
    const bool ranged = out.specifier.find_first_of("<>!~,|") != std::string::npos;
    const std::size_t digits = std::min(out.specifier.find_first_not_of('='), out.specifier.size());
    if (!ranged) out.version = version_of_pattern(std::string_view(out.specifier).substr(digits));
    return out;
  }
  out.specifier = without_blanks(text);
  std::string_view rest = out.specifier;
  if (rest.find_first_of("<>!~|,") != std::string_view::npos) return out;
  if (rest.starts_with('=')) {
    rest.remove_prefix(std::min(rest.find_first_not_of('='), rest.size()));
    out.version = version_of_pattern(rest.substr(0, rest.find('=')));
  } else if (!rest.empty() && rest.front() >= '0' && rest.front() <= '9') {
    // "python 3.11 h123" in a YAML list.
    out.version = version_of_pattern(rest);
  }
  return out;
}

namespace {

/// "python_version", "<", "3.12" of one comparison; empty: it is none.
struct Comparison {
  std::string_view variable, op, value;
};

std::vector<Comparison> comparisons(std::string_view marker) {
  std::vector<Comparison> out;
  while (!marker.empty() && out.size() < kMaxExtras) {
    const std::size_t joint = marker.find(" and ");
    std::string_view part = trim_space(marker.substr(0, joint));
    while (part.starts_with('(') || part.starts_with(' ')) part.remove_prefix(1);
    while (part.ends_with(')') || part.ends_with(' ')) part.remove_suffix(1);
    const std::size_t op = part.find_first_of("=!<>"), quote = part.find_first_of("'\"");
    if (op != part.npos && quote != part.npos && op < quote && part.size() > quote + 1)
      out.push_back({trim_space(part.substr(0, op)), trim_space(part.substr(op, quote - op)),
                     part.substr(quote + 1, part.size() - quote - 2)});
    if (joint == marker.npos) break;
    marker.remove_prefix(joint + 5);
  }
  return out;
}

}  // namespace

bool exclude_each_other(std::string_view a, std::string_view b) {
  if (a.contains(" or ") || b.contains(" or ")) return false;
  constexpr std::array<std::pair<std::string_view, std::string_view>, 3> kOpposite{
      {{"==", "!="}, {"<", ">="}, {">", "<="}}};
  for (const Comparison& one : comparisons(a))
    for (const Comparison& other : comparisons(b)) {
      if (one.variable != other.variable) continue;
      if (one.value != other.value) {
        if (one.op == "==" && other.op == "==") return true;
        continue;
      }
      for (const auto& [op, opposite] : kOpposite)
        if ((one.op == op && other.op == opposite) || (one.op == opposite && other.op == op))
          return true;
    }
  return false;
}

bool meets(std::string_view version, std::string_view specifier) {
  if (version.empty()) return true;
  while (!specifier.empty()) {
    const std::size_t comma = specifier.find(',');
    const std::string_view part = specifier.substr(0, comma);
    const std::size_t digit = std::min(part.find_first_of("0123456789"), part.size());
    const std::string_view op = part.substr(0, digit), bound = part.substr(digit);
    const int order = bound.empty() ? 0 : compare_versions(version, bound);
    if (is_version(bound) && ((op == ">=" && order < 0) || (op == ">" && order <= 0) ||
                              (op == "<=" && order > 0) || (op == "<" && order >= 0)))
      return false;
    // "~=2.10.0" is at least that, and 2.10.*, as "==2.10.*" is.
    const std::string_view series = bound.substr(0, std::min(bound.rfind('.'), bound.size()));
    const bool in_series = (std::string(version) + ".").starts_with(std::string(series) + ".");
    if ((op == "~=" && is_version(bound) && (order < 0 || !in_series)) ||
        (op == "==" && bound.ends_with(".*") && is_version(series) && !in_series))
      return false;
    if (comma == std::string_view::npos) break;
    specifier.remove_prefix(comma + 1);
  }
  return true;
}

}  // namespace flense::lint

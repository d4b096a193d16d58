#include "scaffold/render.h"

#include <optional>

namespace flense::scaffold {

namespace {

constexpr std::string_view kMark = "@@";

/// The mark that is all of a line: "if name" or "end".
std::optional<std::string_view> directive_of(std::string_view line) {
  if (line.size() < 2 * kMark.size() || !line.starts_with(kMark) || !line.ends_with(kMark))
    return std::nullopt;
  const std::string_view inside = line.substr(kMark.size(), line.size() - 2 * kMark.size());
  if (inside == "end" || inside.starts_with("if ")) return inside;
  return std::nullopt;
}

Result<void> append_line(std::string_view line, const Marks& marks, std::string_view what,
                         std::string& out) {
  for (;;) {
    const std::size_t begin = line.find(kMark);
    out.append(line.substr(0, begin));
    if (begin == std::string_view::npos) return {};
    line.remove_prefix(begin + kMark.size());
    const std::size_t end = line.find(kMark);
    if (end == std::string_view::npos)
      return fail(Code::kInternal, "template {} has an unterminated placeholder", what);
    const auto value = marks.find(line.substr(0, end));
    if (value == marks.end())
      return fail(Code::kInternal, "template {} has the placeholder '{}', which has no value", what,
                  line.substr(0, end));
    out += value->second;
    line.remove_prefix(end + kMark.size());
  }
}

}  // namespace

Result<std::string> render(std::string_view text, const Marks& marks, std::string_view what) {
  std::string out;
  bool inside = false, skipped = false;
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    if (const auto directive = directive_of(line)) {
      const bool begins = *directive != "end";
      if (begins == inside)
        return fail(Code::kInternal, "template {}: '{}' where there is {} condition", what, line,
                    inside ? "already a" : "no");
      inside = begins;
      const auto value = begins ? marks.find(directive->substr(3)) : marks.end();
      skipped = begins && (value == marks.end() || value->second.empty());
      continue;
    }
    if (skipped) continue;
    TRY_DO(append_line(line, marks, what, out));
    if (end != std::string_view::npos) out += '\n';
  }
  if (inside) return fail(Code::kInternal, "template {} has a condition that does not end", what);
  return out;
}

}  // namespace flense::scaffold

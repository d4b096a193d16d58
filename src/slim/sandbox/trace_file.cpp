#include "slim/sandbox/trace_file.h"

#include <algorithm>

#include "base/path.h"

namespace flense::slim {

namespace {

std::string as_comment(std::string_view text) {
  std::string out(text);
  std::ranges::replace_if(out, [](char c) { return static_cast<unsigned char>(c) < ' '; }, ' ');
  return "# " + out + "\n";
}

std::size_t add_lines(const std::vector<std::string>& paths, std::string& out) {
  std::size_t left_out = 0;
  for (const std::string& path : paths) {
    if (path.find_first_of("\n\r") != std::string::npos) {
      ++left_out;
      continue;
    }
    out += '/';
    out += path;
    out += '\n';
  }
  return left_out;
}

}  // namespace

Result<std::vector<std::string>> parse_trace(std::string_view text, std::string_view name,
                                             std::size_t most) {
  if (text.size() > kMostTraceBytes)
    return bad_input("{}: a trace of more than {} bytes", name, kMostTraceBytes);
  std::vector<std::string> out;
  for (std::size_t number = 1; !text.empty(); ++number) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (line.empty() || line.starts_with('#')) continue;
    if (line.size() > kMostPathBytes)
      return bad_input("{}: line {}: a path of more than {} bytes", name, number, kMostPathBytes);
    TRY(std::string path,
        with_context(normalise_member_path(line), "reading line {} of {}", number, name));
    if (path.empty()) continue;
    if (out.size() == most) return bad_input("{}: line {}: more than {} paths", name, number, most);
    out.push_back(std::move(path));
  }
  std::ranges::sort(out);
  const auto repeated = std::ranges::unique(out);
  out.erase(repeated.begin(), repeated.end());
  return out;
}

std::string trace_text(std::string_view command, const MetPaths& met) {
  std::string out = as_comment(fmt::format("flense trace of: {}", command));
  out += "# opened, executed or read as links:\n";
  std::size_t left_out = add_lines(met.used, out);
  out += "# asked about only:\n";
  left_out += add_lines(met.looked, out);
  if (left_out > 0) out += fmt::format("# left out, with a line break in the name: {}\n", left_out);
  return out;
}

}  // namespace flense::slim

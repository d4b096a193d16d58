// .env files (Compose's specification of env_file; docker run --env-file).
#include "base/ascii.h"
#include "lint/readers/readers.h"
#include "lint/source/blanks.h"

namespace flense::lint {
namespace {

/// Without the quotes around it, and without a comment behind it.
std::string_view plain_value(std::string_view text) {
  text = trim_space(text);
  const char quote = text.empty() ? '\0' : text.front();
  if (quote == '"' || quote == '\'') return text.substr(1, text.find(quote, 1) - 1);
  return trim_space(text.substr(0, text.find(" #")));
}

}  // namespace

FileContent read_variables(const SourceText& source) {
  constexpr std::size_t kMostLines = 10'000;
  FileContent out;
  for (std::size_t number = 1; number <= source.line_count() && number <= kMostLines; ++number) {
    std::string_view line = trim_space(source.line(number));
    if (line.empty() || line.starts_with('#')) continue;
    if (line.starts_with("export ")) line = trim_space(line.substr(7));
    const std::size_t equals = line.find('=');
    const std::string_view name = equals == line.npos ? "" : trim_space(line.substr(0, equals));
    out.variables.push_back({std::string(name), std::string(plain_value(line.substr(equals + 1))),
                             source.line_span(number)});
  }
  return out;
}

}  // namespace flense::lint

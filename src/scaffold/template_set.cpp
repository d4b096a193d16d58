#include "scaffold/template_set.h"

#include <algorithm>
#include <array>
#include <optional>

#include "base/format.h"
#include "knowledge/spelling.h"
#include "text/json.h"

namespace flense::scaffold {

namespace {

using text::Json;

std::optional<Stack> stack_of(std::string_view word) {
  constexpr std::array<std::pair<std::string_view, Stack>, 5> kWords = {
      {{"torch", Stack::kTorch},
       {"rocm", Stack::kRocm},
       {"jax", Stack::kJax},
       {"conda", Stack::kConda},
       {"toolkit", Stack::kToolkit}}};
  for (const auto& [name, stack] : kWords)
    if (name == word) return stack;
  return std::nullopt;
}

}  // namespace

Result<std::vector<Template>> templates() {
  TRY(const Json json, text::parse_json(embedded_text("templates.json"), "templates.json"));
  std::vector<Template> out;
  for (const Json& row : json["templates"].items()) {
    Template one;
    one.name = row["name"].text();
    one.summary = row["summary"].text();
    one.vendor = row["vendor"].text();
    one.build_on = row["build_on"].text();
    const std::optional<Stack> stack = stack_of(row["stack"].text());
    if (one.name.empty() || !stack)
      return fail(Code::kInternal, "templates.json has a row without a name or of no known stack");
    one.stack = *stack;
    for (const auto& [path, source] : row["files"].members())
      one.files.push_back({path, std::string(source.text())});
    out.push_back(std::move(one));
  }
  return out;
}

Result<std::string> template_text(std::string_view path) {
  constexpr std::string_view kBegin = "@@include ", kEnd = "@@\n";
  std::string_view text = embedded_text(path);
  if (text.empty()) return fail(Code::kInternal, "template file {} is missing", path);
  std::string out;
  while (!text.empty()) {
    const std::string_view line = text.substr(0, text.find('\n') + 1);
    if (line.empty()) return out.append(text);
    text.remove_prefix(line.size());
    if (!line.starts_with(kBegin) || !line.ends_with(kEnd)) {
      out += line;
      continue;
    }
    const std::string_view part =
        line.substr(kBegin.size(), line.size() - kBegin.size() - kEnd.size());
    const std::string_view included = embedded_text(part);
    if (included.empty())
      return fail(Code::kInternal, "template file {} includes {}, which is missing", path, part);
    out += included;
  }
  return out;
}

Result<Template> find_template(std::string_view name) {
  TRY(const std::vector<Template> all, templates());
  std::vector<std::string> names;
  for (const Template& one : all) {
    if (one.name == name) return one;
    names.push_back(one.name);
  }
  const std::vector<std::string> near = knowledge::near_matches(name, names, 2);
  return fail(Code::kUsage, "there is no template '{}'", name)
      .hint(near.empty() ? "flense init --list shows them"
                         : fmt::format("did you mean {}?", fmt::join(near, " or ")));
}

}  // namespace flense::scaffold

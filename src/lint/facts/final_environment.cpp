#include "lint/facts/final_environment.h"

#include <algorithm>
#include <array>

#include "base/ascii.h"
#include "lint/source/blanks.h"

namespace flense::lint {

std::vector<EnvironmentLine> environment_lines(const FileView& view, const StageSteps& steps,
                                               std::string_view name) {
  std::vector<EnvironmentLine> out;
  for (const Step& step : steps.all()) {
    if (step.instruction->keyword != Keyword::kEnv) continue;
    for (const KeyValue& pair : step.instruction->pairs) {
      if (pair.key.text != name || !pair.value) continue;
      EnvironmentLine made{step.instruction, &pair, view.text(pair.value->span), std::nullopt};
      const std::string& text = pair.value->text;
      made.value = text.find('$') == std::string::npos
                       ? std::optional(text)
                       : expand(text, environment_of(*step.instruction));
      out.push_back(std::move(made));
    }
  }
  return out;
}

Span part_span(const EnvironmentLine& line, std::string_view part) {
  const std::size_t at = line.raw.find(part);
  if (part.empty() || at == line.raw.npos) return {};
  const std::size_t begin = line.pair->value->span.begin + at;
  return {begin, begin + part.size()};
}

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> out;
  while (out.size() < 1'000) {
    const std::size_t end = text.find(separator);
    out.push_back(text.substr(0, end));
    if (end == text.npos) break;
    text.remove_prefix(end + 1);
  }
  return out;
}
bool is_for_jetson(const FileView& view) {
  const GpuImage& image = view.stages.back().image;
  if (image.platform == "jetson") return true;
  if (image.vendor.known()) return false;
  const std::string_view text = view.file->source.text();
  // Paths of both processors are of an image for either.
  const std::size_t last = view.stages.size() - 1;
  return has_part(text, " \t\r\n/._-:=\"'${}()[],;@|&<>", {"l4t", "jetson", "tegra"}) ||
         (commands_mention(view, last, "aarch64-linux-gnu") &&
          !commands_mention(view, last, "x86_64-linux-gnu"));
}
bool is_compat(std::string_view path) {
  while (path.ends_with('/')) path.remove_suffix(1);
  return path.ends_with("/compat") || path.ends_with("/compat/lib") ||
         path.ends_with("/compat/lib.real");
}

bool is_stubs(std::string_view path) {
  while (path.ends_with('/')) path.remove_suffix(1);
  return file_name(path) == "stubs" && path.find('/') != path.npos;
}

bool holds_driver(std::string_view path) {
  while (path.ends_with('/')) path.remove_suffix(1);
  return is_one_of(path, {"/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/usr/lib64",
                          "/usr/local/nvidia/lib64", "/.singularity.d/libs"});
}

}  // namespace flense::lint

#include "lint/launches/batch_directives.h"

#include <algorithm>

#include "lint/readers/readers.h"
#include "lint/shell/shell.h"
#include "lint/source/blanks.h"

namespace flense::lint {

std::vector<BatchDirective> batch_directives(const SourceText& source) {
  constexpr std::size_t kMost = 1000;
  std::vector<BatchDirective> out;
  for (std::size_t number = 1; number <= source.line_count() && out.size() < kMost; ++number) {
    const std::string_view line = source.line(number);
    if (trim_space(line).empty() || (line.starts_with('#') && !line.starts_with(kBatchMark)))
      continue;
    if (!line.starts_with(kBatchMark)) break;
    const Span span = source.line_span(number);
    const ShellText read = split_shell(source.text(), {span.begin + kBatchMark.size(), span.end});
    for (const ShellCommand& command : read.commands)
      for (std::size_t at = 0; at < command.words.size(); ++at) {
        const ShellWord& word = command.words[at];
        if (!word.text.starts_with('-')) continue;
        const std::size_t equal = word.text.find('=');
        if (equal != std::string::npos)
          out.push_back({word.text.substr(0, equal), {word.text.substr(equal + 1), word.span}});
        else if (at + 1 < command.words.size() && !command.words[at + 1].text.starts_with('-'))
          out.push_back({word.text, {command.words[at + 1].text, command.words[at + 1].span}});
        else
          out.push_back({word.text, {{}, word.span}});
      }
  }
  return out;
}

bool is_batch_template(const Project& project, const ProjectFile& file) {
  const std::string& path = file.source.project_path();
  if (!file.template_language.empty() || has_part(path, "/._-", {"template", "templates", "tmpl"}))
    return true;
  const std::string_view name = file_name(path);
  return std::ranges::any_of(project.files, [&](const auto& other) {
    const std::string_view text = other->source.text();
    if (other.get() == &file || !text.contains(name)) return false;
    if (text.contains("envsubst") || text.contains("sed ")) return true;
    return std::ranges::any_of(parts_of(text, "\n"), [&](std::string_view line) {
      return line.contains(name) && (line.contains("eval ") || line.contains("perl ") ||
                                     line.contains("cat ") || line.contains("awk "));
    });
  });
}

bool batch_option_given(const Project& project, const ProjectFile& file, std::string_view option) {
  const std::string_view name = file_name(file.source.project_path());
  return std::ranges::any_of(project.files, [&](const auto& other) {
    const std::string_view text = other->source.text();
    if (other.get() == &file || !is_script(other->kind) || !text.contains("sbatch") ||
        !text.contains(name))
      return false;
    const auto gives = [&](const ShellCommand& command) {
      const auto has = [&](auto&& is) { return std::ranges::any_of(command.words, is); };
      return program_of(command).name == "sbatch" &&
             has([&](const ShellWord& word) { return file_name(word.text) == name; }) &&
             has([&](const ShellWord& word) {
               return word.text == option || word.text.starts_with(std::string(option) + "=") ||
                      (!option.starts_with("--") && word.text.starts_with(option));
             });
    };
    return std::ranges::any_of(scripts_of(*other), [&](const std::vector<ShellCommand>& commands) {
      return std::ranges::any_of(commands, gives);
    });
  });
}

}  // namespace flense::lint

#include "lint/project/apptainer.h"

#include <algorithm>
#include <array>

#include "base/format.h"
#include "lint/source/blanks.h"

namespace flense::lint {
namespace {

constexpr std::size_t kMostStages = 1000, kMostSections = 10'000, kMostFiles = 100'000;
constexpr std::size_t kMostDefinitionProblems = 100, kLongestHeaderValue = 4096;

constexpr std::array<std::string_view, 9> kShellSections = {
    "pre",         "setup", "post",       "environment", "runscript",
    "startscript", "test",  "appinstall", "apprun"};
constexpr std::array<std::string_view, 18> kSections = {
    "pre",         "setup",  "files",     "post",   "environment", "runscript",
    "startscript", "test",   "labels",    "help",   "arguments",   "appinstall",
    "apphelp",     "apprun", "applabels", "appenv", "apptest",     "appfiles"};
constexpr std::array<std::string_view, 16> kBootstraps = {
    "library",    "docker",     "docker-archive", "docker-daemon", "shub",
    "oras",       "localimage", "debootstrap",    "yum",           "dnf",
    "zypper",     "arch",       "busybox",        "scratch",       "oci",
    "oci-archive"};

template <class Table>
bool holds(const Table& table, std::string_view name) {
  return std::ranges::find(table, name) != table.end();
}

class DefinitionReader {
 public:
  DefinitionReader(const SourceText& source, std::vector<ParseProblem>& problems)
      : source_(source), problems_(problems) {}

  ApptainerDefinition read() {
    for (std::size_t number = 1; number <= source_.line_count(); ++number) line(number);
    end_section(source_.text().size());
    if (!headless_.empty()) refuse(headless_, "the header has no Bootstrap");
    if (out_.stages.empty()) refuse({0, 0}, "the file has no header: Bootstrap and From");
    return std::move(out_);
  }

 private:
  void refuse(Span span, std::string why) {
    if (problems_.size() < kMostDefinitionProblems) problems_.push_back({span, std::move(why)});
  }

  Word word(std::string_view text) const {
    const auto begin = static_cast<std::size_t>(text.data() - source_.text().data());
    return {std::string(text), {begin, begin + text.size()}};
  }

  void line(std::size_t number) {
    std::string_view text = source_.line(number);
    if (number == 1 && text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);
    const Span span = source_.line_span(number);
    if (text.starts_with('%')) return begin_section(text, span);
    const std::string_view content = trim_space(text);
    const std::size_t colon = content.find(':');
    const std::string key = to_lower(trim_space(content.substr(0, colon)));
    const bool header = colon != content.npos && key == "bootstrap" && !text.starts_with(' ') &&
                        !text.starts_with('\t');
    if (header) end_section(span.begin);
    if (in_section_) {
      if (section().name == "files" || section().name == "appfiles") add_file(content);
      return;
    }
    if (content.empty() || content.front() == '#') return;
    if (colon == content.npos) {
      refuse(word(content).span, "a header line has the form Key: value");
      return;
    }
    // A Bootstrap behind the other keys belongs to them.
    if (header && !headless_.empty() && out_.stages.back().sections.empty() &&
        out_.stages.back().bootstrap.empty()) {
      refuse(headless_, "Bootstrap must come first");
      headless_ = {};
    } else if (header) {
      if (out_.stages.size() >= kMostStages) return;
      out_.stages.emplace_back().span = span;
    }
    if (out_.stages.empty()) {
      headless_ = word(content).span;
      out_.stages.emplace_back().span = span;
    }
    // A header ends at a comment.
    const std::string_view value = content.substr(colon + 1);
    set(key, word(trim_space(content.substr(0, colon))),
        word(trim_space(value.substr(0, value.find('#')))), span);
  }

  void set(const std::string& key, Word name, Word value, Span span) {
    ApptainerStage& stage = out_.stages.back();
    stage.span.end = span.end;
    if (key == "bootstrap") {
      stage.bootstrap = to_lower(value.text);
      if (!holds(kBootstraps, stage.bootstrap))
        refuse(value.span, fmt::format("{} is not a bootstrap agent", value.text));
    } else if (key == "stage") {
      stage.name = value.text;
    } else if (key == "from") {
      stage.from = value;
      const bool registry = stage.bootstrap == "docker" || stage.bootstrap == "docker-daemon" ||
                            stage.bootstrap == "oras";
      if (registry && !value.text.contains("{{")) stage.image = parse_image_name(value.text);
      if (registry && !stage.image && !value.text.contains("{{"))
        refuse(value.span, fmt::format("{} is not an image name", value.text));
    }
    stage.headers.emplace_back(std::move(name), std::move(value));
  }

  ApptainerSection& section() { return out_.stages.back().sections.back(); }

  void begin_section(std::string_view text, Span span) {
    end_section(span.begin);
    std::string_view rest = text.substr(1);
    std::size_t end = 0;
    while (end < rest.size() && !is_blank(rest[end])) ++end;
    const std::string name = to_lower(rest.substr(0, end));
    rest = trim_space(rest.substr(end));
    if (!holds(kSections, name))
      refuse({span.begin, span.begin + 1 + name.size()}, fmt::format("%{} is not a section", name));
    if (out_.stages.empty()) {
      refuse(span, "a header with Bootstrap must come before the sections");
      out_.stages.emplace_back().span = span;
    }
    if (out_.stages.back().sections.size() >= kMostSections) return;
    ApptainerSection section;
    section.name = name;
    section.header = {std::string(text), span};
    section.body = {std::min(span.end + 1, source_.text().size()), 0};
    if (name == "files" && rest.starts_with("from "))
      section.from_stage = trim_space(rest.substr(5));
    if (!section.from_stage.empty() && !known_stage(section.from_stage))
      refuse(span, fmt::format("there is no stage {} above", section.from_stage));
    out_.stages.back().sections.push_back(std::move(section));
    in_section_ = true;
  }

  bool known_stage(std::string_view name) const {
    for (const ApptainerStage& stage : out_.stages)
      if (stage.name == name && &stage != &out_.stages.back()) return true;
    return false;
  }

  void end_section(std::size_t at) {
    if (!in_section_) return;
    in_section_ = false;
    ApptainerStage& stage = out_.stages.back();
    ApptainerSection& done = stage.sections.back();
    done.body.end = std::max(at, done.body.begin);
    stage.span.end = std::max(stage.span.end, at);
    if (!holds(kShellSections, done.name) && done.name != "appenv") return;
    done.commands = split_shell(source_.text(), done.body);
    if (done.name == "environment") set_environment(stage, done.commands);
  }

  static void set_environment(ApptainerStage& stage, const ShellText& text) {
    const auto assign = [&](const std::string& name, std::string_view value, unsigned depth) {
      auto known = depth == 0 ? expand(value, stage.environment) : std::nullopt;
      if (known && known->size() > kLongestHeaderValue) known = std::nullopt;
      stage.environment[name] = std::move(known);
    };
    for (const ShellCommand& command : text.commands) {
      if (command.words.empty())
        for (const ShellAssignment& one : command.assignments)
          assign(one.name, one.value.text, command.depth);
      if (command.words.empty() || command.words.front().text != "export") continue;
      for (std::size_t at = 1; at < command.words.size(); ++at) {
        const std::string& word = command.words[at].text;
        if (const std::size_t equals = word.find('='); equals != word.npos)
          assign(word.substr(0, equals), std::string_view(word).substr(equals + 1), command.depth);
      }
    }
  }

  void add_file(std::string_view content) {
    if (content.empty() || content.front() == '#' || section().files.size() >= kMostFiles) return;
    const ShellText read =
        split_shell(source_.text(), word(content).span, ShellDialect{'\0', false});
    for (const ShellCommand& command : read.commands) {
      if (command.words.empty()) continue;
      ApptainerFile file;
      file.source = {command.words[0].text, command.words[0].span};
      if (command.words.size() > 1) file.target = {command.words[1].text, command.words[1].span};
      section().files.push_back(std::move(file));
    }
  }

  const SourceText& source_;
  std::vector<ParseProblem>& problems_;
  ApptainerDefinition out_;
  bool in_section_ = false;
  Span headless_;  ///< the first key of a header without Bootstrap
};

}  // namespace

std::vector<const ApptainerSection*> ApptainerDefinition::sections(std::string_view name) const {
  std::vector<const ApptainerSection*> out;
  if (stages.empty()) return out;
  for (const ApptainerSection& section : stages.back().sections)
    if (section.name == name) out.push_back(&section);
  return out;
}

ApptainerDefinition parse_apptainer(const SourceText& source, std::vector<ParseProblem>& problems) {
  return DefinitionReader(source, problems).read();
}

}  // namespace flense::lint

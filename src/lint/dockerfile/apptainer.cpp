#include "lint/dockerfile/apptainer.h"

#include <algorithm>
#include <array>
#include <set>

#include "base/format.h"
#include "lint/source/blanks.h"

namespace flense::lint {
namespace {

constexpr std::size_t kMostDefinitionBytes = 16U << 20;
constexpr std::size_t kMostStages = 1000, kMostSections = 10'000, kMostDefinitionSteps = 100'000;
constexpr std::size_t kMostDefinitionProblems = 100, kLongestDefinitionValue = 4096,
                      kLongestArgumentName = 200;
/// In bytes: the tables of variables that instructions keep, and what variables make of words.
constexpr std::size_t kMostDefinitionCopied = 64U << 20, kMostDefinitionExpanded = 64U << 20;

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

bool is_name(std::string_view text) {
  return !text.empty() &&
         std::ranges::all_of(text, [](char c) { return is_alphanumeric(c) || c == '_'; }) &&
         !is_digit(text.front());
}

struct DefinitionSection {
  std::string name;       ///< "post", "files"
  std::string_view rest;  ///< of its first line
  Span header, body;
};

struct DefinitionHeader {
  std::string bootstrap, registry, space;
  Word stage, from;
  Span from_key, span;
};

class DefinitionReader {
 public:
  explicit DefinitionReader(const SourceText& source)
      : source_(source), masked_(source.text().substr(0, kMostDefinitionBytes)) {
    out_.source = &source;
  }

  Dockerfile read() {
    if (source_.text().size() > kMostDefinitionBytes)
      refuse({kMostDefinitionBytes, kMostDefinitionBytes}, "the file has more than 16 MiB");
    for (std::size_t number = 1; number <= source_.line_count(); ++number) {
      if (source_.line_span(number).end > masked_.size()) break;
      line(number);
    }
    end_stage(masked_.size());
    if (!headless_.empty()) refuse(headless_, "the header has no Bootstrap");
    if (out_.stages.empty()) refuse({0, 0}, "the file has no header: Bootstrap and From");
    return std::move(out_);
  }

 private:
  void refuse(Span span, std::string why) {
    if (out_.problems.size() < kMostDefinitionProblems)
      out_.problems.push_back({span, std::move(why)});
  }

  Span span_of(std::string_view text) const {
    const auto begin = static_cast<std::size_t>(text.data() - source_.text().data());
    return {begin, begin + text.size()};
  }
  Word word(std::string_view text) const { return {std::string(text), span_of(text)}; }

  void line(std::size_t number) {
    std::string_view text = source_.line(number);
    if (number == 1 && text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);
    const Span span = source_.line_span(number);
    const std::string_view content = trim_space(text);
    if (content.starts_with('%') &&
        (text.starts_with('%') || holds(kSections, section_of(content))))
      return begin_section(content, span);
    const std::size_t colon = content.find(':');
    const std::string key = to_lower(trim_space(content.substr(0, colon)));
    const bool begins = colon != content.npos && key == "bootstrap" && !is_blank_at(text);
    if (!begins && !sections_.empty()) return;
    if (content.empty() || content.front() == '#') return;
    if (colon == content.npos) {
      refuse(span_of(content), "a header line has the form Key: value");
      return;
    }
    // A Bootstrap behind the other keys belongs to them.
    if (begins && !headless_.empty() && sections_.empty()) {
      refuse(headless_, "Bootstrap must come first");
      headless_ = {};
    } else if (begins) {
      end_stage(span.begin);
      begin_stage(span);
    } else if (!open_) {
      headless_ = span_of(content);
      begin_stage(span);
    }
    // A header ends at a comment.
    const std::string_view value = content.substr(colon + 1);
    set(key, span_of(trim_space(content.substr(0, colon))),
        word(trim_space(value.substr(0, value.find('#')))), span);
  }

  static bool is_blank_at(std::string_view text) { return !text.empty() && is_blank(text.front()); }

  static std::string section_of(std::string_view content) {
    std::size_t end = 1;
    while (end < content.size() && !is_blank(content[end])) ++end;
    return to_lower(content.substr(1, end - 1));
  }

  void set(const std::string& key, Span name, Word value, Span line) {
    header_.span.end = line.end;
    if (key == "bootstrap") {
      header_.bootstrap = to_lower(value.text);
      if (!holds(kBootstraps, header_.bootstrap))
        refuse(value.span, fmt::format("{} is not a bootstrap agent", value.text));
    } else if (key == "stage") {
      header_.stage = std::move(value);
    } else if (key == "registry") {
      header_.registry = value.text;
    } else if (key == "namespace") {
      header_.space = value.text;
    } else if (key == "from") {
      header_.from = std::move(value);
      header_.from_key = name;
    }
  }

  void begin_stage(Span line) {
    open_ = true;
    header_ = {};
    header_.span = line;
  }

  void begin_section(std::string_view content, Span span) {
    DefinitionSection section;
    section.name = section_of(content);
    section.rest = trim_space(content.substr(1 + section.name.size()));
    section.header = span;
    section.body = {std::min(span.end + 1, masked_.size()), masked_.size()};
    if (!holds(kSections, section.name))
      refuse(span_of(content.substr(0, 1 + section.name.size())),
             fmt::format("%{} is not a section", section.name));
    if (!open_) {
      refuse(span, "a header with Bootstrap must come before the sections");
      begin_stage(span);
    }
    if (!sections_.empty()) sections_.back().body.end = span.begin;
    if (++section_count_ <= kMostSections) sections_.push_back(std::move(section));
  }

  void end_stage(std::size_t at) {
    if (!open_) return;
    open_ = false;
    if (!sections_.empty()) sections_.back().body.end = std::max(at, sections_.back().body.begin);
    if (out_.stages.size() < kMostStages) {
      Stage& stage = out_.stages.emplace_back();
      stage.span = {header_.span.begin, at};
      build(stage);
    }
    sections_.clear();
  }

  /// In the order in which apptainer does it.
  void build(Stage& stage) {
    values_ = {};
    mask(stage.span);
    each("arguments", [&](const DefinitionSection& section) { arguments(section); });
    base(stage);
    if (!header_.stage.text.empty()) {
      stage.name = to_lower(header_.stage.text);
      out_.stage_names[stage.name] = out_.stages.size() - 1;
    }
    std::ranges::move(arguments_, std::back_inserter(stage.instructions));
    arguments_.clear();
    keep_values();
    for (const std::string_view name : {"files", "appfiles"})
      each(name, [&](const DefinitionSection& section) { files(section, stage); });
    for (const std::string_view name : {"post", "appinstall"})
      each(name, [&](const DefinitionSection& section) { script(section, Keyword::kRun, stage); });
    each("environment", [&](const DefinitionSection& section) { environment(section, stage); });
    const bool runs =
        std::ranges::find(sections_, "runscript", &DefinitionSection::name) != sections_.end();
    each(runs ? "runscript" : "startscript",
         [&](const DefinitionSection& section) { script(section, Keyword::kEntrypoint, stage); });
  }

  template <class Visit>
  void each(std::string_view name, const Visit& visit) {
    for (const DefinitionSection& section : sections_)
      if (section.name == name) visit(section);
  }

  /// {{ NAME }} is replaced by ${NAME:- } of the same length, so that places stay what they are.
  void mask(Span span) {
    const auto next = [&](std::size_t from) {
      return std::string_view(masked_).substr(0, span.end).find("{{", from);
    };
    for (std::size_t at = next(span.begin); at != masked_.npos; at = next(at + 2)) {
      const std::string_view inside =
          std::string_view(masked_).substr(at + 2, kLongestArgumentName);
      const std::size_t end = at + 2 + std::min(inside.find("}}"), inside.size());
      const std::string name(trim_space(inside.substr(0, end - at - 2)));
      if (!is_name(name) || end + 2 > span.end || masked_[end] != '}') continue;
      const std::size_t rest = end + 2 - at - 4 - name.size();  // beside "${", "-" and "}"
      masked_.replace(at, end + 2 - at,
                      "${" + name + (rest > 0 ? ":-" + std::string(rest - 1, ' ') : "-") + "}");
      values_[name] = std::nullopt;
      at = end;
    }
  }

  std::string_view masked(Span span) const {
    return std::string_view(masked_).substr(span.begin, span.end - span.begin);
  }

  /// The lines of a section that say something.
  template <class Visit>
  void each_line(const DefinitionSection& section, const Visit& visit) const {
    std::string_view rest = source_.slice(section.body);
    while (!rest.empty()) {
      const std::size_t end = std::min(rest.find('\n'), rest.size());
      const std::string_view line = trim_space(rest.substr(0, end));
      rest.remove_prefix(std::min(end + 1, rest.size()));
      if (!line.empty() && line.front() != '#') visit(line);
    }
  }

  bool has_room() { return ++instruction_count_ <= kMostDefinitionSteps; }

  /// Behind a change of them: what the instructions from here on know. Beyond a limit nothing is
  /// known.
  void keep_values() {
    constexpr std::size_t kNode = 120;
    if (copied_ > kMostDefinitionCopied) return;
    for (const auto& [name, value] : values_)
      copied_ += kNode + name.size() + (value ? value->size() : 0);
    known_ = std::make_shared<const Environment>(copied_ <= kMostDefinitionCopied ? values_
                                                                                  : Environment());
  }

  Instruction instruction(Keyword keyword, Span name, Span span, Span arguments) const {
    Instruction out;
    out.keyword = keyword;
    out.keyword_span = name;
    out.span = span;
    out.arguments = arguments;
    out.environment = known_;
    return out;
  }

  void arguments(const DefinitionSection& section) {
    each_line(section, [&](std::string_view line) {
      const std::size_t equals = line.find('=');
      const std::string_view name = trim_space(line.substr(0, equals));
      if (equals == line.npos || !is_name(name) || !has_room()) return;
      Word value = word(trim_space(line.substr(equals + 1)));
      if (value.text.size() <= kLongestDefinitionValue) values_[std::string(name)] = value.text;
      const Span all = span_of(line);
      Instruction made = instruction(Keyword::kArg, span_of(name), all, all);
      made.pairs.push_back({word(name), std::move(value)});
      arguments_.push_back(std::move(made));
    });
  }

  void base(Stage& stage) {
    const Word& from = header_.from;
    const Span name = from.span.empty() ? Span{header_.span.begin, header_.span.begin} : from.span;
    stage.base = {from.text, name};
    known_ = nullptr;
    Instruction made = instruction(Keyword::kFrom, name, header_.span, name);
    made.words.push_back(stage.base);
    stage.instructions.push_back(std::move(made));
    const std::string& agent = header_.bootstrap;
    // Of Sylabs' library the distributions are known.
    if (from.text.empty() && is_one_of(agent, {"docker", "library", "oras", "localimage"}))
      refuse(header_.span, "the header has no From");
    if (from.text.empty() || (agent != "docker" && (agent != "library" || from.text.contains('/'))))
      return;
    auto known = expand(masked(from.span), values_);
    if (!known) return;
    for (const std::string* above : {&header_.space, &header_.registry})
      if (!above->empty() && agent == "docker") known = *above + "/" + *known;
    stage.image = parse_image_name(*known);
    if (stage.image)
      stage.base_resolved = std::move(*known);
    else if (!from.text.contains("{{"))
      refuse(from.span, fmt::format("{} is not an image name", *known));
  }

  void files(const DefinitionSection& section, Stage& stage) {
    std::string from;
    if (section.rest.starts_with("from "))
      from = trim_space(section.rest.substr(5, section.rest.find('#') - 5));
    const auto source = from.empty() ? std::nullopt : out_.stage_named(from);
    if (!from.empty() && (!source || *source + 1 == out_.stages.size()))
      refuse(section.header, fmt::format("there is no stage {} above", from));
    each_line(section, [&](std::string_view line) {
      const ShellText read = split_shell(masked_, span_of(line), ShellDialect{'\0', false});
      for (const ShellCommand& command : read.commands) {
        if (command.words.empty() || !has_room()) continue;
        Instruction made =
            instruction(Keyword::kCopy, command.words[0].span, span_of(line), span_of(line));
        // Without a target it is the source.
        for (std::size_t at : {std::size_t{0}, std::min<std::size_t>(command.words.size() - 1, 1)})
          made.words.push_back({command.words[at].text, command.words[at].span});
        if (!from.empty()) made.flags.push_back({"from", from, true, section.header});
        stage.instructions.push_back(std::move(made));
      }
    });
  }

  /// "/bin/bash" of `%post -c /bin/bash`, and of the line "#!" of what starts.
  std::string shell_of(const DefinitionSection& section, Keyword keyword) const {
    std::string_view rest = section.rest.substr(0, section.rest.find('#'));
    if (rest.starts_with("-c ")) {
      rest = trim_space(rest.substr(3));
      while (rest.starts_with('"') || rest.starts_with('\'')) rest.remove_prefix(1);
      return std::string(rest.substr(0, rest.find_first_of(" \t\"'")));
    }
    std::string_view text = source_.slice(section.body);
    if (keyword == Keyword::kRun || !text.starts_with("#!")) return "/bin/sh";
    text = trim_space(text.substr(2, text.find('\n') - 2));
    if (const std::size_t env = text.find("env "); env != text.npos)
      text = trim_space(text.substr(env + 4));
    return std::string(text.substr(0, text.find_first_of(" \t")));
  }

  void script(const DefinitionSection& section, Keyword keyword, Stage& stage) {
    if (!has_room()) return;
    Instruction made = instruction(keyword, section.header,
                                   {section.header.begin, section.body.end}, section.body);
    made.interpreter = shell_of(section, keyword);
    // `sh -ex`, but what -c names gets no option.
    made.ends_at_failure = keyword == Keyword::kRun && !section.rest.starts_with("-c ");
    if (is_shell(made.interpreter)) made.commands = split_shell(masked_, section.body).commands;
    made.step_commands = step_commands_of(made.commands, *known_, expanded_);
    stage.instructions.push_back(std::move(made));
  }

  void environment(const DefinitionSection& section, Stage& stage) {
    const std::vector<ShellCommand> commands = split_shell(masked_, section.body).commands;
    // Without an export only what has one already gets to the program.
    std::set<std::string, std::less<>> exported{"PATH", "LD_LIBRARY_PATH", "PYTHONPATH"};
    for (const ShellCommand& command : commands)
      if (!command.words.empty() && command.words.front().text == "export")
        for (const ShellWord& word : command.words) exported.insert(word.text);
    std::string_view before;  // the operator between the last command and this one
    for (const ShellCommand& command : commands) {
      const bool sure = command.depth == 0 && before != "&&" && before != "||";
      before = command.joined_by;
      Instruction made = instruction(Keyword::kEnv, command.span, command.span, command.span);
      const auto assign = [&](std::string_view name, std::string_view value, Span key, Span place) {
        auto known = sure ? expand(value, values_) : std::nullopt;
        if (known && known->size() > kLongestDefinitionValue) known = std::nullopt;
        stage.environment.insert_or_assign(std::string(name), known);
        values_.insert_or_assign(std::string(name), std::move(known));
        made.pairs.push_back({{std::string(name), key}, Word{std::string(value), place}});
      };
      if (command.words.empty())
        for (const ShellAssignment& one : command.assignments) {
          if (!exported.contains(one.name)) continue;
          const std::size_t begin =
              one.value.span.begin - std::min(one.value.span.begin, one.name.size() + 1);
          assign(one.name, one.value.text, {begin, begin + one.name.size()}, one.value.span);
        }
      else if (command.words.front().text == "export")
        for (const ShellWord& one : command.words) {
          const std::size_t equals = one.text.find('=');
          if (equals == one.text.npos) continue;
          // "A=b" in quotes as a whole has no place for either.
          Span key = one.span, place = one.span;
          if (masked(one.span).starts_with(one.text.substr(0, equals + 1))) {
            key.end = one.span.begin + equals;
            place.begin = key.end + 1;
          }
          assign(one.text.substr(0, equals), std::string_view(one.text).substr(equals + 1), key,
                 place);
        }
      if (made.pairs.empty() || !has_room()) continue;
      keep_values();
      // What a branch sets is not known to hold.
      if (sure) stage.instructions.push_back(std::move(made));
    }
  }

  const SourceText& source_;
  std::string masked_;
  Dockerfile out_;
  DefinitionHeader header_;
  std::vector<DefinitionSection> sections_;  ///< of the stage that is open
  bool open_ = false;
  Span headless_;  ///< the first key of a header without Bootstrap
  Environment values_;
  std::shared_ptr<const Environment> known_;
  std::vector<Instruction> arguments_;
  std::size_t section_count_ = 0, instruction_count_ = 0, copied_ = 0,
              expanded_ = kMostDefinitionExpanded;
};

}  // namespace

Dockerfile parse_apptainer(const SourceText& source) {
  return DefinitionReader(source).read();
}

}  // namespace flense::lint

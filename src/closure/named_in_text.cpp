#include "closure/named_in_text.h"

#include <algorithm>
#include <array>

#include "base/path.h"
#include "closure/places.h"
#include "inventory/describe/start.h"
#include "inventory/scan/packages.h"

namespace flense::closure {

namespace {

/// What builds software: many sources name these, and whether somebody runs them at run time is
/// decided by what is installed (build_needs.h).
bool is_build_tool(std::string_view program) {
  static constexpr auto kTools = std::to_array<std::string_view>(
      {"cc",    "c++",  "cpp",   "gcc",      "g++",     "clang",    "clang++", "ld",      "as",
       "ar",    "nm",   "strip", "objcopy",  "objdump", "ranlib",   "make",    "cmake",   "ninja",
       "meson", "nvcc", "hipcc", "gfortran", "f77",     "f95",      "rustc",   "cargo",   "go",
       "git",   "hg",   "svn",   "bzr",      "gdb",     "valgrind", "apt",     "apt-get", "dpkg",
       "rpm",   "yum",  "dnf",   "apk",      "conda",   "mamba",    "docker",  "man",     "vim",
       "vi",    "nano", "emacs", "less",     "more",    "pip",      "pip3"});
  return std::ranges::find(kTools, program) != kTools.end();
}

}  // namespace

ReachWords::ReachWords(const ReachContext& context, ReachMarks& marks, ReachLibraries& libraries,
                       ReachPython& python)
    : context_(context), marks_(marks), libraries_(libraries), python_(python) {
  for (const auto& [name, value] : inventory::environment(context.image)) variables_.insert(name);
}

void ReachWords::follow_command(const StartCommand& command) {
  const std::string why = fmt::format("named by {}", command.name);
  const auto& words = command.words;
  if (command.shell_text) {
    runs_shell_ = true;
    marks_.keep_path("bin/sh", Follow::kRun, why);
    for (const std::string& word : words) follow_shell_text(word, why);
    return;
  }
  for (std::size_t i = 0; i < words.size(); ++i) {
    const std::string& word = words[i];
    if (i == 0 || word.find_first_of(" \t\n;") == std::string::npos) {
      follow_word(word, context_.working_directory, true, why);
      continue;
    }
    // sh -c 'text', python -c 'text'
    follow_shell_text(word, why);
    scan_python(word, [&](std::string_view name, PythonMention how, std::uint32_t) {
      if (how == PythonMention::kImport || how == PythonMention::kCall)
        python_.demand_module(name, true, Wanted::kByImage, why);
    });
  }
}

void ReachWords::follow_shell_text(std::string_view text, const std::string& why) {
  const ShellUnclear unclear =
      scan_shell(text, variables_, [&](std::string_view word, std::uint32_t) {
        follow_word(word, context_.working_directory, true, why);
      });
  if (!unclear.what.empty())
    unclear_.push_back(fmt::format("what {} runs by {}", why.substr(9), unclear.what));
}

/// A word may name a program, a file, a module of Python, a library, or nothing.
bool ReachWords::is_program_name(std::string_view word, bool runs) const {
  if (is_build_tool(word)) return false;
  if (runs) return true;
  const auto is_word = [&](const std::vector<std::string>& list) {
    return std::ranges::find(list, word) != list.end();
  };
  return !is_word(context_.opened.shell_tools) && !is_word(context_.opened.shell_words);
}

bool ReachWords::is_idle_program(std::string_view word) const {
  const std::string path = start_program(context_, std::string(word));
  const auto id = context_.tree.find(path);
  return id && context_.is_of_idle(*id);
}

void ReachWords::follow_word(std::string_view word, std::string_view from, bool runs,
                             const std::string& why, Wanted wanted) {
  constexpr Follow follow = Follow::kRun;
  for (std::size_t at = 0; at != std::string_view::npos && at < word.size();) {
    // "--config=/etc/app.conf", "main:app"
    const std::size_t end = std::min(word.find_first_of("=:", at), word.size());
    const std::string_view piece = word.substr(at, end - at);
    at = end + 1;
    if (piece.empty()) continue;
    if (piece.starts_with('/')) {
      const std::string found = existing_beginning(context_.tree.merged(), piece);
      const bool whole = context_.survey.exists(piece.substr(1));
      marks_.keep_named(whole ? piece : std::string_view(found), follow, why);
      continue;
    }
    const std::string relative = resolve_link_text(from, piece);
    if (runs && !relative.empty() && context_.survey.exists(relative))
      marks_.keep_path(relative, follow, why);
    if (piece.find('/') != std::string_view::npos) continue;
    if (is_program_name(piece, runs) && (wanted == Wanted::kByImage || !is_idle_program(piece)))
      marks_.keep_program(piece, follow, why);
    python_.demand_module(piece, false, wanted, why);
    python_.demand_distribution(piece, {}, wanted, why);
    if (piece.find(".so") != std::string_view::npos)
      libraries_.keep_library({std::string(from) + "/x", {}, {}, {}, {}}, std::string(piece), why);
  }
}

bool ReachWords::belongs_to_a_distribution(PathId id) const {
  return std::ranges::any_of(context_.units.owners(id), [&](UnitId unit) {
    const std::string& type = context_.units.at(unit).type;
    return type == "deb" || type == "apk";
  });
}

/// Scripts of Python and other languages that came along: in a directory of data, or as a command
/// of a package whose library or other command is what is used. Nobody is seen to run them, and
/// their interpreters are large.
bool ReachWords::is_idle(PathId id, const std::string& line, Follow follow) const {
  const std::string_view path = context_.tree.path(id);
  const std::string_view folder = base_name(parent_path(path));
  return is_software_place(path) &&
         script_language(script_program(inventory::parse_interpreter(line))) !=
             ScriptLanguage::kShell &&
         (follow == Follow::kData ||
          (follow == Follow::kPart && (folder == "bin" || folder == "sbin")));
}

void ReachWords::follow_script(PathId id, Follow follow) {
  const auto& content = context_.tree.at(id).found.content;
  const std::string* line = context_.script_line(id);
  const std::string user = marks_.name(id);
  ScriptLanguage language = ScriptLanguage::kNone;
  if (line != nullptr && !is_idle(id, *line, follow)) {
    const inventory::Interpreter interpreter = inventory::parse_interpreter(*line);
    const std::string why = fmt::format("runs {}", user);
    if (!interpreter.path.empty()) marks_.keep_path(interpreter.path, Follow::kUse, why);
    if (interpreter.program.find('/') != std::string::npos)
      marks_.keep_path(interpreter.program, Follow::kUse, why);
    else if (!interpreter.program.empty())
      marks_.keep_program(interpreter.program, Follow::kUse, why);
    const std::string_view program = script_program(interpreter);
    language = script_language(program);
    const knowledge::LanguageRow* row = context_.opened.language(program);
    if (row != nullptr)
      for (const std::string& pattern : row->keeps)
        marks_.keep_matching(pattern, Follow::kData,
                             fmt::format("libraries of {} ({})", program, row->source));
    if (follow == Follow::kRun && language == ScriptLanguage::kOther && row == nullptr)
      unclear_.push_back(fmt::format("{}: nothing is known of the language of {}", user, program));
  }
  if (follow < Follow::kRun) return;
  const auto words = context_.facts.shell.find(inventory::key_of(*content));
  if (words == context_.facts.shell.end()) return;
  runs_shell_ = true;
  const std::string from(parent_path(context_.tree.path(id)));
  for (const ReachMention& mention : words->second.mentions)
    follow_word(mention.name, from, true, fmt::format("named by {} line {}", user, mention.line));
  const ShellUnclear& unclear = words->second.unclear;
  if (unclear.what.empty()) return;
  const std::string where = fmt::format("{} line {}: {}", user, unclear.line, unclear.what);
  // Scripts of a distribution's package come with what they need.
  (belongs_to_a_distribution(id) ? notices_ : unclear_).push_back(where);
}

void ReachWords::follow_source(PathId id, const ReachText& text) {
  const std::string user = marks_.name(id);
  const Wanted wanted = python_.wanted_by(id);
  const std::string from(parent_path(context_.tree.path(id)));
  for (const ReachMention& mention : text.mentions) {
    if (mention.how == PythonMention::kImport || mention.how == PythonMention::kCall) {
      python_.demand_module(mention.name, true, wanted,
                            fmt::format("imported by {} line {}", user, mention.line));
      continue;
    }
    const std::string why = fmt::format("named by {} line {}", user, mention.line);
    python_.demand_plugins(mention.name, wanted, why);
    follow_word(mention.name, from, mention.how != PythonMention::kText, why, wanted);
  }
}

}  // namespace flense::closure

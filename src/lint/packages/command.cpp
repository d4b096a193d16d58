// Which command lines request packages, and which. Each package manager has its verbs and the
// options that take a value; any other command yields nothing.

#include <algorithm>
#include <array>
#include <optional>

#include "lint/packages/command_options.h"
#include "lint/packages/marker.h"
#include "lint/packages/packages.h"
#include "lint/packages/requirement_text.h"
#include "lint/packages/system.h"
#include "lint/shell/command_words.h"
#include "lint/shell/variables.h"
#include "lint/source/blanks.h"

namespace flense::lint {

namespace {

using Names = std::span<const std::string_view>;

constexpr std::size_t kMaxLists = 10'000;
constexpr unsigned kMaxNestedFiles = 4;

/// "pip3.11" is pip; "python3.12" is python.
bool is_versioned(std::string_view name, std::string_view program) {
  if (!name.starts_with(program)) return false;
  return name.find_first_not_of("0123456789.", program.size()) == std::string_view::npos;
}

bool is_trial(const Option& option) {
  return option.name == "--dry-run";
}

class CommandReader {
 public:
  CommandReader(const SourceText& source, std::vector<PackageList>& out)
      : source_(source), out_(out) {}

  void read_all(const std::vector<ShellCommand>& commands, const Environment& environment);

 private:
  using Arguments = std::span<const Argument>;

  void read(const ShellCommand& command, const Environment& environment);
  void dispatch(std::string_view program, Arguments arguments, const Environment& environment,
                Span span, unsigned nesting);
  void pip(std::string_view program, Arguments arguments, const Environment& environment, Span span,
           PackageManager manager);
  void uv(Arguments arguments, const Environment& environment, Span span, unsigned nesting);
  void conda(std::string_view program, Arguments arguments, const Environment& environment,
             Span span, unsigned nesting);
  void poetry(Arguments arguments, Span span);
  void python_options(const Options& options, PackageList& list);
  void python_package(const Argument& word, PackageList& list);
  void add_request(std::optional<PackageRequest> request, const Argument& word, PackageList& list);
  PackageList started(PackageManager manager, std::string_view program, std::string_view verb,
                      Span span) const;
  static void keep_options(const Options& options, PackageList& list);

  const SourceText& source_;
  std::vector<PackageList>& out_;
};

void CommandReader::read_all(const std::vector<ShellCommand>& commands,
                             const Environment& environment) {
  ShellVariables variables(environment);
  for (const ShellCommand& command : commands) {
    if (out_.size() >= kMaxLists) return;
    if (!command.words.empty() && !command.assignments.empty()) {
      Environment own = variables.values();
      for (const ShellAssignment& set : command.assignments)
        own[set.name] = set.value.dynamic ? expand(set.value.text, variables.values())
                                          : std::optional(set.value.text);
      read(command, own);
    } else {
      read(command, variables.values());
    }
    variables.take(command);
  }
}

void CommandReader::read(const ShellCommand& command, const Environment& environment) {
  std::size_t budget = 1U << 20;
  const StepCommand step = step_command_of(command, environment, budget);
  if (step.program.empty()) return;
  dispatch(step.program, step.arguments, environment, command.span, 0);
}

void CommandReader::dispatch(std::string_view program, Arguments arguments,
                             const Environment& environment, Span span, unsigned nesting) {
  if (nesting > kMaxNestedFiles) return;
  if (is_versioned(program, "pip")) {
    pip("pip", arguments, environment, span, PackageManager::kPip);
  } else if (is_versioned(program, "python") || is_versioned(program, "pypy") ||
             program.starts_with('$')) {
    // ${PYTHON} -m pip
    for (std::size_t at = 0; at + 1 < arguments.size() && arguments[at].text.starts_with('-');
         ++at) {
      if (arguments[at].text != "-m") continue;
      if (is_one_of(arguments[at + 1].text, {"pip", "uv"}))
        dispatch(arguments[at + 1].text, arguments.subspan(at + 2), environment, span, nesting + 1);
      return;
    }
  } else if (program == "uv") {
    uv(arguments, environment, span, nesting);
  } else if (is_one_of(program, {"conda", "mamba", "micromamba"})) {
    conda(program, arguments, environment, span, nesting);
  } else if (program == "poetry") {
    poetry(arguments, span);
  } else if (auto list = read_system_command(program, arguments)) {
    list->path = source_.path();
    list->span = span;
    for (PackageRequest& request : list->packages) request.path = source_.path();
    out_.push_back(std::move(*list));
  }
}

PackageList CommandReader::started(PackageManager manager, std::string_view program,
                                   std::string_view verb, Span span) const {
  PackageList list;
  list.manager = manager;
  list.path = source_.path();
  list.span = span;
  list.program = program;
  list.verb = verb;
  return list;
}

void CommandReader::keep_options(const Options& options, PackageList& list) {
  for (const Option& option : options.options)
    list.options.push_back(option.has_value ? option.name + "=" + option.value : option.name);
}

void CommandReader::add_request(std::optional<PackageRequest> request, const Argument& word,
                                PackageList& list) {
  if (!request) list.unread.push_back({word.text, word.span});
  if (!request || !is_for_linux(request->marker)) return;
  request->manager = list.manager;
  request->path = source_.path();
  request->span = word.span;
  list.packages.push_back(std::move(*request));
}

/// A requirement, a wheel's address, a repository or a project's folder.
void CommandReader::python_package(const Argument& word, PackageList& list) {
  const std::string_view text = word.text;
  if (text.ends_with(".txt") && !text.contains("://")) {  // a list without -r is no request
    list.unread.push_back({word.text, word.span});
    return;
  }
  const bool direct = text.find("://") != std::string_view::npos || text.ends_with(".whl") ||
                      text.ends_with(".tar.gz");
  if (!direct && (text.starts_with('.') || text.starts_with('/') || text.starts_with("~/"))) {
    const std::size_t bracket = text.find('[');
    std::string folder(text.substr(0, bracket));
    if (bracket != text.npos)
      if (const auto asked = parse_requirement("x" + std::string(text.substr(bracket))))
        list.extras.insert(list.extras.end(), asked->extras.begin(), asked->extras.end());
    while (folder.size() > 1 && folder.ends_with('/')) folder.pop_back();
    list.requirement_files.push_back({folder + "/pyproject.toml", word.span});
    return;
  }
  if (!direct || text.find('@') < text.find("://")) {
    add_request(parse_requirement(text), word, list);
    return;
  }
  std::string_view file = text.substr(0, text.find_first_of("#?"));
  while (file.ends_with('/')) file.remove_suffix(1);
  file.remove_prefix(file.rfind('/') + 1);
  PackageRequest request;
  request.url = text;
  if (file.ends_with(".whl")) {
    const std::size_t dash = std::min(file.find('-'), file.size());
    request.name = normalised_name(file.substr(0, dash));
    const std::string_view rest = file.substr(std::min(dash + 1, file.size()));
    request.version = rest.substr(0, rest.find('-'));
    // %2B is how an address writes '+'.
    for (const std::string_view plus : {"%2B", "%2b"})
      if (const std::size_t at = request.version.find(plus); at != std::string::npos)
        request.version.replace(at, 3, "+");
  } else {
    file = file.substr(0, file.find('@'));
    if (file.ends_with(".git")) file.remove_suffix(4);
    request.name = normalised_name(file);
  }
  if (!request.name.empty()) add_request(std::move(request), word, list);
}

void CommandReader::python_options(const Options& options, PackageList& list) {
  for (const Option& option : options.options) {
    if (!option.has_value) continue;
    if (is_one_of(option.name, {"-i", "--index-url", "--extra-index-url", "-f", "--find-links",
                                "--default-index", "--index"})) {
      // uv's --index may carry a name: pytorch=https://…
      const std::size_t scheme = option.value.find("://");
      const std::size_t equal = option.value.find('=');
      const bool named = option.name.ends_with("index") && equal < scheme;
      list.add_index(option.name,
                     {named ? option.value.substr(equal + 1) : option.value, option.value_span});
    } else if (is_one_of(option.name, {"-r", "--requirement", "--requirements"})) {
      list.requirement_files.push_back({option.value, option.value_span});
    } else if (is_one_of(option.name, {"-e", "--editable"})) {
      // A name is that of a folder.
      const bool folder = option.value.find_first_of("./~$") != 0 && !option.value.contains(':');
      python_package({folder ? "./" + option.value : option.value, option.value_span}, list);
    }
  }
}

void CommandReader::pip(std::string_view program, Arguments arguments,
                        const Environment& environment, Span span, PackageManager manager) {
  const Options options = read_options(arguments, Names(kPipValues));
  if (options.positional.empty()) return;
  const std::string& verb = options.positional.front().text;
  if (!is_one_of(verb, {"install", "download", "wheel", "sync", "add", "compile"})) return;
  if (std::ranges::any_of(options.options, is_trial)) return;
  PackageList list = started(manager, program, verb, span);
  list.installs = is_one_of(verb, {"install", "sync", "add"});
  keep_options(options, list);
  python_options(options, list);
  for (std::size_t at = 1; at < options.positional.size(); ++at) {
    const Argument& word = options.positional[at];
    if (verb == "sync" || verb == "compile")
      list.requirement_files.push_back({word.text, word.span});
    else
      python_package(word, list);
  }
  const auto variables =
      manager == PackageManager::kUv
          ? std::to_array<std::string_view>({"UV_INDEX_URL", "UV_DEFAULT_INDEX", "UV_INDEX",
                                             "UV_EXTRA_INDEX_URL", "UV_FIND_LINKS"})
          : std::to_array<std::string_view>(
                {"PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "PIP_FIND_LINKS", "", ""});
  for (const std::string_view name : variables)
    if (const auto at = environment.find(name); !name.empty() && at != environment.end())
      list.indexes.push_back({at->second.value_or("$" + std::string(name)), span});
  if (const auto at = environment.find("UV_TORCH_BACKEND");
      manager == PackageManager::kUv && at != environment.end() && at->second)
    list.options.push_back("--torch-backend=" + *at->second);
  out_.push_back(std::move(list));
}

void CommandReader::uv(Arguments arguments, const Environment& environment, Span span,
                       unsigned nesting) {
  std::size_t at = 0;
  while (at < arguments.size() && arguments[at].text.starts_with('-')) ++at;
  if (at == arguments.size()) return;
  const std::string& verb = arguments[at].text;
  const Arguments rest = arguments.subspan(at + 1);
  if (verb == "pip") {
    pip("uv", rest, environment, span, PackageManager::kUv);
  } else if (verb == "tool" && !rest.empty() && rest.front().text == "install") {
    pip("uv", rest, environment, span, PackageManager::kUv);
  } else if (verb == "add") {
    pip("uv", arguments.subspan(at), environment, span, PackageManager::kUv);
  } else if (verb == "sync" || verb == "export") {
    const Options options = read_options(rest, Names(kPipValues));
    PackageList list = started(PackageManager::kUv, "uv", verb, span);
    list.installs = verb == "sync";
    keep_options(options, list);
    python_options(options, list);
    list.requirement_files.push_back({"pyproject.toml", arguments[at].span});
    out_.push_back(std::move(list));
  } else if (verb == "run") {
    const Options options = read_options(rest, Names(kPipValues));
    if (options.positional.empty()) return;
    std::size_t program = 0;
    while (program < rest.size() && rest[program].text != options.positional.front().text)
      ++program;
    if (program < rest.size())
      dispatch(rest[program].text, rest.subspan(program + 1), environment, span, nesting + 1);
  }
}

void CommandReader::conda(std::string_view program, Arguments arguments,
                          const Environment& environment, Span span, unsigned nesting) {
  std::size_t at = 0;
  while (at < arguments.size() && arguments[at].text.starts_with('-'))
    at += is_one_of(arguments[at].text, {"-r", "--root-prefix", "--rc-file"}) ? 2U : 1U;
  if (at >= arguments.size()) return;
  std::string verb = arguments[at].text;
  Arguments rest = arguments.subspan(at + 1);
  if (verb == "run") {
    // conda run -n NAME COMMAND …
    std::size_t first = 0;
    while (first < rest.size() && rest[first].text.starts_with('-'))
      first += is_one_of(rest[first].text, {"-n", "--name", "-p", "--prefix", "--cwd", "-r",
                                            "--root-prefix", "-e", "--env"})
                   ? 2U
                   : 1U;
    if (first < rest.size())
      dispatch(rest[first].text, rest.subspan(first + 1), environment, span, nesting + 1);
    return;
  }
  const bool file_verb = verb == "env";
  if (file_verb) {
    if (rest.empty() || !is_one_of(rest.front().text, {"create", "update"})) return;
    verb += " " + rest.front().text;
    rest = rest.subspan(1);
  } else if (!is_one_of(verb, {"install", "create", "update"})) {
    return;
  }
  // For conda install, -f is --force; for micromamba and conda env it names a file.
  const bool short_file = file_verb || program == "micromamba" || program == "mamba";
  const Options options =
      read_options(rest, short_file ? Names(kCondaFileValues) : Names(kCondaValues));
  if (std::ranges::any_of(options.options, is_trial)) return;
  PackageList list = started(PackageManager::kConda, program, verb, span);
  keep_options(options, list);
  for (const Option& option : options.options) {
    if (!option.has_value) continue;
    if (is_one_of(option.name, {"-c", "--channel"}))
      list.indexes.push_back({option.value, option.value_span});
    else if (is_one_of(option.name, {"-f", "--file"}))
      list.requirement_files.push_back({option.value, option.value_span});
  }
  if (file_verb && list.requirement_files.empty())
    list.requirement_files.push_back({"environment.yml", span});
  if (!file_verb)
    for (const Argument& word : options.positional)
      add_request(parse_conda_spec(word.text), word, list);
  out_.push_back(std::move(list));
}

void CommandReader::poetry(Arguments arguments, Span span) {
  const Options options = read_options(arguments, Names(kPoetryValues));
  if (options.positional.empty()) return;
  const std::string& verb = options.positional.front().text;
  if (!is_one_of(verb, {"add", "install", "sync"})) return;
  PackageList list = started(PackageManager::kPoetry, "poetry", verb, span);
  keep_options(options, list);
  if (verb != "add") {
    list.requirement_files.push_back({"pyproject.toml", options.positional.front().span});
  } else {
    for (std::size_t at = 1; at < options.positional.size(); ++at) {
      // torch@^2.6: poetry's own spelling; everything else is a requirement.
      Argument word = options.positional[at];
      const std::size_t sign = word.text.find('@');
      std::string specifier;
      if (sign != std::string::npos && word.text.find("://") == std::string::npos) {
        specifier = word.text.substr(sign + 1);
        word.text.resize(sign);
      }
      auto request = parse_requirement(word.text);
      if (request && !specifier.empty() && specifier != "latest") request->specifier = specifier;
      add_request(std::move(request), word, list);
    }
  }
  out_.push_back(std::move(list));
}

}  // namespace

std::vector<PackageList> package_commands(const SourceText& source,
                                          const std::vector<ShellCommand>& commands,
                                          const Environment& environment) {
  std::vector<PackageList> out;
  CommandReader(source, out).read_all(commands, environment);
  return out;
}

}  // namespace flense::lint

#include "closure/start.h"

#include <algorithm>
#include <array>

#include "base/path.h"
#include "closure/places.h"

namespace flense::closure {

namespace {

std::vector<std::string> words_of(const text::Json& list) {
  std::vector<std::string> out;
  for (const text::Json& item : list.items()) out.emplace_back(item.text());
  return out;
}

template <std::size_t N>
bool is_among(const std::array<std::string_view, N>& names, std::string_view name) {
  return std::ranges::find(names, name) != names.end();
}

/// Programs that start the one that follows.
constexpr auto kStartWrappers = std::to_array<std::string_view>(
    {"tini", "tini-static", "dumb-init", "docker-init", "catatonit", "env",  "gosu",    "su-exec",
     "nice", "nohup",       "setpriv",   "numactl",     "stdbuf",    "chrt", "taskset", "timeout",
     "exec", "setsid",      "ionice",    "chpst",       "runuser",   "time"});

bool is_python(std::string_view name) {
  return script_language(name) == ScriptLanguage::kPython;
}

}  // namespace

std::vector<StartCommand> start_commands(const image::Image& image) {
  const text::Json& container = image.config["config"];
  std::vector<StartCommand> out;
  std::vector<std::string> words = words_of(container["Entrypoint"]);
  const std::vector<std::string> command = words_of(container["Cmd"]);
  const bool entry = !words.empty();
  words.insert(words.end(), command.begin(), command.end());
  if (!words.empty())
    out.push_back({entry ? "the entry point" : "the command", std::move(words), false});
  std::vector<std::string> test = words_of(container["Healthcheck"]["Test"]);
  if (test.size() > 1 && (test[0] == "CMD" || test[0] == "CMD-SHELL")) {
    const bool shell = test[0] == "CMD-SHELL";
    test.erase(test.begin());
    out.push_back({"the health check", std::move(test), shell});
  }
  return out;
}

std::string start_program(const ReachContext& context, const std::string& word) {
  if (word.empty()) return {};
  if (word.find('/') != std::string::npos) {
    const std::string path = resolve_link_text(context.working_directory, word);
    return context.survey.exists(path) ? path : std::string();
  }
  for (const std::string& folder : context.program_path) {
    const std::string path = fmt::format("{}/{}", folder, word);
    if (context.survey.exists(path)) return path;
  }
  return {};
}

std::vector<std::string> effective_command(const ReachContext& context,
                                           const std::vector<std::string>& words) {
  std::size_t at = 0;
  // Of a wrapper come options and their values, a user, variables, then the program.
  while (at < words.size() && (start_program(context, words[at]).empty() ||
                               is_among(kStartWrappers, base_name(words[at]))))
    ++at;
  return {words.begin() + static_cast<std::ptrdiff_t>(at), words.end()};
}

std::string unpredictable(const std::vector<std::string>& words) {
  static constexpr auto kConsoles =
      std::to_array<std::string_view>({"fish", "tmux", "screen", "ipython", "ipython3", "jupyter",
                                       "jupyter-lab", "jupyter-notebook", "jupyter-server",
                                       "jupyterhub-singleuser", "code-server", "sshd", "dropbear"});
  static constexpr auto kReaders = std::to_array<std::string_view>(
      {"node", "nodejs", "irb", "R", "julia", "lua", "ghci", "php", "perl"});
  static constexpr auto kWaiters = std::to_array<std::string_view>({"sleep", "tail", "pause"});
  if (words.empty()) return {};
  const std::string_view program = base_name(words.front());
  const auto no_argument = [&] {
    return std::ranges::all_of(words.begin() + 1, words.end(), [](const std::string& word) {
      return word.starts_with('-') && word != "-c" && word != "-m" && word != "-e";
    });
  };
  if (is_among(kConsoles, program)) return fmt::format("{} runs what people type", program);
  if (is_among(kWaiters, program))
    return fmt::format("{} only waits for somebody to come in and start things", program);
  const bool reads = is_among(kReaders, program) || is_python(program) ||
                     script_language(program) == ScriptLanguage::kShell;
  if (reads && no_argument())
    return fmt::format("{} without a script runs what people type", program);
  return {};
}

}  // namespace flense::closure

#include "lint/facts/build_steps.h"

#include <algorithm>
#include <array>
#include <functional>
#include <map>

#include "base/ascii.h"
#include "base/format.h"
#include "lint/shell/reached.h"
#include "lint/source/blanks.h"

namespace flense::lint {

namespace {

/// Commands of one instruction that may set a variable.
constexpr std::size_t kMostStepCommands = 1'000;
/// Of a path or a user's name: every step keeps its own.
constexpr std::size_t kLongest = 4'096;

}  // namespace

std::string absolute_path(std::string_view directory, std::string_view path,
                          std::string_view home) {
  if (path.empty() || path.find('$') != path.npos) return {};
  if (path == "~" || path.starts_with("~/")) {
    if (home.empty()) return {};
    return normal_path(std::string(home) + std::string(path.substr(1)));
  }
  if (path.starts_with('/')) return normal_path(path);
  if (directory.empty()) return {};
  return path_below(directory, path);
}

std::string with_values(std::string_view text, const Environment& environment) {
  if (text.find('$') == text.npos) return std::string(text);
  return expand(text, environment).value_or(std::string());
}

const Environment& environment_of(const Instruction& instruction) {
  static const Environment kNone;
  return instruction.environment ? *instruction.environment : kNone;
}

namespace {

/// Homes that useradd and its kin were given, by the names of their users; empty: not known.
using Homes = std::map<std::string, std::string, std::less<>>;

std::string home_of(std::string_view user, const Environment& environment, const Homes& homes) {
  if (const auto at = environment.find("HOME"); at != environment.end())
    return at->second.value_or(std::string());
  if (const auto at = homes.find(user); at != homes.end()) return at->second;
  if (is_root(user)) return "/root";
  if (user.empty() || all_digits(user)) return {};
  return "/home/" + std::string(user);
}

/// Short options of useradd and its kin that have a value.
constexpr std::string_view kUseraddValued = "bcdefgGkKpPRsuZ";

/// useradd -o -u 1000: a user before it has that number, and may have given HOME.
bool shares_number(const StepCommand& command) {
  return std::ranges::any_of(command.arguments, [](const Argument& word) {
    const std::string_view text = word.text;
    if (text.starts_with("--") || !text.starts_with('-')) return text == "--non-unique";
    return text.substr(0, text.find_first_of(kUseraddValued)).contains('o');
  });
}

/// The words of useradd and its kin that name a user: what stands behind an option with a value,
/// such as the group of -g, is none.
std::vector<std::string_view> users_of(const StepCommand& command) {
  constexpr auto kLong = std::to_array<std::string_view>(
      {"--home-dir",     "--home",    "--base-dir", "--gid",     "--groups",   "--uid",
       "--shell",        "--comment", "--gecos",    "--ingroup", "--password", "--expiredate",
       "--inactive",     "--skel",    "--key",      "--login",   "--root",     "--prefix",
       "--selinux-user", "--conf",    "--firstuid", "--lastuid"});
  const bool busybox = command.program == "adduser", changes = command.program == "usermod";
  std::vector<std::string_view> out;
  bool value = false;
  for (const Argument& word : command.arguments) {
    const std::string_view text = word.text;
    if (text.starts_with('-')) {
      const bool is_short = !text.starts_with("--") && text.size() > 1;
      const char last = text.empty() ? ' ' : text.back();
      value = is_short ? kUseraddValued.contains(last) || (busybox && last == 'h') ||
                             (changes && last == 'l')
                       : is_one_of(text, kLong);
      continue;
    }
    // USER may name the number of -u.
    if ((!value || std::ranges::all_of(text, is_digit)) && !text.contains('/')) out.push_back(text);
    value = false;
  }
  return out;
}

/// useradd -md DIR NAME, adduser --home DIR NAME.
void take_home(const StepCommand& command, Homes& homes) {
  if (!is_one_of(command.program, {"useradd", "adduser", "usermod"})) return;
  constexpr std::size_t kMostHomes = 100;
  const std::vector<Argument>& words = command.arguments;
  const bool busybox = command.program == "adduser";
  std::string home;
  bool given = false;
  for (std::size_t at = 0; at < words.size(); ++at) {
    const std::string& text = words[at].text;
    const bool alone =
        is_one_of(text, {"--home-dir", "--home", "--base-dir"}) ||
        (text.starts_with('-') && !text.starts_with("--") &&
         (text.ends_with('d') || text.ends_with('b') || (busybox && text.ends_with('h'))));
    const bool joined = starts_with_any(text, {"--home-dir=", "--home=", "--base-dir="});
    if ((!alone && !joined) || (alone && at + 1 == words.size())) continue;
    given = true;
    const bool base = text.starts_with("--base-dir") || (alone && text.ends_with('b'));
    const std::string value = joined ? text.substr(text.find('=') + 1) : words[at + 1].text;
    home =
        base || !value.starts_with('/') || value.contains('$') ? std::string() : normal_path(value);
  }
  if (command.program != "adduser" && shares_number(command)) {
    given = true;
    home.clear();
  }
  if (!given || homes.size() >= kMostHomes || home.size() > kLongest) return;
  for (const std::string_view user : users_of(command)) homes[std::string(user)] = home;
}

}  // namespace

StageSteps::StageSteps(const FileView& view, std::size_t stage) {
  auto lineage = view.dockerfile->lineage(stage);
  std::ranges::reverse(lineage);
  const knowledge::RepositoryRow* base = view.stages[stage].image.row;
  std::string user = base == nullptr || base->user.empty() ? "root" : base->user, directory;
  bool is_placed = false;
  Homes homes;
  for (const std::size_t one : lineage) {
    stages_.emplace_back(view.dockerfile->stages[one].instructions);
    for (const Instruction& instruction : stages_.back()) {
      const Environment& environment = environment_of(instruction);
      steps_.push_back(
          {&instruction, user, home_of(user, environment, homes), directory, is_placed});
      if (instruction.keyword == Keyword::kRun)
        for (const StepCommand& command : commands_of(instruction)) take_home(command, homes);
      if (instruction.words.empty()) continue;
      if (instruction.keyword == Keyword::kUser) {
        user = with_values(instruction.words.front().text, environment);
        user.resize(std::min(user.find(':'), user.size()));
        if (user.size() > kLongest) user.clear();
      } else if (instruction.keyword == Keyword::kWorkdir) {
        const std::string path =
            with_values(instruction.words.size() == 1 ? std::string_view(instruction.words[0].text)
                                                      : view.text(instruction.arguments),
                        environment);
        is_placed = is_placed || path.empty() || normal_path(path) != ".";
        if (path.starts_with('/'))
          directory = normal_path(path);
        else
          directory =
              path.empty() || directory.empty() ? std::string() : path_below(directory, path);
        if (directory.size() > kLongest) directory.clear();
      }
    }
  }
}

const Step* StageSteps::find(const Instruction* instruction) const {
  std::size_t before = 0;
  for (const std::span<const Instruction> stage : stages_) {
    const auto inside = std::less_equal{}(stage.data(), instruction) &&
                        std::less{}(instruction, stage.data() + stage.size());
    if (inside) return &steps_[before + static_cast<std::size_t>(instruction - stage.data())];
    before += stage.size();
  }
  return nullptr;
}

bool is_reached(const Instruction& instruction, Span place) {
  const std::vector<ShellCommand>& commands = instruction.commands;
  // Of one command in thousands nobody asks.
  if (commands.size() > kMostStepCommands) return false;
  const std::vector<bool> reached = surely_reached(commands);
  bool out = true;
  // The last one that holds it is the innermost.
  for (std::size_t at = 0; at < commands.size(); ++at)
    if (commands[at].span.begin <= place.begin && place.begin < commands[at].span.end)
      out = reached[at];
  return out;
}

const ShellCommand* command_at(const Instruction& instruction, Span span) {
  const auto at = std::ranges::find(instruction.commands, span, &ShellCommand::span);
  return at == instruction.commands.end() ? nullptr : &*at;
}

bool VariableState::on() const {
  if (!set) return false;
  if (!value) return true;
  const std::string low = to_lower(*value);
  return !low.empty() && low != "0" && low != "false" && low != "no" && low != "off";
}

VariableState variable_at(const Instruction& instruction, const ShellCommand* command,
                          std::string_view name) {
  VariableState out;
  const Environment& environment = environment_of(instruction);
  if (const auto at = environment.find(name); at != environment.end()) out = {true, at->second};
  const auto assign = [&](std::string_view text, bool dynamic) {
    out.set = true;
    out.value = dynamic ? expand(text, environment) : std::optional(std::string(text));
  };
  std::size_t seen = 0;
  for (const ShellCommand& one : instruction.commands) {
    if (++seen > kMostStepCommands) break;
    const bool own = &one == command;
    if (own || one.words.empty())
      for (const ShellAssignment& set : one.assignments)
        if (set.name == name) assign(set.value.text, set.value.dynamic);
    const std::string_view first = one.words.empty() ? "" : std::string_view(one.words[0].text);
    // unset NAME, env -u NAME
    if ((first == "unset" || (own && first == "env")) &&
        std::ranges::find(one.words, name, &ShellWord::text) != one.words.end())
      out = {};
    if (own || first == "export")
      for (const ShellWord& word : one.words) {
        // After the program come arguments.
        if (own && first != "env" && first != "sudo") break;
        const std::string_view text = word.text;
        if (text.size() > name.size() && text.starts_with(name) && text[name.size()] == '=')
          assign(text.substr(name.size() + 1), word.dynamic);
      }
    if (own) break;
  }
  return out;
}

bool compares_sums(const std::vector<StepCommand>& commands) {
  bool makes = false, compares = false;
  for (const StepCommand& command : commands) {
    if (is_one_of(command.program, {"sha256sum", "sha512sum", "sha384sum", "sha224sum", "sha1sum",
                                    "md5sum", "b2sum", "shasum"})) {
      makes = true;
      if (std::ranges::any_of(command.arguments, [](const Argument& word) {
            return word.text == "--check" || (word.text.size() > 1 && word.text[0] == '-' &&
                                              word.text[1] != '-' && word.text.contains('c'));
          }))
        return true;
    }
    compares = compares || is_one_of(command.program, {"grep", "diff", "cmp", "case"}) ||
               (is_one_of(command.program, {"test", "[", "[["}) &&
                (command.has("=") || command.has("==") || command.has("!=")));
  }
  return makes && compares;
}

bool takes_files(const ShellCommand& command) {
  std::size_t files = 0;
  bool installs = false;
  for (const ShellWord& word : command.words) {
    const std::string_view text = word.text;
    if (ends_with_any(text, {".deb", ".rpm"}) && !text.contains("://"))
      ++files;
    else if (installs && !text.starts_with('-'))
      return false;
    installs = installs || is_one_of(text, {"install", "localinstall"});
  }
  return files > 0;
}

bool is_root(std::string_view user) {
  return user == "root" || user == "0";
}

std::vector<CacheMount> cache_mounts(const Instruction& instruction) {
  std::vector<CacheMount> out;
  for (const Flag* flag : instruction.flags_of("mount")) {
    CacheMount made;
    made.flag = flag;
    bool cache = false;
    std::string written;
    for (const auto& [key, value] : flag->pairs()) {
      if (key == "type") cache = value == "cache";
      if (key == "target" || key == "dst" || key == "destination") written = value;
      if (key == "uid" || key == "mode") made.states_access = true;
      if (key == "id") made.id = value;
    }
    if (!cache) continue;
    made.target = with_values(written, environment_of(instruction));
    while (made.target.size() > 1 && made.target.ends_with('/')) made.target.pop_back();
    made.id = made.id.empty() ? made.target : with_values(made.id, environment_of(instruction));
    out.push_back(std::move(made));
  }
  return out;
}

std::vector<std::string> mount_targets(const Instruction& instruction) {
  std::vector<std::string> out;
  for (const Flag* mount : instruction.flags_of("mount"))
    for (const auto& [key, value] : mount->pairs())
      if (key == "target" || key == "dst" || key == "destination") out.push_back(value);
  return out;
}

bool lies_in(std::string_view path, std::string_view directory) {
  if (directory.empty() || path.empty()) return false;
  if (directory == "/") return true;
  return path.starts_with(directory) &&
         (path.size() == directory.size() || path[directory.size()] == '/');
}

namespace {

/// sudo -u NAME …, sudo -Hu NAME …
bool is_of_other_user(const ShellCommand& command) {
  const std::size_t first = std::min(program_of(command).first, command.words.size());
  return std::ranges::any_of(command.words.begin(),
                             command.words.begin() + static_cast<std::ptrdiff_t>(first),
                             [](const ShellWord& word) {
                               return word.text.starts_with("--user") ||
                                      (word.text.starts_with('-') && !word.text.starts_with("--") &&
                                       word.text.contains('u'));
                             });
}

}  // namespace

std::string cache_directory(const Step& step, const ShellCommand* command,
                            const knowledge::ToolCacheRow& tool) {
  const auto from = [&](std::string_view name) {
    return variable_at(*step.instruction, command, name);
  };
  const std::string& directory = step.directory;
  // Whose home sudo leaves depends on the distribution.
  const bool other = command != nullptr && !command->words.empty() &&
                     command->words.front().text == "sudo" &&
                     (!is_root(step.user) || is_of_other_user(*command));
  const std::string home = other ? std::string() : step.home;
  if (command != nullptr)
    for (std::size_t at = 0; at < command->words.size(); ++at) {
      const std::string_view text = command->words[at].text;
      std::string_view named;
      if (text == "--cache-dir" && at + 1 < command->words.size())
        named = command->words[at + 1].text;
      if (text.starts_with("--cache-dir=")) named = text.substr(12);
      if (!named.empty())
        return absolute_path(directory, with_values(named, environment_of(*step.instruction)),
                             home);
    }
  if (const auto own = from(tool.variable); own.set && own.value.value_or("?") != "")
    return own.value ? absolute_path(directory, *own.value, home) : std::string();
  if (const auto xdg = from("XDG_CACHE_HOME"); xdg.set && xdg.value.value_or("?") != "")
    return xdg.value ? absolute_path(directory, *xdg.value + "/" + tool.xdg, home) : std::string();
  return home.empty() ? std::string() : normal_path(home + "/" + tool.home);
}

std::string clone_target(const StepCommand& command) {
  constexpr auto kValued = std::to_array<std::string_view>(
      {"-b", "--branch", "--depth", "-c", "--config", "-j", "--jobs", "-o", "--origin", "--filter",
       "--reference", "-C"});
  if (command.program != "git") return {};
  const std::vector<Argument> words = read_options(command.arguments, kValued).positional;
  const std::size_t url = !words.empty() && words[0].text == "lfs" ? 2 : 1;
  if (words.size() <= url || words[url - 1].text != "clone") return {};
  if (words.size() > url + 1) return words[url + 1].text;
  std::string folder(file_name(words[url].text));
  if (folder.ends_with(".git")) folder.resize(folder.size() - 4);
  return folder;
}

bool uninstalls(const FileView& view, std::size_t stage, const std::string& package) {
  for (const std::size_t one : view.dockerfile->lineage(stage))
    for (const Instruction& run : view.dockerfile->stages[one].instructions)
      for (const StepCommand& command : commands_of(run))
        if (command.has("uninstall") && command.has(package)) return true;
  return false;
}

}  // namespace flense::lint

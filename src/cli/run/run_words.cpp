#include "cli/run/run_words.h"

#include <algorithm>
#include <array>
#include <charconv>

#include "base/ascii.h"
#include "base/numbers.h"
#include "cli/shared/args.h"
#include "launch/container/numa.h"
#include "launch/container/run_options.h"

namespace flense::cli {

Result<double> parse_cpus(const std::string& text) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  constexpr double kMost = 100'000;
  if (error != std::errc() || end != text.data() + text.size() || !(value >= 0.01) || value > kMost)
    return fail(Code::kUsage, "--cpus {} is not a number of processors", text);
  return value;
}

Result<std::uint64_t> parse_memory(const std::string& word, std::string_view option) {
  return with_context(launch::parse_docker_size(word), "reading {}", option);
}

Result<std::uint64_t> parse_processes(const std::string& word, std::string_view option) {
  if (word == "-1" || word == "0") return std::uint64_t{0};
  const auto number = parse_number(word);
  if (!number)
    return usage_error(fmt::format("{} {} is not a number of processes", option, word),
                       "a number, or -1 for no limit");
  return *number;
}

Result<std::pair<std::string, std::string>> parse_pair(const std::string& word,
                                                       std::string_view option) {
  const std::size_t equals = word.find('=');
  if (equals == 0 || word.find('\0') != word.npos)
    return usage_error(fmt::format("{} {} has no name", option, word), "NAME=VALUE");
  return std::pair(word.substr(0, equals),
                   equals == word.npos ? std::string() : word.substr(equals + 1));
}

Result<std::string> parse_host_name(const std::string& word, std::string_view option) {
  constexpr std::size_t kMost = 64;
  const bool good = !word.empty() && word.size() <= kMost && word.front() != '-' &&
                    std::ranges::all_of(word, [](char c) {
                      return is_alphanumeric(c) || c == '-' || c == '.' || c == '_';
                    });
  if (!good)
    return usage_error(fmt::format("{} '{}' is not a host name", option, word),
                       "letters, digits, '-' and '.', at most 64; --help shows the options");
  return word;
}

Result<std::string> parse_absolute(const std::string& word, std::string_view option) {
  if (!word.starts_with('/'))
    return usage_error(
        fmt::format("{} {} is no absolute path", option, word),
        "-w DIR is the working directory in the container, as in docker; apptainer's "
        "-w is --writable");
  return word;
}

Result<std::string> parse_cpu_list(const std::string& word, std::string_view option) {
  const auto list = launch::parse_list(word);
  if (!list || list->empty())
    return usage_error(fmt::format("{} {} is not a list", option, word), "0-3,8");
  return launch::list_text(*list);
}

Result<Security> parse_security(const std::vector<std::string>& given) {
  static constexpr std::array<std::string_view, 7> kAccepted = {
      "no-new-privileges", "no-new-privileges:true", "no-new-privileges=true", "label=disable",
      "label:disable",     "apparmor=unconfined",    "apparmor:unconfined"};
  constexpr std::string_view kFilter = "seccomp";
  Security out;
  for (const std::string& value : given) {
    const bool of_filter = value.starts_with(kFilter) && value.size() > kFilter.size() + 1 &&
                           (value[kFilter.size()] == '=' || value[kFilter.size()] == ':');
    const std::string what = of_filter ? value.substr(kFilter.size() + 1) : std::string();
    if (what == "unconfined")
      out = {false, ""};
    else if (of_filter)
      out = {true, what};
    else if (std::ranges::find(kAccepted, value) == kAccepted.end())
      return usage_error(fmt::format("--security-opt {} is not known", value),
                         "seccomp=FILE or seccomp=unconfined; no-new-privileges always holds, and "
                         "labels and profiles stay those of your session");
  }
  return out;
}

Result<NotMounted> parse_not_mounted(const std::vector<std::string>& given) {
  NotMounted out;
  for (const std::string& word : given)
    for (const std::string_view name : split(word, ',')) {
      if (name == "home")
        out.home = true;
      else if (name == "cwd")
        out.directory = true;
      else if (name == "tmp")
        out.tmp = true;
      else if (!is_one_of(name, {"hostfs", "bind-paths"}))
        return usage_error(
            fmt::format("--no-mount {}: that is always mounted", name),
            "home, cwd and tmp can be left out; hostfs and bind-paths are not there");
    }
  return out;
}

}  // namespace flense::cli

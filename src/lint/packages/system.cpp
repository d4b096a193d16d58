#include "lint/packages/system.h"

#include <algorithm>
#include <array>

namespace flense::lint {

namespace {

struct SystemManager {
  std::string_view program;
  PackageManager manager;
  std::array<std::string_view, 3> verbs;
  std::array<std::string_view, 8> valued;
};

constexpr auto kManagers = std::to_array<SystemManager>({
    {"apt-get",
     PackageManager::kApt,
     {"install"},
     {"-t", "--target-release", "-o", "--option", "-c", "--config-file", "-a"}},
    {"apt",
     PackageManager::kApt,
     {"install"},
     {"-t", "--target-release", "-o", "--option", "-c", "--config-file", "-a"}},
    {"aptitude", PackageManager::kApt, {"install"}, {"-t", "--target-release", "-o"}},
    {"dnf",
     PackageManager::kDnf,
     {"install", "reinstall"},
     {"-c", "--enablerepo", "--disablerepo", "--repo", "--setopt", "-x", "--exclude"}},
    {"yum",
     PackageManager::kDnf,
     {"install", "reinstall"},
     {"-c", "--enablerepo", "--disablerepo", "--repo", "--setopt", "-x", "--exclude"}},
    {"microdnf", PackageManager::kDnf, {"install"}, {"--enablerepo", "--disablerepo", "--setopt"}},
    {"tdnf", PackageManager::kDnf, {"install"}, {"--enablerepo", "--disablerepo", "--setopt"}},
    {"apk",
     PackageManager::kApk,
     {"add"},
     {"-t", "--virtual", "-X", "--repository", "-p", "--root", "--arch", "--cache-dir"}},
});

/// Options with which nothing is installed: a trial, or a download alone.
bool leaves_out(PackageManager manager, std::string_view option) {
  constexpr auto kAlways = std::to_array<std::string_view>(
      {"--download-only", "--downloadonly", "--simulate", "--dry-run", "--just-print", "--recon",
       "--no-act", "--assumeno", "--print-uris"});
  if (std::ranges::find(kAlways, option) != kAlways.end()) return true;
  // dnf's -d is how much it says.
  return manager == PackageManager::kApt ? option == "-d" || option == "-s"
                                         : manager == PackageManager::kApk && option == "-s";
}

/// name=version, name:arch, name/release, name+ of apt; name~=version of apk.
void split_name(const std::string& text, PackageManager manager, PackageRequest& out) {
  if (manager == PackageManager::kDnf) {
    out.name = text;
    // "libcudnn8-8.9.7.29-1.cuda12.2": a version has a dot after its digits, a name like
    // "cuda-toolkit-12-4" does not.
    for (std::size_t at = text.find('-'); at != std::string::npos; at = text.find('-', at + 1)) {
      const std::size_t end = text.find_first_not_of("0123456789", at + 1);
      if (end == std::string::npos || end == at + 1 || text[end] != '.') continue;
      out.name = text.substr(0, at);
      out.version = text.substr(at + 1);
      out.specifier = "=" + out.version;
      break;
    }
    return;
  }
  const std::size_t mark = text.find_first_of(manager == PackageManager::kApk ? "=<>~" : "=/");
  out.name = text.substr(0, mark);
  if (mark != std::string::npos && text[mark] != '/') {
    out.specifier = text.substr(mark);
    if (text[mark] == '=') out.version = text.substr(mark + 1);
    if (out.version.find_first_of("*$") != std::string::npos) {
      const std::size_t star = out.version.find('*');
      const bool known = out.version.find('$') == std::string::npos;
      out.version = known ? out.version.substr(0, star) : std::string();
      while (out.version.ends_with('.')) out.version.pop_back();
    }
  }
  if (const std::size_t colon = out.name.find(':'); colon != std::string::npos)
    out.name.resize(colon);
}

}  // namespace

std::optional<PackageList> read_system_command(std::string_view program,
                                               std::span<const Argument> arguments) {
  const auto at = std::ranges::find(kManagers, program, &SystemManager::program);
  if (at == kManagers.end()) return std::nullopt;
  const Options options = read_options(arguments, at->valued);
  if (options.positional.empty()) return std::nullopt;
  // dnf module install NAME:STREAM/PROFILE
  const bool module = at->manager == PackageManager::kDnf && options.positional.size() > 1 &&
                      options.positional.front().text == "module";
  const std::string& verb = options.positional[module ? 1 : 0].text;
  if (std::ranges::find(at->verbs, std::string_view(verb)) == at->verbs.end() ||
      std::ranges::any_of(options.options,
                          [&](const Option& one) { return leaves_out(at->manager, one.name); }))
    return std::nullopt;
  PackageList list;
  list.manager = at->manager;
  list.program = program;
  list.verb = verb;
  for (const Option& option : options.options)
    list.options.push_back(option.has_value ? option.name + "=" + option.value : option.name);
  for (std::size_t word = module ? 2 : 1; word < options.positional.size(); ++word) {
    const Argument& argument = options.positional[word];
    PackageRequest request;
    request.manager = at->manager;
    request.span = argument.span;
    if (argument.text.ends_with(".deb") || argument.text.ends_with(".rpm")) {
      request.url = argument.text;
      request.name = argument.text.substr(argument.text.rfind('/') + 1);
    } else {
      split_name(
          module ? argument.text.substr(0, argument.text.find_first_of(":/")) : argument.text,
          at->manager, request);
    }
    if (!request.name.empty()) list.packages.push_back(std::move(request));
  }
  if (list.packages.empty()) return std::nullopt;
  return list;
}

}  // namespace flense::lint

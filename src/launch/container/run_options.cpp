#include "launch/container/run_options.h"

#include <algorithm>
#include <filesystem>

#include "base/ascii.h"
#include "base/numbers.h"

namespace flense::launch {

namespace {

constexpr std::size_t kMaxEnvLines = 10'000, kMaxContainerName = 128;

Failure usage(std::string message, std::string hint) {
  return fail(Code::kUsage, "{}", message).hint(std::move(hint));
}

/// A place in the container, without "." and "..".
Result<std::string> target_path(std::string_view text) {
  if (!text.starts_with('/'))
    return usage(fmt::format("'{}' is not an absolute path in the container", text),
                 "write -v SOURCE:/absolute/path");
  std::string path = std::filesystem::path(text).lexically_normal().string();
  while (path.size() > 1 && path.ends_with('/')) path.pop_back();
  if (path == "/") return usage("nothing can be mounted on /", "name a directory below it");
  return path;
}

Result<std::string> source_path(std::string_view text, std::string_view directory) {
  if (text.starts_with('/')) return std::string(text);
  if (text == "." || text == ".." || text.starts_with("./") || text.starts_with("../"))
    return (std::filesystem::path(directory) / text).lexically_normal().string();
  return usage(
      fmt::format("'{0}' is no path on the host: as a named volume flense has no '{0}'", text),
      fmt::format("bind a directory: an absolute path, or ./{}", text));
}

/// Options of a volume; those that change nothing here are accepted: labels are nobody's in a user
/// namespace, and what a container cannot mount it cannot share.
Result<void> volume_option(std::string_view word, MountRequest& out) {
  if (is_one_of(word, {"ro", "readonly"})) {
    out.read_only = true;
  } else if (is_one_of(word, {"slave", "rslave", "shared", "rshared"})) {
    out.flags.emplace_back("rslave");
  } else if (is_one_of(word, {"noexec", "nosuid", "nodev"})) {
    out.flags.emplace_back(word);
  } else if (!is_one_of(word, {"rw", "z", "Z", "rbind", "bind", "rprivate", "private", "cached",
                               "delegated", "consistent", "nocopy", "exec", "suid", "dev"})) {
    return usage(fmt::format("unknown mount option '{}'", word),
                 "ro, rw, rslave, noexec, nosuid, nodev");
  }
  return {};
}

Result<void> tmpfs_option(std::string_view word, MountRequest& out) {
  const std::size_t equals = word.find('=');
  const std::string_view key = word.substr(0, equals);
  const std::string_view value = equals == word.npos ? std::string_view() : word.substr(equals + 1);
  if (key == "size" || key == "tmpfs-size") {
    TRY(out.size, with_context(parse_docker_size(value), "reading {}", word));
  } else if (key == "mode" || key == "tmpfs-mode") {
    if (value.empty() || value.size() > 5 || value.find_first_not_of("01234567") != value.npos)
      return usage(fmt::format("'{}' is no mode of a directory", word), "mode=1777");
    out.flags.push_back(fmt::format("mode={}", value));
  } else if (is_one_of(word, {"ro", "readonly"})) {
    out.read_only = true;
  } else if (word == "noexec") {
    out.flags.emplace_back(word);
  } else if (!is_one_of(word, {"rw", "exec", "nosuid", "nodev", "suid", "dev", "notmpcopyup",
                               "rprivate", "private", "noatime", "atime", "strictatime"})) {
    return usage(fmt::format("unknown tmpfs option '{}'", word), "size=64m, mode=1777, ro, noexec");
  }
  return {};
}

bool is_true(std::string_view value) {
  return value.empty() || value == "1" || value == "true";
}

}  // namespace

Result<std::uint64_t> parse_docker_size(std::string_view word) {
  std::string text(word);
  if (!text.empty() && std::string_view("kmgtKMGT").find(text.back()) != std::string_view::npos)
    text = fmt::format("{}{}iB", word.substr(0, word.size() - 1), upper(text.back()));
  return parse_size(text);
}

Result<MountRequest> parse_volume(std::string_view text, std::string_view directory) {
  const std::vector<std::string_view> parts = split(text, ':');
  if (parts.size() > 3)
    return usage(fmt::format("'{}' has more than two colons", text), "SRC:DST[:ro]");
  MountRequest out;
  TRY(out.source, source_path(parts[0], directory));
  TRY(out.target, target_path(parts.size() > 1 ? parts[1] : std::string_view(out.source)));
  if (parts.size() > 2)
    for (const std::string_view word : split(parts[2], ',')) TRY_DO(volume_option(word, out));
  return out;
}

Result<std::vector<MountRequest>> parse_binds(std::string_view text, std::string_view directory) {
  std::vector<std::string> specs;
  for (const std::string_view part : split(text, ',')) {
    // "a:b:ro,noexec": a word of the one before.
    const bool option = !specs.empty() && part.find_first_of(":/.") == part.npos &&
                        std::ranges::count(specs.back(), ':') == 2;
    if (option)
      specs.back() += fmt::format(",{}", part);
    else
      specs.emplace_back(part);
  }
  std::vector<MountRequest> out;
  for (const std::string& spec : specs) {
    TRY(MountRequest one, parse_volume(spec, directory));
    out.push_back(std::move(one));
  }
  return out;
}

Result<MountRequest> parse_tmpfs(std::string_view text) {
  const std::size_t colon = text.find(':');
  MountRequest out;
  out.kind = MountRequest::Kind::kTmpfs;
  TRY(out.target, target_path(text.substr(0, colon)));
  if (colon != text.npos)
    for (const std::string_view word : split(text.substr(colon + 1), ','))
      TRY_DO(tmpfs_option(word, out));
  return out;
}

Result<std::vector<MountRequest>> parse_scratch(std::string_view text) {
  std::vector<MountRequest> out;
  for (const std::string_view part : split(text, ',')) {
    MountRequest one;
    one.kind = MountRequest::Kind::kTmpfs;
    TRY(one.target, target_path(part));
    out.push_back(std::move(one));
  }
  return out;
}

Result<MountRequest> parse_home(std::string_view text, std::string_view directory) {
  TRY(MountRequest out, parse_volume(text, directory));
  return out;
}

Result<void> check_sysctl(const RunOptions& options, std::string_view name) {
  const auto needs = [&](bool there, std::string_view option) -> Result<void> {
    if (there) return {};
    return usage(fmt::format("--sysctl {}: the container shares the host's", name),
                 fmt::format("{} gives it its own", option));
  };
  if (name.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.") !=
      name.npos)
    return usage(fmt::format("--sysctl {} names no setting", name), "net.ipv4.ip_forward=1");
  if (name.starts_with("net.")) return needs(!options.host_network, "--network none");
  if (name.starts_with("kernel.shm") || name.starts_with("kernel.msg") || name == "kernel.sem" ||
      name.starts_with("fs.mqueue."))
    return needs(options.own_ipc, "--ipc private");
  if (name == "kernel.domainname") return needs(options.own_hostname, "--uts private");
  return usage(fmt::format("--sysctl {}: the machine has but one", name),
               "net.* and those of System V memory and queues can be a container's own");
}

Result<MountRequest> parse_mount(std::string_view text, std::string_view directory) {
  MountRequest out;
  std::string_view type = "bind", source, target;
  for (const std::string_view part : split(text, ',')) {
    const std::size_t equals = part.find('=');
    const std::string_view key = part.substr(0, equals);
    const std::string_view value =
        equals == std::string_view::npos ? std::string_view() : part.substr(equals + 1);
    if (key == "type") {
      type = value;
    } else if (key == "source" || key == "src") {
      source = value;
    } else if (key == "target" || key == "dst" || key == "destination") {
      target = value;
    } else if (key == "readonly" || key == "ro") {
      out.read_only = is_true(value);
    } else if (is_one_of(key, {"tmpfs-size", "size", "tmpfs-mode"})) {
      TRY_DO(with_context(tmpfs_option(part, out), "reading --mount {}", text));
    } else if (key == "bind-propagation") {
      TRY_DO(volume_option(value, out));
    } else if (!is_one_of(key, {"consistency", "rw", "relabel"})) {
      return usage(fmt::format("--mount has no key '{}'", key),
                   "type=bind|tmpfs, src=, dst=, ro, size=");
    }
  }
  if (type == "volume")
    return usage(fmt::format("--mount type=volume: flense keeps no volume '{}'", source),
                 "type=bind,src=/directory,dst=… binds a directory");
  if (type != "bind" && type != "tmpfs")
    return usage(fmt::format("--mount type={} is not supported", type), "bind or tmpfs");
  if (target.empty())
    return usage(fmt::format("--mount {} has no dst=", text), "dst=/absolute/path");
  TRY(out.target, target_path(target));
  if (type == "tmpfs") {
    out.kind = MountRequest::Kind::kTmpfs;
    return out;
  }
  if (source.empty()) return usage(fmt::format("--mount {} has no src=", text), "src=/path");
  TRY(out.source, source_path(source, directory));
  return out;
}

Result<std::optional<std::string>> parse_variable(
    std::string_view text,
    const std::function<std::optional<std::string>(std::string_view)>& variable) {
  const std::size_t equals = text.find('=');
  const std::string_view name = text.substr(0, equals);
  if (name.empty() || name.find_first_of(std::string_view("\0\n", 2)) != std::string_view::npos)
    return usage(fmt::format("'{}' names no variable", text), "NAME=value, or NAME");
  if (text.find('\0') != std::string_view::npos)
    return usage(
        fmt::format("the value of {} contains a zero byte, which an environment cannot", name),
        "NAME=value, or NAME");
  if (equals != std::string_view::npos) return std::string(text);
  const auto value = variable ? variable(name) : std::nullopt;
  if (!value) return std::nullopt;
  return fmt::format("{}={}", name, *value);
}

Result<std::vector<std::string>> parse_env_file(
    std::string_view text, std::string_view name,
    const std::function<std::optional<std::string>(std::string_view)>& variable) {
  std::vector<std::string> out;
  std::size_t number = 0;
  for (std::string_view line : split(text, '\n')) {
    ++number;
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (line.empty() || line.front() == '#') continue;
    // Files that shells also read.
    if (constexpr std::string_view kExport = "export "; line.starts_with(kExport))
      line.remove_prefix(kExport.size());
    if (out.size() >= kMaxEnvLines)
      return bad_input("{} sets more than {} variables", name, kMaxEnvLines);
    TRY(auto item, with_context(parse_variable(line, variable), "reading {}:{}", name, number));
    if (item) out.push_back(std::move(*item));
  }
  return out;
}

Result<std::string> check_name(std::string_view name) {
  constexpr std::string_view kFirst =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
  const bool good = !name.empty() && name.size() <= kMaxContainerName &&
                    kFirst.find(name.front()) != std::string_view::npos &&
                    name.find_first_not_of(std::string(kFirst) + "_.-") == std::string_view::npos;
  if (!good)
    return usage(fmt::format("'{}' is not a valid container name", name),
                 "letters, digits, '_', '.' and '-', beginning with a letter or digit");
  return std::string(name);
}

}  // namespace flense::launch

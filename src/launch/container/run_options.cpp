#include "launch/container/run_options.h"

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
  return usage(fmt::format("'{}' is not a path on the host; there are no named volumes", text),
               fmt::format("write an absolute path, or ./{}", text));
}

/// Options of a volume; those that change nothing here are accepted.
Result<void> volume_option(std::string_view word, MountRequest& out) {
  if (word == "ro" || word == "readonly") {
    out.read_only = true;
    return {};
  }
  for (const std::string_view same : {"rw", "z", "Z", "rbind", "bind", "rprivate", "private"})
    if (word == same) return {};
  return usage(fmt::format("unknown mount option '{}'", word), "ro, rw");
}

bool is_true(std::string_view value) {
  return value.empty() || value == "1" || value == "true";
}

}  // namespace

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
    } else if (key == "tmpfs-size" || key == "size") {
      TRY(out.size, with_context(parse_size(value), "reading --mount {}", text));
    } else if (key != "bind-propagation" && key != "consistency" && key != "rw") {
      return usage(fmt::format("--mount has no key '{}'", key),
                   "type=bind|tmpfs, src=, dst=, ro, size=");
    }
  }
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

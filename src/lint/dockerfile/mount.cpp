#include <algorithm>
#include <optional>

#include "base/format.h"
#include "lint/dockerfile/flags.h"
#include "lint/source/blanks.h"

namespace flense::lint {
namespace {

bool is_bool(std::string_view text) {
  return is_one_of(
      text, {"1", "t", "T", "true", "TRUE", "True", "0", "f", "F", "false", "FALSE", "False"});
}

bool is_short_number(std::string_view text, char last_digit) {
  return !text.empty() && text.size() <= 11 &&
         std::ranges::all_of(text, [&](char c) { return c >= '0' && c <= last_digit; });
}

/// "64m", "1.5GiB": what go-units takes for memory.
bool is_size(std::string_view text) {
  std::size_t digits = 0;
  while (!text.empty() && (is_digit(text.front()) || text.front() == '.')) {
    if (is_digit(text.front())) ++digits;
    text.remove_prefix(1);
  }
  if (digits == 0) return false;
  if (text.starts_with(' ')) text.remove_prefix(1);
  std::string unit = to_lower(text);
  if (unit.ends_with("ib") && unit.size() == 3)
    unit.resize(1);
  else if (unit.size() == 2 && unit.ends_with('b'))
    unit.resize(1);
  return unit.empty() || (unit.size() == 1 && std::string_view("bkmgtp").contains(unit[0]));
}

struct Mount {
  std::string type = "bind";
  std::string from, source, target, id, sharing;
  bool owned = false;  ///< mode, uid or gid
  std::string owned_by;
};

/// Sets one field; the reason of a refusal.
std::string set_field(Mount& mount, const std::string& key, const std::string& value) {
  const auto invalid = [&] { return fmt::format("{}={} is not valid in a mount", key, value); };
  if (key == "type") {
    mount.type = to_lower(value);
    if (!is_one_of(mount.type, {"bind", "cache", "tmpfs", "secret", "ssh"}))
      return fmt::format("mounts of type {} do not exist: bind, cache, tmpfs, secret and ssh do",
                         value);
  } else if (key == "from") {
    mount.from = value;
  } else if (is_one_of(key, {"source", "src"})) {
    mount.source = value;
  } else if (is_one_of(key, {"target", "dst", "destination"})) {
    mount.target = value;
  } else if (is_one_of(key, {"readonly", "ro", "readwrite", "rw"})) {
    if (!is_bool(value)) return invalid();
  } else if (key == "required") {
    if (!is_one_of(mount.type, {"secret", "ssh"}))
      return fmt::format("{} is not for mounts of type {}", key, mount.type);
    if (!is_bool(value)) return invalid();
  } else if (key == "size") {
    if (mount.type != "tmpfs")
      return fmt::format("{} is not for mounts of type {}", key, mount.type);
    if (!is_size(value)) return invalid();
  } else if (key == "id") {
    mount.id = value;
  } else if (key == "sharing") {
    mount.sharing = to_lower(value);
    if (!is_one_of(mount.sharing, {"shared", "private", "locked"}))
      return fmt::format("sharing={} is none of shared, private and locked", value);
  } else if (is_one_of(key, {"mode", "uid", "gid"})) {
    if (!is_short_number(value, key == "mode" ? '7' : '9')) return invalid();
    mount.owned = true;
    mount.owned_by = key;
  } else if (!is_one_of(key, {"env", "relabel", "bind-propagation", "z", "U"})) {  // Buildah's
    return fmt::format("a mount has no field {}", key);
  }
  return {};
}

std::string whole_problem(const Mount& mount) {
  if (mount.owned && !is_one_of(mount.type, {"secret", "ssh", "cache"}))
    return fmt::format("{} is not for mounts of type {}", mount.owned_by, mount.type);
  if (mount.type == "secret") {
    if (!mount.from.empty()) return "a secret mount has no from";
    if (!mount.sharing.empty()) return "a secret mount has no sharing";
    if (mount.source.empty() && mount.target.empty() && mount.id.empty())
      return "a secret mount needs id, source or target";
    if (!mount.source.empty() && !mount.id.empty())
      return "a secret mount has id or source, not both";
  }
  if (!mount.sharing.empty() && mount.type != "cache")
    return fmt::format("sharing is not for mounts of type {}", mount.type);
  if (mount.target == "/" && !is_one_of(mount.type, {"secret", "ssh"}))
    return "a mount cannot have the target /";
  return {};
}

}  // namespace

std::string mount_problem(const Flag& flag, const Scope& scope, char escape) {
  const auto fields = csv_fields(flag.value);
  if (!fields) return fmt::format("a quote in --mount={} is wrong", flag.value);
  Mount mount;
  LexOptions options;
  options.escape = escape;
  bool known = true;
  for (const std::string& field : *fields) {
    const std::size_t equals = field.find('=');
    const std::string key = to_lower(std::string_view(field).substr(0, equals));
    if (equals == field.npos) {
      if (is_one_of(key, {"readonly", "ro", "readwrite", "rw"})) continue;
      if (key == "required" && known) {
        if (is_one_of(mount.type, {"secret", "ssh"})) continue;
        return fmt::format("{} is not for mounts of type {}", key, mount.type);
      }
      if (key == "required") continue;
      return fmt::format("\"{}\" in a mount is not a pair of the form key=value", field);
    }
    const std::string value = field.substr(equals + 1);
    if (const std::size_t dollar = value.find('$');
        key == "from" && dollar != value.npos && dollar + 1 < value.size())
      return "from= of a mount takes no variable: name a stage with FROM … AS and use that";
    const Lexed lexed = lex_word(value, scope, options);
    if (!lexed.error.empty()) return fmt::format("{}={}: {}", key, value, lexed.error);
    // What follows may depend on it (above all on a type), so it is not judged any more.
    known = known && (lexed.known || !is_one_of(key, {"type"}));
    if (!lexed.known) {
      if (is_one_of(key, {"target", "dst", "destination"})) mount.target = "unknown";
      if (is_one_of(key, {"source", "src"})) mount.source = "unknown";
      if (key == "id") mount.id = "unknown";
      continue;
    }
    if (std::string why = set_field(mount, key, lexed.text); !why.empty() && known) return why;
  }
  return known ? whole_problem(mount) : std::string();
}

std::string device_problem(const Flag& flag) {
  const auto fields = csv_fields(flag.value);
  if (!fields) return fmt::format("a quote in --device={} is wrong", flag.value);
  std::string name;
  for (const std::string& field : *fields) {
    const std::size_t equals = field.find('=');
    const std::string key = to_lower(std::string_view(field).substr(0, equals));
    const std::string value = equals == field.npos ? "" : field.substr(equals + 1);
    if (key == "required") {
      if (equals != field.npos && !is_bool(value))
        return fmt::format("required={} is neither true nor false", value);
    } else if (key == "name" && equals != field.npos) {
      if (!name.empty()) return fmt::format("the device's name is {} already", name);
      name = value;
    } else if (name.empty()) {
      name = field;
    } else {
      return fmt::format("\"{}\" in --device is neither name nor required", field);
    }
  }
  return {};
}

}  // namespace flense::lint

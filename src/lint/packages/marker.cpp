#include "lint/packages/marker.h"

#include <algorithm>
#include <array>

#include "base/version_numbers.h"
#include "lint/source/blanks.h"

namespace flense::lint {

namespace {

/// Reads `a and (b or c)`. There is no "not" before a term, so taking what is unknown for true is
/// safe at every depth.
class MarkerReader {
 public:
  MarkerReader(std::string_view text, const MarkerPlace& place) : text_(text), place_(place) {}

  bool either(unsigned depth) {
    bool out = both(depth);
    while (take_word("or")) {
      const bool next = both(depth);
      out = out || next;
    }
    return out;
  }

  bool failed() const { return failed_; }

 private:
  static constexpr unsigned kDeepest = 32;

  bool both(unsigned depth) {
    bool out = term(depth);
    while (take_word("and")) {
      const bool next = term(depth);
      out = out && next;
    }
    return out;
  }

  bool term(unsigned depth) {
    skip();
    if (depth > kDeepest) return fail();
    if (!text_.starts_with('(')) return comparison();
    text_.remove_prefix(1);
    const bool out = either(depth + 1);
    skip();
    if (!text_.starts_with(')')) return fail();
    text_.remove_prefix(1);
    return out;
  }

  bool comparison() {
    bool quoted_left = false, quoted_right = false;
    const std::string_view left = operand(quoted_left);
    const std::string_view op = sign();
    const std::string_view right = operand(quoted_right);
    if (failed_ || op.empty() || quoted_left == quoted_right) return true;
    if (!quoted_left) return holds(left, op, right);
    // 'darwin' == sys_platform; '3.12' > python_version is not turned round.
    return op == "==" || op == "!=" ? holds(right, op, left) : true;
  }

  bool holds(std::string_view name, std::string_view op, std::string_view value) const {
    struct Known {
      std::string_view name, value;
    };
    constexpr auto kLinux = std::to_array<Known>({{"sys_platform", "linux"},
                                                  {"platform_system", "Linux"},
                                                  {"os_name", "posix"},
                                                  {"platform_python_implementation", "CPython"},
                                                  {"implementation_name", "cpython"}});
    for (const Known& one : kLinux)
      if (name == one.name) {
        const bool same = value == one.value || (name == "sys_platform" && value == "linux2");
        if (op == "in" || op == "not in") return value.contains(one.value) == (op == "in");
        return op == "==" ? same : op == "!=" ? !same : true;
      }
    if (name == "extra" && place_.judges_extras && (op == "==" || op == "!="))
      return asked(value) == (op == "==");
    if ((name == "python_version" || name == "python_full_version") && !place_.python.empty())
      return version_holds(op, value);
    return true;
  }

  /// uv writes an extra of a project that conflicts with others as 'extra-7-project-name'.
  bool asked(std::string_view value) const {
    return std::ranges::any_of(place_.extras, [&](const std::string& extra) {
      return value == extra || (value.starts_with("extra-") && value.ends_with("-" + extra));
    });
  }

  /// Of a Python by major and minor: what an update decides is not known.
  bool version_holds(std::string_view op, std::string_view value) const {
    if (!is_version(value) || !is_version(place_.python)) return true;
    const int order = compare_versions(major_minor(place_.python), major_minor(value));
    if (op == "==" || op == "===") return order == 0;
    if (op == "<") return order < 0 || (order == 0 && std::ranges::count(value, '.') > 1);
    if (op == "<=") return order <= 0;
    if (op == ">" || op == ">=")
      return order > 0 || (order == 0 && op == ">=") ||
             (order == 0 && std::ranges::count(value, '.') > 1);
    if (op == "!=") return order != 0 || std::ranges::count(value, '.') > 1;
    return true;
  }

  std::string_view operand(bool& quoted) {
    skip();
    if (text_.empty()) return fail_word();
    if (const char quote = text_.front(); quote == '\'' || quote == '"') {
      const std::size_t end = text_.find(quote, 1);
      if (end == text_.npos) return fail_word();
      const std::string_view out = text_.substr(1, end - 1);
      text_.remove_prefix(end + 1);
      quoted = true;
      return out;
    }
    const std::size_t end =
        std::min(text_.find_first_not_of("abcdefghijklmnopqrstuvwxyz_."), text_.size());
    if (end == 0) return fail_word();
    const std::string_view out = text_.substr(0, end);
    text_.remove_prefix(end);
    return out;
  }

  std::string_view sign() {
    skip();
    if (take_word("in")) return "in";
    if (take_word("not")) return take_word("in") ? "not in" : fail_word();
    const std::size_t end = std::min(text_.find_first_not_of("=!<>~"), text_.size());
    if (end == 0) return fail_word();
    const std::string_view out = text_.substr(0, end);
    text_.remove_prefix(end);
    return out;
  }

  bool take_word(std::string_view word) {
    skip();
    if (!text_.starts_with(word)) return false;
    const std::string_view rest = text_.substr(word.size());
    if (!rest.empty() && rest.front() != ' ' && rest.front() != '(' && rest.front() != '\'' &&
        rest.front() != '"')
      return false;
    text_ = rest;
    return true;
  }

  void skip() { text_ = text_.substr(std::min(text_.find_first_not_of(" \t"), text_.size())); }
  bool fail() {
    failed_ = true;
    text_ = {};
    return true;
  }
  std::string_view fail_word() {
    fail();
    return {};
  }

  std::string_view text_;
  const MarkerPlace& place_;
  bool failed_ = false;
};

}  // namespace

bool may_hold(std::string_view marker, const MarkerPlace& place) {
  constexpr std::size_t kLongest = 10'000;
  if (marker.empty() || marker.size() > kLongest) return true;
  MarkerReader reader(marker, place);
  const bool out = reader.either(0);
  return out || reader.failed();
}

}  // namespace flense::lint

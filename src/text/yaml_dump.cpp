// Our own writer: deterministic, and quoting whatever some reader might take for something else.
#include <algorithm>

#include "text/yaml.h"
#include "text/yaml_scalar.h"

namespace flense::text {

namespace {

constexpr std::size_t kIndent = 2;
/// Longer keys need the "? " form: a scanner looks 1,024 characters ahead for the colon.
constexpr std::size_t kLongestPlainKey = 256;

bool is_safe_plain(std::string_view text) {
  constexpr std::string_view kSafe =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_./=+-";
  return !text.empty() && text.find_first_not_of(kSafe) == std::string_view::npos &&
         text.front() != '=' && !is_ambiguous(text);
}

/// The characters that JSON prints as they are and YAML does not: C1 controls, line separators, the
/// byte order mark, non-characters. All are two or three bytes in UTF-8.
std::string escaped(const std::string& json) {
  std::string out;
  for (std::size_t i = 0; i < json.size();) {
    const auto byte = [&](std::size_t k) {
      return i + k < json.size() ? static_cast<unsigned char>(json[i + k]) : 0U;
    };
    const unsigned first = byte(0);
    std::size_t length = first < 0x80 ? 1 : first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4;
    unsigned code = 0;
    if (length == 2) code = (first & 0x1FU) << 6 | (byte(1) & 0x3FU);
    if (length == 3) code = (first & 0x0FU) << 12 | (byte(1) & 0x3FU) << 6 | (byte(2) & 0x3FU);
    const bool hidden = (code >= 0x80 && code < 0xA0) || code == 0x2028 || code == 0x2029 ||
                        code == 0xFEFF || code >= 0xFFFE;
    out += hidden ? fmt::format("\\u{:04x}", code) : json.substr(i, length);
    i += length;
  }
  return out;
}

std::string text_form(const std::string& text) {
  return is_safe_plain(text) ? text : escaped(dump_json(Json(text)));
}

class Writer {
 public:
  std::string out;

  /// Behind "key:", "-" or at the start of a line (`margin` is then where the line begins).
  void value(const Json& value, std::size_t margin, bool behind_key) {
    if (!value.items().empty()) {
      if (behind_key) out += '\n';
      for (bool first = !behind_key; const Json& item : value.items()) {
        if (!std::exchange(first, false)) out.append(margin, ' ');
        out += "- ";
        nested(item, margin + kIndent);
      }
    } else if (!value.members().empty()) {
      if (behind_key) out += '\n';
      for (bool first = !behind_key; const auto& [key, member] : value.members()) {
        if (!std::exchange(first, false)) out.append(margin, ' ');
        const std::string name = text_form(key);
        out += name.size() > kLongestPlainKey
                   ? fmt::format("? {}\n{}:", name, std::string(margin, ' '))
                   : name + ":";
        if (member.items().empty() && member.members().empty()) out += ' ';
        this->value(member, margin + kIndent, true);
      }
    } else {
      out += scalar(value);
      out += '\n';
    }
  }

 private:
  void nested(const Json& item, std::size_t margin) { value(item, margin, false); }

  static std::string scalar(const Json& value) {
    if (value.is_string()) return text_form(std::string(value.text()));
    return dump_json(value);
  }
};

}  // namespace

std::string dump_yaml(const Json& value) {
  Writer writer;
  writer.value(value, 0, false);
  return std::move(writer.out);
}

}  // namespace flense::text

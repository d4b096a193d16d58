// Our own writer: the output goes into digests, so every byte of it is decided here.
#include <array>
#include <charconv>
#include <cmath>

#include "base/utf8.h"
#include "text/json.h"

namespace flense::text {

namespace {

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";

void write_string(std::string& out, std::string_view text) {
  out += '"';
  while (!text.empty()) {
    const auto first = static_cast<unsigned char>(text.front());
    std::size_t length = 1;
    switch (first) {
      case '"':
        out += "\\\"";
        break;
      case '\\':
        out += "\\\\";
        break;
      case '\b':
        out += "\\b";
        break;
      case '\f':
        out += "\\f";
        break;
      case '\n':
        out += "\\n";
        break;
      case '\r':
        out += "\\r";
        break;
      case '\t':
        out += "\\t";
        break;
      default:
        if (first < 0x20 || first == 0x7f) {
          out += fmt::format("\\u{:04x}", first);
        } else if (first < 0x80) {
          out += text.front();
        } else {
          const std::size_t sequence = utf8_length(text);
          out += sequence == 0 ? kReplacement : text.substr(0, sequence);
          length = sequence == 0 ? 1 : sequence;
        }
    }
    text.remove_prefix(length);
  }
  out += '"';
}

void write_double(std::string& out, double value) {
  if (!std::isfinite(value)) {
    out += "null";
    return;
  }
  std::array<char, 32> buffer{};
  const auto [end, error] = std::to_chars(buffer.data(), buffer.data() + buffer.size(), value);
  const std::string_view text(buffer.data(), static_cast<std::size_t>(end - buffer.data()));
  out += text;
  // A whole number must still be a double when it is read back.
  if (text.find_first_of(".e") == std::string_view::npos) out += ".0";
}

}  // namespace

struct JsonWriter {
  std::string out;
  int indent;

  void newline(int level) {
    if (indent < 0) return;
    out += '\n';
    out.append(static_cast<std::size_t>(indent) * static_cast<std::size_t>(level), ' ');
  }

  void operator()(const Json& value, int level) {
    std::visit([&](const auto& held) { write(held, level); }, value.value_);
  }

  void write(std::monostate /*null*/, int /*level*/) { out += "null"; }
  void write(bool value, int /*level*/) { out += value ? "true" : "false"; }
  void write(std::int64_t value, int /*level*/) { out += fmt::to_string(value); }
  void write(std::uint64_t value, int /*level*/) { out += fmt::to_string(value); }
  void write(double value, int /*level*/) { write_double(out, value); }
  void write(const std::string& value, int /*level*/) { write_string(out, value); }

  void write(const Json::Array& array, int level) {
    out += '[';
    for (bool first = true; const Json& item : array) {
      if (!std::exchange(first, false)) out += ',';
      newline(level + 1);
      (*this)(item, level + 1);
    }
    if (!array.empty()) newline(level);
    out += ']';
  }

  void write(const Json::Object& object, int level) {
    out += '{';
    for (bool first = true; const auto& [key, item] : object) {
      if (!std::exchange(first, false)) out += ',';
      newline(level + 1);
      write_string(out, key);
      out += indent < 0 ? ":" : ": ";
      (*this)(item, level + 1);
    }
    if (!object.empty()) newline(level);
    out += '}';
  }
};

std::string dump_json(const Json& value, int indent) {
  JsonWriter writer{{}, indent};
  writer(value, 0);
  return std::move(writer.out);
}

}  // namespace flense::text

#include "base/screen.h"

#include <sys/random.h>

#include <array>

#include "base/format.h"
#include "base/printable.h"

namespace flense {

namespace {

std::string fresh_mark() {
  std::array<unsigned char, 16> secret{};
  if (::getrandom(secret.data(), secret.size(), 0) != static_cast<ssize_t>(secret.size()))
    return {};
  std::string out = "\x1b";
  for (const unsigned char byte : secret) out += fmt::format("{:02x}", byte);
  return out;
}

}  // namespace

Screen::Screen(Sink& to, bool terminal, unsigned columns)
    : to_(to),
      terminal_(terminal),
      columns_(terminal ? columns : 0),
      mark_(terminal ? fresh_mark() : std::string()) {}

Result<void> Screen::text(std::string_view text) {
  std::string out;
  while (!mark_.empty()) {
    const std::size_t at = text.find(mark_);
    if (at == std::string_view::npos) break;
    out += printable_lines(text.substr(0, at));
    out += "\x1b[";
    text.remove_prefix(at + mark_.size());
  }
  out += printable_lines(text);
  return to_.write(as_bytes(out));
}

Result<void> Screen::line(std::string_view text) {
  return to_.write(as_bytes(wrapped(printable(text), columns_) + "\n"));
}

Result<void> Screen::prose(std::string_view text) {
  return this->text(wrapped(text, columns_, mark_));
}

Result<void> Screen::exact(std::string_view text) {
  return terminal_ ? this->text(text) : to_.write(as_bytes(text));
}

}  // namespace flense

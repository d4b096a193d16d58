#include "image/registry/link.h"

#include <optional>

#include "base/ascii.h"
#include "base/format.h"
#include "image/registry/curl.h"

namespace flense::image {

namespace {

class LinkReader {
 public:
  explicit LinkReader(std::string_view text) : text_(text) {}

  void blanks() {
    while (!text_.empty() && (text_.front() == ' ' || text_.front() == '\t'))
      text_.remove_prefix(1);
  }
  bool done() const { return text_.empty(); }
  bool take(char c) {
    blanks();
    if (text_.empty() || text_.front() != c) return false;
    text_.remove_prefix(1);
    return true;
  }
  std::optional<std::string> target() {
    const std::size_t end = text_.find('>');
    if (!take('<') || end == std::string_view::npos) return std::nullopt;
    std::string out(text_.substr(0, text_.find('>')));
    text_.remove_prefix(out.size() + 1);
    return out;
  }
  /// Some write values that are no tokens without quotes: what no separator ends is taken, too.
  std::string word() {
    blanks();
    const std::size_t end = std::min(text_.find_first_of(" \t;,=\"<>"), text_.size());
    std::string out(text_.substr(0, end));
    text_.remove_prefix(end);
    return out;
  }
  std::optional<std::string> value() {
    if (!take('"')) return word();
    std::string out;
    while (!text_.empty()) {
      char c = text_.front();
      text_.remove_prefix(1);
      if (c == '"') return out;
      if (c == '\\' && !text_.empty()) {
        c = text_.front();
        text_.remove_prefix(1);
      }
      out += c;
    }
    return std::nullopt;
  }

 private:
  std::string_view text_;
};

bool names_next(std::string_view relations) {
  while (!(relations = trim(relations)).empty()) {
    const std::size_t end = std::min(relations.find_first_of(" \t"), relations.size());
    if (to_lower(std::string(relations.substr(0, end))) == "next") return true;
    relations.remove_prefix(end);
  }
  return false;
}

/// The targets of all links with the relation "next" are one. nullopt: it is no such header.
std::optional<std::string> next_target(std::string_view link) {
  LinkReader reader(link);
  std::string out;
  while (true) {
    while (reader.take(',')) {
    }
    reader.blanks();
    if (reader.done()) return out;
    const auto target = reader.target();
    if (!target || target->empty()) return std::nullopt;
    std::optional<std::string> relations;
    while (reader.take(';')) {
      const std::string name = to_lower(reader.word());
      std::optional<std::string> value = "";
      if (reader.take('=')) value = reader.value();
      if (!value) return std::nullopt;
      // Only the first counts.
      if (name == "rel" && !relations) relations = std::move(value);
    }
    reader.blanks();
    if (!relations || (!reader.done() && !reader.take(','))) return std::nullopt;
    if (!names_next(*relations)) continue;
    if (!out.empty() && out != *target) return std::nullopt;
    out = *target;
  }
}

}  // namespace

Result<std::string> next_part(std::string_view link, std::string_view repository) {
  const auto strange = [&] { return bad_input("the header Link is not understood"); };
  const auto target = next_target(link);
  if (!target) return strange();
  if (target->empty()) return std::string();
  const std::string_view url = *target;
  constexpr std::string_view kList = "tags/list?";
  // Relative to what was asked for: the list itself, or what is beside it.
  std::string out;
  if (url.starts_with('?')) {
    out = std::string(kList) + std::string(url.substr(1));
  } else if (url.starts_with(kList.substr(kList.find('/') + 1))) {
    out = "tags/" + std::string(url);
  } else {
    // Some name the host, too; it is the one that was asked.
    const std::string before = fmt::format("/v2/{}/", repository);
    const std::size_t at = url.find(before);
    if (at == std::string_view::npos) return strange();
    out = url.substr(at + before.size());
  }
  if (!out.starts_with(kList) || !is_fit_url("https://host/" + out)) return strange();
  return out;
}

}  // namespace flense::image

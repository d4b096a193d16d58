#include "text/json_edit.h"

#include <algorithm>
#include <optional>

namespace flense::text {

namespace {

constexpr int kIndent = 2;

struct Span {
  std::size_t begin = 0, end = 0;
};

struct Member {
  std::string name;
  Span key, value;
};

/// Walks over a document that is known to be valid JSON.
class Scanner {
 public:
  explicit Scanner(std::string_view text) : text_(text) {}

  Span whole() const {
    const std::size_t begin = blanks_end(0);
    return {begin, value_end(begin)};
  }

  /// The members of the object that begins there.
  std::vector<Member> members(std::size_t open) const {
    std::vector<Member> out;
    std::size_t at = blanks_end(open + 1);
    while (text_[at] != '}') {
      Member member;
      member.key = {at, string_end(at)};
      member.name = decoded(member.key);
      at = blanks_end(blanks_end(member.key.end) + 1);  // after the colon
      member.value = {at, value_end(at)};
      at = blanks_end(member.value.end);
      if (text_[at] == ',') at = blanks_end(at + 1);
      out.push_back(std::move(member));
    }
    return out;
  }

  bool is_object(Span span) const { return text_[span.begin] == '{'; }
  std::string_view blanks_before(std::size_t at) const {
    std::size_t begin = at;
    while (begin > 0 && is_blank(text_[begin - 1])) --begin;
    return text_.substr(begin, at - begin);
  }

 private:
  static bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

  std::size_t blanks_end(std::size_t at) const {
    while (at < text_.size() && is_blank(text_[at])) ++at;
    return at;
  }

  std::size_t string_end(std::size_t at) const {
    for (++at; text_[at] != '"'; ++at)
      if (text_[at] == '\\') ++at;
    return at + 1;
  }

  std::size_t value_end(std::size_t at) const {
    if (text_[at] == '"') return string_end(at);
    if (text_[at] != '{' && text_[at] != '[')
      return std::min(text_.find_first_of(" \t\r\n,]}", at), text_.size());
    std::size_t depth = 0;
    do {
      const char c = text_[at];
      if (c == '"') {
        at = string_end(at);
        continue;
      }
      if (c == '{' || c == '[') ++depth;
      if (c == '}' || c == ']') --depth;
      ++at;
    } while (depth > 0);
    return at;
  }

  std::string decoded(Span span) const {
    const Result<Json> json = parse_json(text_.substr(span.begin, span.end - span.begin), "a key");
    return json ? std::string(json->text()) : std::string();
  }

  std::string_view text_;
};

/// Where a member is, or would be.
struct Found {
  Span object;
  std::vector<Member> members;
  std::optional<std::size_t> index;  ///< of the member
  std::size_t missing = 0;           ///< how many names of the place are not there
};

Result<Found> find(const Scanner& scanner, const JsonPlace& place, const std::string& key,
                   std::string_view what) {
  Found out;
  out.object = scanner.whole();
  for (std::size_t depth = 0;; ++depth) {
    if (!scanner.is_object(out.object))
      return bad_input("{}: {} is no object", what,
                       depth == 0 ? "the document" : fmt::format("\"{}\"", place[depth - 1]));
    out.members = scanner.members(out.object.begin);
    const std::string& name = depth == place.size() ? key : place[depth];
    const auto at = std::ranges::find(out.members, name, &Member::name);
    if (at == out.members.end()) {
      out.missing = place.size() - depth;
      return out;
    }
    if (depth == place.size()) {
      out.index = static_cast<std::size_t>(at - out.members.begin());
      return out;
    }
    out.object = at->value;
  }
}

std::string replaced(std::string_view text, Span span, std::string_view by) {
  std::string out(text.substr(0, span.begin));
  return out.append(by).append(text.substr(span.end));
}

/// With the lines behind the first as far in as `blanks`, where those hold a line's end.
std::string spaced(const Json& value, std::string_view blanks) {
  const std::size_t line = blanks.rfind('\n');
  if (line == std::string_view::npos) return dump_json(value);
  std::string out;
  for (const char c : dump_json(value, kIndent)) {
    out += c;
    if (c == '\n') out += blanks.substr(line + 1);
  }
  return out;
}

std::string with_member(std::string_view text, const Scanner& scanner, const Found& found,
                        const std::string& name, const Json& value) {
  const bool empty = found.members.empty();
  const std::string blanks(empty ? "" : scanner.blanks_before(found.members.front().key.begin));
  const std::string member = dump_json(Json(name)) + ": " + spaced(value, blanks);
  if (!empty) {
    const std::size_t end = found.members.back().value.end;
    return replaced(text, {end, end}, "," + (blanks.empty() ? " " : blanks) + member);
  }
  // An empty object on a line of its own is spread over lines.
  if (text.substr(0, found.object.begin).find_first_not_of(" \t\r\n") == std::string_view::npos)
    return replaced(text, found.object, dump_json(Json::object().set(name, value), kIndent));
  return replaced(text, found.object, "{" + member + "}");
}

std::string without_member(std::string_view text, const Found& found) {
  const std::size_t index = *found.index;
  const std::vector<Member>& members = found.members;
  if (members.size() == 1) return replaced(text, found.object, "{}");
  // With the comma before it; for the first member, the one after it.
  if (index > 0)
    return replaced(text, {members[index - 1].value.end, members[index].value.end}, "");
  return replaced(text, {members[0].key.begin, members[1].key.begin}, "");
}

void set_in(Json& document, const JsonPlace& place, const std::string& key, const Json* value) {
  Json* at = &document;
  for (const std::string& name : place) {
    if (at->find(name) == nullptr) at->set(name, Json::object());
    at = at->find_mutable(name);
  }
  if (value == nullptr)
    at->erase(key);
  else
    at->set(key, *value);
}

/// What was made says what was meant; anything else is a mistake of ours.
Result<std::string> checked(std::string out, const Json& expected, std::string_view what) {
  const Result<Json> parsed = parse_json(out, what);
  if (parsed && *parsed == expected) return out;
  return fail(Code::kInternal, "{} was not changed as intended", what);
}

}  // namespace

Result<std::string> set_member(std::string_view text, const JsonPlace& place,
                               const std::string& key, const Json& value, std::string_view what) {
  TRY(Json expected, parse_json(text, what));
  const Scanner scanner(text);
  TRY(const Found found, find(scanner, place, key, what));
  set_in(expected, place, key, &value);
  if (found.index)
    return checked(replaced(text, found.members[*found.index].value, dump_json(value)), expected,
                   what);
  // Missing parent objects are created together with the member.
  std::string name = key;
  Json inner = value;
  for (std::size_t i = 0; i < found.missing; ++i) {
    inner = Json::object().set(name, std::move(inner));
    name = place[place.size() - 1 - i];
  }
  return checked(with_member(text, scanner, found, name, inner), expected, what);
}

Result<std::string> erase_member(std::string_view text, const JsonPlace& place,
                                 const std::string& key, std::string_view what) {
  TRY(Json expected, parse_json(text, what));
  const Scanner scanner(text);
  TRY(const Found found, find(scanner, place, key, what));
  if (!found.index) return std::string(text);
  set_in(expected, place, key, nullptr);
  return checked(without_member(text, found), expected, what);
}

}  // namespace flense::text

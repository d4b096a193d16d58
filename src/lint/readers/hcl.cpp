#include "lint/readers/hcl.h"

#include "base/ascii.h"
#include "base/format.h"
#include "lint/source/blanks.h"

namespace flense::lint {

namespace {

constexpr std::size_t kMaxBytes = std::size_t{4} << 20;
constexpr unsigned kMaxDepth = 100;

bool is_name_start(char c) {
  return is_letter(c) || c == '_' || (static_cast<unsigned char>(c) & 0x80) != 0;
}

bool is_name(char c) {
  return is_name_start(c) || c == '-' || (c >= '0' && c <= '9');
}

class Parser {
 public:
  explicit Parser(std::string_view text) : text_(text) {}

  HclFile run() {
    HclFile out;
    if (text_.size() > kMaxBytes)
      refuse(0, "the file is larger than 4 MiB");
    else
      body(out.body, 0);
    if (!failed_ && at_ < text_.size()) refuse(at_, "a '}' closes nothing");
    if (failed_) out.problems.push_back(std::move(problem_));
    return out;
  }

 private:
  char peek(std::size_t ahead = 0) const {
    return at_ + ahead < text_.size() ? text_[at_ + ahead] : '\0';
  }
  bool end() const { return at_ >= text_.size(); }

  void refuse(std::size_t at, std::string message) {
    if (failed_) return;
    failed_ = true;
    problem_ = {{at, at + 1}, std::move(message)};
    at_ = text_.size();
  }

  /// Over blanks and comments; newlines only where they mean nothing.
  void skip(bool newlines) {
    while (!end()) {
      const char c = peek();
      if (c == ' ' || c == '\t' || c == '\r' || (newlines && c == '\n')) {
        ++at_;
      } else if (c == '#' || (c == '/' && peek(1) == '/')) {
        at_ = std::min(text_.find('\n', at_), text_.size());
      } else if (c == '/' && peek(1) == '*') {
        const std::size_t close = text_.find("*/", at_ + 2);
        if (close == text_.npos) return refuse(at_, "the comment has no end");
        at_ = close + 2;
      } else {
        return;
      }
    }
  }

  Word name() {
    const std::size_t begin = at_;
    while (!end() && is_name(peek())) ++at_;
    return {std::string(text_.substr(begin, at_ - begin)), {begin, at_}};
  }

  void body(HclBlock& block, unsigned depth) {
    while (true) {
      skip(true);
      if (end() || peek() == '}') return;
      if (!is_name_start(peek()))
        return refuse(at_, "a name of an attribute or of a block is expected");
      Word word = name();
      skip(false);
      if (peek() == '=' && peek(1) != '=') {
        ++at_;
        skip(false);
        HclValue found = value(depth);
        block.attributes.push_back({std::move(word), std::move(found)});
        line_end();
      } else {
        inner(block, std::move(word), depth);
      }
      if (failed_) return;
    }
  }

  void line_end() {
    skip(false);
    if (!end() && peek() != '\n' && peek() != '}')
      refuse(at_, "the attribute's value ends before the line does");
  }

  void inner(HclBlock& parent, Word type, unsigned depth) {
    if (depth == kMaxDepth) return refuse(at_, fmt::format("more than {} levels", kMaxDepth));
    HclBlock block;
    block.span.begin = type.span.begin;
    block.type = std::move(type);
    while (peek() == '"' || is_name_start(peek())) {
      if (peek() == '"') {
        HclValue label = text();
        block.labels.push_back({std::move(label.text), {label.span.begin + 1, label.span.end - 1}});
      } else {
        block.labels.push_back(name());
      }
      skip(false);
      if (failed_) return;
    }
    if (peek() != '{')
      return refuse(at_, fmt::format("'{}' is neither an attribute (NAME = VALUE) nor a block "
                                     "(NAME \"LABEL\" {{ … }})",
                                     block.type.text.substr(0, 40)));
    ++at_;
    body(block, depth + 1);
    if (failed_) return;
    if (peek() != '}') return refuse(block.span.begin, "the block has no '}'");
    ++at_;
    block.span.end = at_;
    parent.blocks.push_back(std::move(block));
  }

  /// What may follow a whole value.
  bool at_value_end() {
    skip(false);
    return end() || peek() == '\n' || peek() == ',' || peek() == ']' || peek() == '}' ||
           peek() == ')';
  }

  HclValue value(unsigned depth) {
    const std::size_t begin = at_;
    HclValue out = primary(depth);
    if (failed_) return {};
    if (!at_value_end()) {
      // An operator, a call, a condition: the result is not known here.
      out = {};
      step_over();
    }
    out.span = {begin, std::max(begin, last_)};
    return out;
  }

  HclValue primary(unsigned depth) {
    if (depth >= kMaxDepth) {
      refuse(at_, fmt::format("more than {} levels", kMaxDepth));
      return {};
    }
    const char c = peek();
    HclValue out;
    if (c == '"') {
      out = text();
    } else if (c == '<' && peek(1) == '<') {
      out = heredoc();
    } else if (c == '[') {
      out = list(depth);
    } else if (c == '{') {
      out = object(depth);
    } else if (is_digit(c)) {
      out.kind = HclValue::Kind::kNumber;
      const std::size_t begin = at_;
      while (is_digit(peek()) || peek() == '.' || peek() == 'e' || peek() == 'E') ++at_;
      out.text = text_.substr(begin, at_ - begin);
    } else if (is_name_start(c)) {
      out.text = name().text;
      out.kind = out.text == "true" || out.text == "false" ? HclValue::Kind::kBool
                 : out.text == "null"                      ? HclValue::Kind::kNull
                                                           : HclValue::Kind::kReference;
    } else if (c == '(' || c == '-' || c == '!') {
      step_over();
    } else {
      refuse(at_, "a value is expected");
    }
    last_ = std::max(last_, at_);
    return out;
  }

  /// Over the rest of an expression: brackets and texts in pairs.
  void step_over() {
    std::size_t open = 0;
    while (!end() && !failed_) {
      skip(open > 0);
      if (end()) break;
      const char c = peek();
      if (open == 0 && (c == '\n' || c == ',' || c == ']' || c == '}' || c == ')')) return;
      if (c == '"') {
        text();
        last_ = at_;
        continue;
      }
      if (c == '(' || c == '[' || c == '{') ++open;
      if (c == ')' || c == ']' || c == '}') --open;
      ++at_;
      last_ = at_;
    }
    if (open > 0) refuse(text_.size(), "a bracket has no end");
  }

  HclValue text() {
    HclValue out;
    out.kind = HclValue::Kind::kText;
    const std::size_t begin = at_++;
    while (true) {
      if (end() || peek() == '\n') {
        refuse(begin, "the text has no closing quote on its line");
        return {};
      }
      const char c = peek();
      if (c == '"') break;
      if (c == '\\') {
        escape(out.text);
      } else if (peek() == peek(1) && (c == '$' || c == '%') && peek(2) == '{') {
        out.text += text_.substr(at_, 3);
        at_ += 3;
      } else if ((c == '$' || c == '%') && peek(1) == '{') {
        if (!interpolation(out.text)) return {};
      } else {
        out.text += c;
        ++at_;
      }
    }
    ++at_;
    out.span = {begin, at_};
    return out;
  }

  void escape(std::string& out) {
    const char c = peek(1);
    if (c == 'n' || c == 't' || c == 'r')
      out += c == 'n' ? '\n' : c == 't' ? '\t' : '\r';
    else if (c == '"' || c == '\\')
      out += c;
    else
      out += text_.substr(at_, 2);
    at_ = std::min(at_ + 2, text_.size());
  }

  /// "${…}" as it is written, with texts inside that hold braces of their own.
  bool interpolation(std::string& out) {
    const std::size_t begin = at_;
    std::size_t open = 0;
    bool quoted = false;
    for (; !end(); ++at_) {
      const char c = peek();
      if (c == '\n' && !quoted && open == 0) break;
      if (quoted && c == '\\') {
        if (at_ + 1 < text_.size()) ++at_;
      } else if (c == '"') {
        quoted = !quoted;
      } else if (!quoted && c == '{') {
        ++open;
      } else if (!quoted && c == '}' && --open == 0) {
        ++at_;
        out += text_.substr(begin, at_ - begin);
        return true;
      }
    }
    refuse(begin, "'${' has no '}'");
    return false;
  }

  HclValue heredoc() {
    const std::size_t begin = at_;
    at_ += 2;
    if (peek() == '-') ++at_;
    const std::string mark = name().text;
    HclValue out;
    out.kind = HclValue::Kind::kText;
    std::size_t line = text_.find('\n', at_);
    while (!mark.empty() && line != text_.npos) {
      const std::size_t first = line + 1;
      const std::size_t next = std::min(text_.find('\n', first), text_.size());
      std::string_view content = text_.substr(first, next - first);
      const std::size_t blanks = std::min(content.find_first_not_of(" \t"), content.size());
      if (content.ends_with('\r')) content.remove_suffix(1);
      if (content.substr(std::min(blanks, content.size())) == mark) {
        at_ = first + content.size();
        return out;
      }
      out.text += content;
      out.text += '\n';
      line = next == text_.size() ? text_.npos : next;
    }
    refuse(begin, "the here-document has no end");
    return {};
  }

  HclValue list(unsigned depth) {
    HclValue out;
    out.kind = HclValue::Kind::kList;
    const std::size_t begin = at_++;
    while (!failed_) {
      skip(true);
      if (peek() == ']') break;
      if (end()) {
        refuse(begin, "the list has no ']'");
        return {};
      }
      if (text_.substr(at_, 4) == "for ") return comprehension(begin);
      out.items.push_back(value(depth + 1));
      skip(true);
      if (peek() == ',')
        ++at_;
      else if (!failed_ && peek() != ']')
        refuse(end() ? begin : at_, "a ',' or the list's ']' is expected");
    }
    if (!end()) ++at_;
    return out;
  }

  HclValue comprehension(std::size_t begin) {
    at_ = begin;
    step_over();
    return {};
  }

  HclValue object(unsigned depth) {
    HclValue out;
    out.kind = HclValue::Kind::kObject;
    const std::size_t begin = at_++;
    while (!failed_) {
      skip(true);
      if (peek() == '}') break;
      if (end()) {
        refuse(begin, "the object has no '}'");
        return {};
      }
      if (text_.substr(at_, 4) == "for ") return comprehension(begin);
      Word key;
      if (peek() == '"') {
        HclValue quoted = text();
        key = {std::move(quoted.text), quoted.span};
      } else if (is_name_start(peek())) {
        key = name();
      } else {
        // (expression) = value
        return comprehension(begin);
      }
      skip(false);
      if (peek() != '=' && peek() != ':') {
        refuse(at_, "a '=' is expected after the name of a member");
        return {};
      }
      ++at_;
      skip(false);
      HclValue found = value(depth + 1);
      out.members.push_back({std::move(key), std::move(found)});
      skip(false);
      if (peek() == ',') ++at_;
    }
    if (!end()) ++at_;
    return out;
  }

  std::string_view text_;
  std::size_t at_ = 0;
  std::size_t last_ = 0;  ///< the end of the last value
  bool failed_ = false;
  ParseProblem problem_;
};

}  // namespace

const HclValue* HclBlock::find(std::string_view attribute) const {
  for (const HclAttribute& one : attributes)
    if (one.name.text == attribute) return &one.value;
  return nullptr;
}

HclFile parse_hcl(std::string_view text) {
  if (text.starts_with("\xEF\xBB\xBF")) {
    // Kept, so that positions stay valid: it is treated like a comment.
    std::string blank(text);
    blank.replace(0, 3, "   ");
    return Parser(blank).run();
  }
  return Parser(text).run();
}

}  // namespace flense::lint

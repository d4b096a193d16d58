#include "lint/dockerfile/ignore_file.h"

#include <algorithm>

#include "base/format.h"
#include "lint/source/blanks.h"

namespace flense::lint {
namespace {

constexpr std::size_t kMostPatterns = 10'000, kLongestPattern = 4096, kLongestPath = 4096;

/// Go's filepath.Clean.
std::string cleaned(std::string_view path) {
  const bool rooted = path.starts_with('/');
  std::vector<std::string_view> parts;
  for (std::size_t at = 0; at <= path.size();) {
    const std::size_t end = std::min(path.find('/', at), path.size());
    const std::string_view part = path.substr(at, end - at);
    at = end + 1;
    if (part.empty() || part == ".") continue;
    if (part != "..") {
      parts.push_back(part);
    } else if (!parts.empty() && parts.back() != "..") {
      parts.pop_back();
    } else if (!rooted) {
      parts.push_back(part);
    }
  }
  std::string out = rooted ? "/" : "";
  for (const std::string_view part : parts) {
    if (!out.empty() && out.back() != '/') out += '/';
    out += part;
  }
  return out.empty() ? "." : out;
}

/// The character at `at`, which moves past it; a stray byte stands for itself.
char32_t take(std::string_view text, std::size_t& at) {
  const auto byte = [&](std::size_t i) {
    return i < text.size() ? static_cast<unsigned char>(text[i]) : 0U;
  };
  const unsigned first = byte(at);
  const std::size_t size = first < 0xc2 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
  char32_t out = first;
  if (size > 1) {
    out = first & (0xffU >> (size + 1));
    for (std::size_t i = 1; i < size; ++i) {
      if ((byte(at + i) & 0xc0U) != 0x80) {
        ++at;
        return first;
      }
      out = (out << 6) | (byte(at + i) & 0x3fU);
    }
  }
  at += size;
  return out;
}

}  // namespace

IgnorePattern::IgnorePattern(std::string_view text, bool exception, Span span)
    : text_(cleaned(text)), exception_(exception), span_(span) {
  if (text_.size() > 1 && text_.front() == '/') text_.erase(0, 1);
  compile();
}

bool IgnorePattern::read_class(std::string_view text, std::size_t& at) {
  Token token{Token::Kind::kClass};
  if (at < text.size() && text[at] == '^') {
    token.negated = true;
    ++at;
  }
  const auto bound = [&](char32_t& out) {
    if (at < text.size() && text[at] == '\\') ++at;
    if (at >= text.size()) return false;
    out = take(text, at);
    return true;
  };
  while (at < text.size() && (text[at] != ']' || token.ranges.empty())) {
    if (text[at] == ']' || text[at] == '-') return false;
    char32_t low = 0, high = 0;
    if (!bound(low)) return false;
    high = low;
    if (at < text.size() && text[at] == '-') {
      ++at;
      if (at >= text.size() || text[at] == ']' || !bound(high) || high < low) return false;
    }
    token.ranges.emplace_back(low, high);
  }
  if (at >= text.size()) return false;
  ++at;
  tokens_.push_back(std::move(token));
  return true;
}

void IgnorePattern::compile() {
  const std::string_view text = text_;
  for (std::size_t at = 0; at < text.size();) {
    const bool first = at == 0;
    const char c = text[at];
    if (c == '*' && text.substr(at).starts_with("**")) {
      at += 2;
      if (at < text.size() && text[at] == '/') ++at;
      const bool last = at >= text.size();
      tokens_.push_back({last ? Token::Kind::kRest : Token::Kind::kDirectories});
      kind_ = last && kind_ == Kind::kExact ? Kind::kPrefix : Kind::kPattern;
      if (first) kind_ = Kind::kSuffix;
      ending_.clear();
      continue;
    }
    if (c == '*' || c == '?') {
      ++at;
      tokens_.push_back({c == '*' ? Token::Kind::kStar : Token::Kind::kAny});
      kind_ = Kind::kPattern;
      ending_.clear();
      continue;
    }
    if (c == '[') {
      ++at;
      if (!read_class(text, at)) {
        valid_ = false;
        return;
      }
      kind_ = Kind::kPattern;
      ending_.clear();
      continue;
    }
    if (c == '\\') {
      if (++at >= text.size()) {
        valid_ = false;
        return;
      }
      kind_ = Kind::kPattern;
    }
    const std::size_t begin = at;
    Token token{Token::Kind::kCharacter};
    token.character = take(text, at);
    tokens_.push_back(std::move(token));
    ending_ += text.substr(begin, at - begin);
  }
}

bool IgnorePattern::matches(std::string_view path) const {
  if (!valid_) return false;
  const std::string_view text = text_;
  switch (kind_) {
    case Kind::kExact:
      return path == text;
    case Kind::kPrefix:
      return path.starts_with(text.substr(0, text.size() - 2));
    case Kind::kSuffix: {
      const std::string_view suffix = text.substr(2);
      return path.ends_with(suffix) || (suffix.starts_with('/') && path == suffix.substr(1));
    }
    case Kind::kPattern:
      return path.ends_with(ending_) && path.size() <= kLongestPath && matches_tokens(path);
  }
  return false;
}

/// All positions that the pattern can have reached, one character of the path at a time.
bool IgnorePattern::matches_tokens(std::string_view path) const {
  std::vector<char> here(tokens_.size() + 1), next(tokens_.size() + 1);
  // Inside "**/": any text, left only after a '/'.
  std::vector<char> inside(tokens_.size());
  here[0] = 1;
  const auto skip_empty = [&](std::vector<char>& reached) {
    for (std::size_t i = 0; i < tokens_.size(); ++i) {
      const auto kind = tokens_[i].kind;
      if (!reached[i]) continue;
      if (kind == Token::Kind::kStar || kind == Token::Kind::kRest) reached[i + 1] = 1;
      if (kind == Token::Kind::kDirectories) {
        reached[i + 1] = 1;
        inside[i] = 1;
      }
    }
  };
  skip_empty(here);
  for (std::size_t at = 0; at < path.size();) {
    const char32_t c = take(path, at);
    std::ranges::fill(next, 0);
    for (std::size_t i = 0; i < tokens_.size(); ++i) {
      const Token& token = tokens_[i];
      if (token.kind == Token::Kind::kDirectories) {
        if (inside[i] && c == U'/') next[i + 1] = 1;
        continue;
      }
      if (!here[i]) continue;
      switch (token.kind) {
        case Token::Kind::kCharacter:
          if (c == token.character) next[i + 1] = 1;
          break;
        case Token::Kind::kAny:
          if (c != U'/') next[i + 1] = 1;
          break;
        case Token::Kind::kStar:
          if (c != U'/') next[i] = 1;
          break;
        case Token::Kind::kRest:
          next[i] = 1;
          break;
        case Token::Kind::kClass: {
          const bool in = std::ranges::any_of(token.ranges, [&](const auto& range) {
            return c >= range.first && c <= range.second;
          });
          if (in != token.negated) next[i + 1] = 1;
          break;
        }
        case Token::Kind::kDirectories:
          break;
      }
    }
    std::swap(here, next);
    skip_empty(here);
  }
  return here[tokens_.size()] != 0;
}

bool IgnoreFile::ignores(std::string_view path) const {
  bool ignored = false;
  for (const IgnorePattern& pattern : patterns) {
    if (pattern.exception() != ignored) continue;
    bool fits = pattern.matches(path);
    for (std::size_t slash = path.find('/'); !fits && slash != path.npos;
         slash = path.find('/', slash + 1))
      fits = pattern.matches(path.substr(0, slash));
    if (fits) ignored = !pattern.exception();
  }
  return ignored;
}

bool IgnoreFile::has_exceptions() const {
  return std::ranges::any_of(patterns, &IgnorePattern::exception);
}

IgnoreFile read_ignore_file(const SourceText& source) {
  IgnoreFile out;
  for (std::size_t number = 1; number <= source.line_count(); ++number) {
    std::string_view line = source.line(number);
    if (number == 1 && line.starts_with("\xEF\xBB\xBF")) line.remove_prefix(3);
    if (line.starts_with('#')) continue;
    line = trim_space(line);
    if (line.empty()) continue;
    const auto begin = static_cast<std::size_t>(line.data() - source.text().data());
    const Span span{begin, begin + line.size()};
    const bool exception = line.front() == '!';
    if (exception) line = trim_space(line.substr(1));
    if (line.empty()) {
      out.problems.push_back({span, "a pattern is missing after '!'"});
      continue;
    }
    if (line.size() > kLongestPattern || out.patterns.size() >= kMostPatterns) {
      out.problems.push_back({span, line.size() > kLongestPattern
                                        ? "the pattern is longer than 4096 bytes"
                                        : "the file has more than 10,000 patterns"});
      if (line.size() <= kLongestPattern) break;
      continue;
    }
    IgnorePattern pattern(line, exception, span);
    if (pattern.valid())
      out.patterns.push_back(std::move(pattern));
    else
      out.problems.push_back({span, fmt::format("{} is not a pattern: a bracket is not closed, or "
                                                "nothing follows a backslash",
                                                pattern.text())});
  }
  return out;
}

}  // namespace flense::lint

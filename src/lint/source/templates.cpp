#include "lint/source/templates.h"

#include <algorithm>
#include <initializer_list>

#include "base/ascii.h"
#include "lint/source/blanks.h"

namespace flense::lint {

namespace {

constexpr std::size_t kMaxExpressions = 100000, kMaxOpen = 50;

struct Expression {
  Span span;
  char form = '{';  ///< of "{{", "{%", "{#"
  std::string_view body;
};

bool is_padding(char c) {
  return c == ' ' || c == '\t' || c == '\r';
}

std::string_view trim_padding(std::string_view text) {
  while (!text.empty() && (is_padding(text.front()) || text.front() == '\n' || text.front() == '-'))
    text.remove_prefix(1);
  while (!text.empty() && (is_padding(text.back()) || text.back() == '\n' || text.back() == '-'))
    text.remove_suffix(1);
  return text;
}

std::string_view first_word(std::string_view text) {
  const std::size_t end = text.find_first_of(" \t\r\n.(\"");
  return text.substr(0, end);
}

/// Where a text occurs next; asked with rising places, it never looks at a byte twice.
class Next {
 public:
  Next(std::string_view text, std::string_view what) : text_(text), what_(what) {}
  std::size_t from(std::size_t at) {
    if (!asked_ || (found_ != text_.npos && found_ < at)) found_ = text_.find(what_, at);
    asked_ = true;
    return found_;
  }

 private:
  std::string_view text_, what_;
  std::size_t found_ = 0;
  bool asked_ = false;
};

std::vector<Expression> expressions(std::string_view text) {
  std::vector<Expression> out;
  Next value(text, "}}"), directive(text, "%}"), comment(text, "#}"), paragraph(text, "\n\n");
  std::size_t at = 0;
  while ((at = text.find('{', at)) != std::string_view::npos && out.size() < kMaxExpressions) {
    const char form = at + 1 < text.size() ? text[at + 1] : '\0';
    if (form != '{' && form != '%' && form != '#') {
      ++at;
      continue;
    }
    Next& close = form == '{' ? value : form == '%' ? directive : comment;
    const std::size_t end = close.from(at + 2);
    const bool is_comment = form == '#' || text.substr(at + 2, 4).find("/*") != text.npos;
    // The closing braces of JSON may be far away: an expression stays in its paragraph.
    if (end == text.npos || (!is_comment && paragraph.from(at + 2) < end)) {
      ++at;
      continue;
    }
    out.push_back({{at, end + 2}, form, text.substr(at + 2, end - at - 2)});
    at = end + 2;
  }
  return out;
}

/// Objects and functions that only Helm has.
bool speaks_of_helm(std::string_view body) {
  return body.find(".Values") != body.npos || body.find(".Release") != body.npos ||
         body.find(".Chart") != body.npos || body.find(".Files") != body.npos ||
         body.find("nindent") != body.npos || body.find("toYaml") != body.npos;
}

/// "{{ image }}" as a whole value, as Ansible has to quote it; Go's formats begin with a dot.
bool is_quoted_value(std::string_view text, const Expression& one) {
  if (one.span.begin == 0) return false;
  const char quote = text[one.span.begin - 1];
  if (quote != '"' && quote != '\'') return false;
  std::size_t before = one.span.begin - 1;
  while (before > 0 && is_padding(text[before - 1])) --before;
  const char c = before == 0 ? '\n' : text[before - 1];
  const std::string_view body = trim_padding(one.body);
  const bool name = !body.empty() && ((body[0] >= 'a' && body[0] <= 'z') || body[0] == '_');
  return (c == ':' || c == '-') && name &&
         !is_one_of(first_word(body), {"range", "if", "with", "json", "printf", "index", "end"});
}

std::string language_of(const std::vector<Expression>& all, std::string_view text,
                        bool reads_as_yaml) {
  bool jinja = false;
  for (const Expression& one : all) {
    if (one.form == '{' && speaks_of_helm(trim_padding(one.body))) return "Helm";
    if (one.form == '{' && !jinja) jinja = is_quoted_value(text, one);
  }
  // What parses as it is contains other programs' formats in its texts.
  if (reads_as_yaml) return jinja ? "Jinja" : "";
  for (const Expression& one : all) {
    if (one.form == '%') return "Jinja";
    if (one.form != '{') continue;
    const std::string_view body = trim_padding(one.body);
    if (body.starts_with("/*") ||
        is_one_of(first_word(body), {"include", "template", "define", "range", "with", "end"}))
      return "Helm";
  }
  // An expression where YAML would see a mapping whose key is a mapping: nobody writes that.
  for (const Expression& one : all) {
    if (one.form != '{') continue;
    std::size_t before = one.span.begin;
    while (before > 0 && is_padding(text[before - 1])) --before;
    const char c = before == 0 ? '\n' : text[before - 1];
    if ((c == ':' || c == '-' || c == '\n') && before != one.span.begin)
      return trim_padding(one.body).starts_with('.') ? "Helm" : "Jinja";
  }
  return jinja ? "Jinja" : "";
}

/// Whether nothing but directives stands on the lines of an expression.
bool fills_its_lines(std::string_view text, Span span) {
  std::size_t begin = span.begin, end = span.end;
  while (begin > 0 && is_padding(text[begin - 1])) --begin;
  while (end < text.size() && is_padding(text[end])) ++end;
  return (begin == 0 || text[begin - 1] == '\n') && (end == text.size() || text[end] == '\n');
}

void blank(std::string& text, Span span) {
  for (std::size_t at = span.begin; at < span.end; ++at)
    if (text[at] != '\n' && text[at] != '\r') text[at] = ' ';
}

bool opens(const Expression& one, std::string_view word) {
  if (one.form == '{') return is_one_of(word, {"if", "with", "range", "define", "block"});
  return one.form == '%' && is_one_of(word, {"if", "for", "macro", "block", "filter", "call"});
}

bool closes(const Expression& one, std::string_view word) {
  return one.form == '{' ? word == "end" : one.form == '%' && word.starts_with("end");
}

}  // namespace

TemplateText strip_templates(std::string_view text, bool reads_as_yaml) {
  TemplateText out{{}, std::string(text), {}};
  if (text.find("{{") == text.npos && text.find("{%") == text.npos) return out;
  const std::vector<Expression> all = expressions(text);
  out.language = language_of(all, text, reads_as_yaml);
  if (out.language.empty()) return out;
  struct Block {
    std::size_t otherwise = 0;  ///< where its first else stands; 0: none yet
  };
  std::vector<Block> open;
  for (const Expression& one : all) {
    if (out.language == "Helm" && one.form != '{') continue;
    const std::string_view word = first_word(trim_padding(one.body));
    if (fills_its_lines(text, one.span)) {
      if (opens(one, word) && open.size() < kMaxOpen) open.push_back({});
      if (is_one_of(word, {"else", "elif"}) && !open.empty() && open.back().otherwise == 0)
        open.back().otherwise = one.span.end;
      if (closes(one, word) && !open.empty()) {
        if (open.back().otherwise != 0) blank(out.text, {open.back().otherwise, one.span.begin});
        open.pop_back();
      }
      blank(out.text, one.span);
      continue;
    }
    std::fill(out.text.begin() + static_cast<std::ptrdiff_t>(one.span.begin),
              out.text.begin() + static_cast<std::ptrdiff_t>(one.span.end), 'x');
    out.holes.push_back(one.span);
  }
  return out;
}

bool is_marked(std::string_view text, std::string_view open, std::string_view close) {
  if (text.size() <= open.size() + close.size() || !text.starts_with(open) ||
      !text.ends_with(close))
    return false;
  text.remove_prefix(open.size());
  text.remove_suffix(close.size());
  return std::ranges::all_of(text, [](char c) { return is_alphanumeric(c) || c == '_'; });
}

}  // namespace flense::lint

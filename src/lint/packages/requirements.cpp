// requirements.txt: pip's requirements file format. Logical lines (joined by a backslash), comments
// after a blank, pip options, one requirement a line with its marker and hashes.

#include <algorithm>
#include <array>

#include "base/format.h"
#include "lint/packages/marker.h"
#include "lint/packages/packages.h"
#include "lint/packages/requirement_text.h"
#include "lint/source/blanks.h"

namespace flense::lint {

namespace {

constexpr std::size_t kMaxFileRequests = 50'000;
constexpr std::size_t kMaxProblems = 100;

bool parts_words(char c) {
  return c == ' ' || c == '\t' || c == '\r' || c == '\f' || c == '\v';
}

/// "${CUDA_MAJOR}": pip puts the variable's value there before it reads the line.
bool holds_variable(std::string_view text) {
  constexpr std::string_view kName = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_";
  for (std::size_t at = text.find("${"); at != text.npos; at = text.find("${", at + 2)) {
    const std::size_t end = text.find_first_not_of(kName, at + 2);
    if (end != text.npos && end > at + 2 && text[end] == '}') return true;
  }
  return false;
}

class RequirementsReader {
 public:
  RequirementsReader(const SourceText& source, std::vector<ParseProblem>& problems)
      : text_(source.text()), problems_(problems) {
    list_.path = source.path();
  }

  PackageList read() {
    std::size_t at = text_.starts_with("\xef\xbb\xbf") ? 3 : 0;
    while (at < text_.size() && list_.packages.size() < kMaxFileRequests) at = logical_line(at);
    return std::move(list_);
  }

 private:
  /// Takes the words of one logical line; gives where the next begins.
  std::size_t logical_line(std::size_t at);
  void take_line();
  void option_line();
  void requirement();
  void problem(Span span, std::string message) {
    if (problems_.size() < kMaxProblems) problems_.push_back({span, std::move(message)});
  }
  std::string_view word(std::size_t index) const {
    return text_.substr(words_[index].begin, words_[index].end - words_[index].begin);
  }

  std::string_view text_;
  std::vector<ParseProblem>& problems_;
  std::vector<Span> words_;
  PackageList list_;
};

std::size_t RequirementsReader::logical_line(std::size_t at) {
  words_.clear();
  bool comment = false;
  while (at < text_.size()) {
    const char c = text_[at];
    if (c == '\n') {
      ++at;
      break;
    }
    if (comment || parts_words(c)) {
      ++at;
      continue;
    }
    const std::size_t newline = text_.find_first_not_of('\r', at + 1);
    if (c == '\\' && (newline == std::string_view::npos || text_[newline] == '\n')) {
      at = newline == std::string_view::npos ? text_.size() : newline + 1;
      continue;
    }
    if (c == '#') {
      comment = true;
      continue;
    }
    const std::size_t begin = at;
    while (at < text_.size() && text_[at] != '\n' && !parts_words(text_[at])) {
      const std::size_t next = std::min(text_.find_first_not_of('\r', at + 1), text_.size());
      if (text_[at] == '\\' && (next == text_.size() || text_[next] == '\n')) break;
      ++at;
    }
    words_.push_back({begin, at});
  }
  if (!words_.empty()) take_line();
  return at;
}

void RequirementsReader::take_line() {
  if (word(0).starts_with('-'))
    option_line();
  else
    requirement();
}

void RequirementsReader::option_line() {
  struct Kind {
    std::string_view name, brief;
    bool index, file;
  };
  constexpr auto kKinds = std::to_array<Kind>({
      {"--index-url", "-i", true, false},
      {"--extra-index-url", "", true, false},
      {"--find-links", "-f", true, false},
      {"--requirement", "-r", false, true},
      {"--constraint", "-c", false, false},
      {"--editable", "-e", false, false},
  });
  for (std::size_t at = 0; at < words_.size(); ++at) {
    const std::string_view name = word(at);
    if (!name.starts_with('-')) continue;
    const std::size_t equal = name.find('=');
    const auto kind = std::ranges::find_if(kKinds, [&](const Kind& known) {
      return name.substr(0, equal) == known.name ||
             (!known.brief.empty() && !name.starts_with("--") && name.starts_with(known.brief));
    });
    if (kind == kKinds.end()) {
      list_.options.emplace_back(name);
      continue;
    }
    Span value = words_[at];
    if (equal != std::string_view::npos && name.starts_with("--")) {
      value.begin += equal + 1;
    } else if (!name.starts_with("--") && name.size() > 2) {
      value.begin += 2;
    } else if (at + 1 < words_.size()) {
      value = words_[++at];
    } else {
      problem(value, fmt::format("{} has no value", name));
      return;
    }
    Word found{std::string(text_.substr(value.begin, value.end - value.begin)), value};
    if (kind->index)
      list_.add_index(kind->name, std::move(found));
    else if (kind->file)
      list_.requirement_files.push_back(std::move(found));
    else if (kind->name == "--constraint")
      list_.options.emplace_back("--constraint=" + found.text);
    else if (kind->name == "--editable" && found.text.starts_with('.'))
      list_.requirement_files.push_back({found.text + "/pyproject.toml", value});
  }
}

void RequirementsReader::requirement() {
  std::string text, marker;
  Span span{words_[0].begin, words_[0].end};
  bool in_marker = false;
  for (std::size_t at = 0; at < words_.size(); ++at) {
    std::string_view part = word(at);
    if (at > 0 && part.starts_with('-')) {  // --hash=, --config-settings
      const bool processor =
          part.ends_with("/cpu") || (at + 1 < words_.size() && word(at + 1).ends_with("/cpu"));
      // For macOS PyPI's torch is that of the index.
      bool macos = false;
      for (std::size_t one = 0; one < words_.size(); ++one)
        macos = macos || word(one).contains("darwin");
      if (processor && macos) break;
      std::string instead =
          ", and on a line of its own it would replace PyPI for all of the file: ";
      // The wheels of an index for processors would be taken for every machine, and without a
      // version what PyPI has may be newer.
      if (!processor && text.contains("==")) instead += "write --extra-index-url there, or ";
      instead += "move the requirement to a file of its own";
      for (const std::string_view option : {"--index-url", "--extra-index-url", "--find-links"})
        if (part.starts_with(option) && (text.contains("://") || parse_requirement(text)))
          problem(words_[at],
                  fmt::format("pip ignores {} behind a requirement{}", option,
                              option == "--index-url" ? instead : ": it needs a line of its own"));
      break;
    }
    if (in_marker) {
      marker += ' ';
      marker += part;
      continue;
    }
    const bool url =
        text.find("://") != std::string::npos || part.find("://") != std::string_view::npos;
    // In a URL a ';' is an ordinary character unless a blank precedes it.
    const std::size_t semicolon = url ? (part.starts_with(';') ? 0 : part.npos) : part.find(';');
    if (semicolon != std::string_view::npos) {
      marker = part.substr(semicolon + 1);
      part = part.substr(0, semicolon);
      in_marker = true;
    }
    if (part.empty()) continue;
    if (!text.empty()) text += ' ';
    text += part;
    span.end = words_[at].begin + part.size();
  }
  if (!is_for_linux(marker)) return;
  // As pip: what has a '/' and names no project is a path.
  const bool path = text.find('/') != std::string::npos && !parse_requirement(text) &&
                    text.find_first_of(" @") == std::string::npos;
  if (text.starts_with("file:") && text.find("://") == std::string::npos) text.erase(0, 5);
  if (text.starts_with('.') || text.starts_with('/') ||
      (path && text.find("://") == std::string::npos)) {
    if (!text.ends_with(".whl") && !text.ends_with(".tar.gz"))
      list_.requirement_files.push_back({text.substr(0, text.find('[')) + "/pyproject.toml", span});
    return;
  }
  if (text.find("://") != std::string::npos && text.find('@') > text.find("://")) {
    // A bare URL: the name is in #egg=, or in the wheel's file name.
    std::string_view name = text;
    if (const std::size_t egg = name.find("#egg="); egg != std::string_view::npos) {
      name.remove_prefix(egg + 5);
      name = name.substr(0, name.find_first_of("&["));
    } else {
      name = name.substr(0, name.find_first_of("#?"));
      name.remove_prefix(name.rfind('/') + 1);
      name = name.substr(0, name.find('@'));
      const std::size_t dash = name.ends_with(".whl") ? name.find('-') : name.rfind(".git");
      name = name.substr(0, dash);
    }
    PackageRequest request;
    request.name = normalised_name(name);
    request.url = text;
    request.path = list_.path;
    request.span = span;
    if (!request.name.empty()) list_.packages.push_back(std::move(request));
    return;
  }
  auto request = parse_requirement(text);
  if (!request && holds_variable(text)) return;
  if (!request) return problem(span, fmt::format("'{}' is not a requirement", text.substr(0, 60)));
  request->path = list_.path;
  request->span = span;
  request->marker = trim_space(marker);
  list_.packages.push_back(std::move(*request));
}

}  // namespace

PackageList read_requirements(const SourceText& source, std::vector<ParseProblem>& problems) {
  std::vector<ParseProblem> own;
  PackageList out = RequirementsReader(source, own).read();
  // Prose about what somebody requires: single words of it would pass for packages.
  const auto prose = std::ranges::count_if(own, [&](const ParseProblem& problem) {
    const std::string_view text = trim_space(source.slice(problem.span));
    return text.ends_with(':') || std::ranges::count(text, ' ') >= 3;
  });
  const auto fixed = std::ranges::count_if(
      out.packages, [](const PackageRequest& one) { return !one.specifier.empty(); });
  if (prose >= 3 && prose > fixed) return {};
  problems.insert(problems.end(), std::make_move_iterator(own.begin()),
                  std::make_move_iterator(own.end()));
  return out;
}

}  // namespace flense::lint

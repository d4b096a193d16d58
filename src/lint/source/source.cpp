#include "lint/source/source.h"

#include <algorithm>

namespace flense::lint {

SourceText::SourceText(std::string path, std::string text, std::string project_path)
    : path_(std::move(path)),
      text_(std::move(text)),
      project_path_(project_path.empty() ? path_ : std::move(project_path)) {
  for (std::size_t at = text_.find('\n'); at != std::string::npos; at = text_.find('\n', at + 1))
    if (at + 1 < text_.size()) starts_.push_back(at + 1);
}

std::string_view SourceText::slice(Span span) const {
  const std::size_t end = std::min(span.end, text_.size());
  if (span.begin >= end) return {};
  return std::string_view(text_).substr(span.begin, end - span.begin);
}

Position SourceText::position(std::size_t offset) const {
  offset = std::min(offset, text_.size());
  const auto after = std::ranges::upper_bound(starts_, offset);
  const auto line = static_cast<std::size_t>(after - starts_.begin());
  return {static_cast<std::uint32_t>(line),
          static_cast<std::uint32_t>(offset - starts_[line - 1] + 1)};
}

Span SourceText::line_span(std::size_t number) const {
  if (number == 0 || number > starts_.size()) return {text_.size(), text_.size()};
  const std::size_t begin = starts_[number - 1];
  std::size_t end = std::min(text_.find('\n', begin), text_.size());
  if (end > begin && text_[end - 1] == '\r') --end;
  return {begin, end};
}

std::string_view SourceText::line(std::size_t number) const {
  return slice(line_span(number));
}

}  // namespace flense::lint

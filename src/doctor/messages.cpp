#include "doctor/messages.h"

#include <algorithm>

#include "base/ascii.h"
#include "base/format.h"
#include "host/text_formats.h"

namespace flense::doctor {

namespace {

constexpr std::size_t kMaxLine = 16u << 10, kMaxFound = 64;

/// Lower case, one blank between words, without control characters (terminals colour their logs).
std::string plain(std::string_view text) {
  std::string out;
  for (const char c : text.substr(0, kMaxLine)) {
    const bool blank = c == ' ' || c == '\t' || c == '\r';
    if (blank && (out.empty() || out.back() == ' ')) continue;
    if (!blank && static_cast<unsigned char>(c) < 0x20) continue;
    out += blank ? ' ' : lower(c);
  }
  return out;
}

struct Pattern {
  std::string text;
  const knowledge::ErrorRow* row = nullptr;
};

/// Longer texts before shorter ones: "Failed to initialize NVML: Unknown Error" is not
/// "unknown error".
std::vector<Pattern> patterns(const knowledge::Explained& known) {
  std::vector<Pattern> out;
  for (const knowledge::ErrorRow& row : known.errors)
    for (const std::string& message : row.messages)
      if (std::string text = plain(message); text.size() >= 6)
        out.push_back({std::move(text), &row});
  std::stable_sort(out.begin(), out.end(), [](const Pattern& a, const Pattern& b) {
    return a.text.size() > b.text.size();
  });
  return out;
}

}  // namespace

std::vector<Recognised> recognise(std::string_view log, const knowledge::Explained& known) {
  const std::vector<Pattern> texts = patterns(known);
  std::vector<const knowledge::ErrorRow*> seen;
  std::vector<Recognised> out;
  std::uint64_t number = 0;
  while (!log.empty() && out.size() < kMaxFound) {
    const std::string_view line = log.substr(0, log.find('\n'));
    log.remove_prefix(std::min(log.size(), line.size() + 1));
    ++number;
    const std::string text = plain(line);
    const auto at = std::find_if(texts.begin(), texts.end(), [&](const Pattern& pattern) {
      return text.find(pattern.text) != std::string::npos;
    });
    if (at == texts.end() || std::find(seen.begin(), seen.end(), at->row) != seen.end()) continue;
    seen.push_back(at->row);
    const knowledge::ErrorRow& row = *at->row;
    Recognised one;
    one.says = row.layer;
    if (row.code) one.says += fmt::format(" {}", *row.code);
    one.line = host::clean(line);
    one.number = number;
    one.cause = row.cause;
    one.fix = row.fix;
    one.step = row.step;
    one.source = row.source;
    out.push_back(std::move(one));
  }
  return out;
}

}  // namespace flense::doctor

// Differences between two texts in the format of patch(1), by the O(ND) algorithm of Myers (1986)
// between the common prefix and suffix. Texts that differ in too many places are one large change.
#include <algorithm>
#include <optional>

#include "base/format.h"
#include "report/lint/report.h"

namespace flense::report {

namespace {

using Lines = std::vector<std::string_view>;

constexpr std::ptrdiff_t kMostEdits = 2000;
constexpr std::size_t kContext = 3;

Lines lines_of(std::string_view text) {
  Lines out;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size() - 1);
    out.push_back(text.substr(0, end + 1));
    text.remove_prefix(end + 1);
  }
  return out;
}

/// Lines [a_begin, a_end) of the old text became [b_begin, b_end) of the new one.
struct Change {
  std::size_t a_begin, a_end, b_begin, b_end;
};

/// Per line: kept, only in the old one, only in the new one, from the beginning on.
std::optional<std::string> script(const Lines& a, const Lines& b) {
  const auto n = static_cast<std::ptrdiff_t>(a.size()), m = static_cast<std::ptrdiff_t>(b.size());
  const std::ptrdiff_t most = std::min(n + m, kMostEdits);
  std::vector<std::vector<std::ptrdiff_t>> steps;
  std::vector<std::ptrdiff_t> furthest(static_cast<std::size_t>(2 * most + 3), 0);
  const auto at = [&](std::ptrdiff_t k) -> std::ptrdiff_t& {
    return furthest[static_cast<std::size_t>(k + most + 1)];
  };
  const auto equal = [&](std::ptrdiff_t x, std::ptrdiff_t y) {
    return a[static_cast<std::size_t>(x)] == b[static_cast<std::size_t>(y)];
  };
  for (std::ptrdiff_t d = 0; d <= most; ++d) {
    steps.push_back(furthest);
    for (std::ptrdiff_t k = -d; k <= d; k += 2) {
      std::ptrdiff_t x = k == -d || (k != d && at(k - 1) < at(k + 1)) ? at(k + 1) : at(k - 1) + 1;
      while (x < n && x - k < m && equal(x, x - k)) ++x;
      at(k) = x;
      if (x < n || x - k < m) continue;
      // Backwards from the end.
      std::string out;
      std::ptrdiff_t px = n, py = m;
      for (std::ptrdiff_t back = d; back > 0; --back) {
        furthest = steps[static_cast<std::size_t>(back)];
        const std::ptrdiff_t now = px - py;
        const bool down = now == -back || (now != back && at(now - 1) < at(now + 1));
        const std::ptrdiff_t from = down ? now + 1 : now - 1;
        const std::ptrdiff_t fx = at(from), fy = fx - from;
        while (px > fx && py > fy && px > 0 && py > 0 && (down ? py - 1 > fy : px - 1 > fx)) {
          out += ' ';
          --px;
          --py;
        }
        out += down ? '+' : '-';
        px = fx;
        py = fy;
      }
      out.append(static_cast<std::size_t>(px), ' ');
      std::ranges::reverse(out);
      return out;
    }
  }
  return std::nullopt;
}

std::vector<Change> changes_of(const Lines& a, const Lines& b) {
  std::size_t head = 0, tail = 0;
  while (head < a.size() && head < b.size() && a[head] == b[head]) ++head;
  while (tail < a.size() - head && tail < b.size() - head &&
         a[a.size() - 1 - tail] == b[b.size() - 1 - tail])
    ++tail;
  const auto middle = [&](const Lines& all) {
    return Lines(all.begin() + static_cast<std::ptrdiff_t>(head),
                 all.end() - static_cast<std::ptrdiff_t>(tail));
  };
  const auto edits = script(middle(a), middle(b));
  if (!edits) return {{head, a.size() - tail, head, b.size() - tail}};
  std::vector<Change> out;
  std::size_t x = head, y = head;
  for (std::size_t i = 0; i < edits->size();) {
    if ((*edits)[i] == ' ') {
      ++x, ++y, ++i;
      continue;
    }
    Change change{x, x, y, y};
    for (; i < edits->size() && (*edits)[i] != ' '; ++i) ((*edits)[i] == '-' ? x : y) += 1;
    change.a_end = x;
    change.b_end = y;
    out.push_back(change);
  }
  return out;
}

void print(std::string& out, char mark, std::string_view line) {
  out += mark;
  out += line;
  if (!line.ends_with('\n')) out += "\n\\ No newline at end of file\n";
}

std::string range(std::size_t begin, std::size_t end) {
  const std::size_t count = end - begin;
  if (count == 1) return fmt::format("{}", begin + 1);
  return fmt::format("{},{}", count == 0 ? begin : begin + 1, count);
}

}  // namespace

std::string unified_diff(const lint::SourceText& source, std::string_view changed) {
  const Lines a = lines_of(source.text()), b = lines_of(changed);
  const std::vector<Change> changes = changes_of(a, b);
  std::string out;
  for (std::size_t first = 0; first < changes.size();) {
    std::size_t last = first;
    while (last + 1 < changes.size() &&
           changes[last + 1].a_begin - changes[last].a_end <= 2 * kContext)
      ++last;
    const std::size_t before = std::min(kContext, changes[first].a_begin);
    const std::size_t after = std::min(kContext, a.size() - changes[last].a_end);
    out += fmt::format("@@ -{} +{} @@\n",
                       range(changes[first].a_begin - before, changes[last].a_end + after),
                       range(changes[first].b_begin - before, changes[last].b_end + after));
    std::size_t at = changes[first].a_begin - before;
    for (; first <= last; ++first) {
      const Change& change = changes[first];
      for (; at < change.a_begin; ++at) print(out, ' ', a[at]);
      for (; at < change.a_end; ++at) print(out, '-', a[at]);
      for (std::size_t i = change.b_begin; i < change.b_end; ++i) print(out, '+', b[i]);
    }
    for (const std::size_t end = at + after; at < end; ++at) print(out, ' ', a[at]);
  }
  if (out.empty()) return out;
  // A tab ends a name that holds blanks, as in the output of GNU diff.
  const std::string_view end = source.path().contains(' ') ? "\t" : "";
  return fmt::format("--- {0}{1}\n+++ {0}{1}\n{2}", source.path(), end, out);
}

}  // namespace flense::report

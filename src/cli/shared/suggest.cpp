#include "cli/shared/suggest.h"

#include <algorithm>
#include <array>
#include <vector>

#include "base/ascii.h"
#include "base/format.h"

namespace flense::cli {

namespace {

/// Names of options that mean about the same, each a line.
constexpr std::array<std::string_view, 18> kSameMeaning = {
    "gpu gpus target arch architecture sm cuda-arch accelerator nv",
    "volume bind mount mounts share binds vol",
    "workdir cwd pwd directory chdir working-dir work-dir",
    "output out dest destination save to",
    "quiet silent no-progress",
    "verbose debug trace-level",
    "json format output-format",
    "env environment variable setenv",
    "memory mem ram",
    "cpus cores threads ncpus cpu",
    "writable rw read-write writeable",
    "isolate sandbox secure untrusted",
    "user uid as",
    "fake-root root-user rootless-root",
    "dry-run simulate what-if",
    "host node machine server gpu gpus",
    "tmpdir tmp temp scratch-dir",
    "config settings conf",
};

bool has_word(std::string_view line, std::string_view word) {
  const std::vector<std::string_view> words = split(line, ' ');
  return std::ranges::find(words, word) != words.end();
}

}  // namespace

std::size_t edit_distance(std::string_view a, std::string_view b) {
  // Words on a command line are short; longer ones are no slips of ours.
  constexpr std::size_t kLongest = 64;
  if (a.size() > kLongest || b.size() > kLongest) return kLongest;
  std::vector<std::vector<std::size_t>> d(a.size() + 1, std::vector<std::size_t>(b.size() + 1));
  for (std::size_t i = 0; i <= a.size(); ++i) d[i][0] = i;
  for (std::size_t j = 0; j <= b.size(); ++j) d[0][j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t substitution = d[i - 1][j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
      d[i][j] = std::min({d[i - 1][j] + 1, d[i][j - 1] + 1, substitution});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
        d[i][j] = std::min(d[i][j], d[i - 2][j - 2] + 1);
    }
  }
  return d[a.size()][b.size()];
}

std::string nearest(std::string_view word, std::span<const std::string_view> known) {
  std::string_view best;
  std::size_t best_distance = std::max<std::size_t>(1, word.size() / 3) + 1;
  for (const std::string_view candidate : known) {
    // "--max" for "--max-size": a beginning is a better sign than few edits.
    const bool beginning = word.size() >= 3 && candidate.starts_with(word);
    const std::size_t distance = beginning ? 1 : edit_distance(word, candidate);
    if (distance >= best_distance) continue;
    best_distance = distance;
    best = candidate;
  }
  return std::string(best);
}

std::string likeliest_option(std::string_view word, std::span<const std::string_view> known) {
  constexpr std::string_view kDashes = "--";
  if (!word.starts_with(kDashes)) return {};
  const std::string_view bare = word.substr(kDashes.size());
  std::vector<std::string_view> names;
  for (const std::string_view one : known)
    if (one.starts_with(kDashes)) names.push_back(one.substr(kDashes.size()));
  // The dashes are no letters in common: of four letters one may be wrong, of eight two.
  std::string best = nearest(bare, names);
  if (!best.empty() && !best.starts_with(bare) &&
      edit_distance(bare, best) > std::max<std::size_t>(1, std::min(bare.size(), best.size()) / 4))
    best.clear();
  for (const std::string_view line : kSameMeaning)
    for (const std::string_view name : names)
      if (best.empty() && has_word(line, bare) && has_word(line, name)) best = name;
  for (const std::string_view part : split(bare, '-'))
    for (const std::string_view name : names)
      if (best.empty() && part.size() > 2 && (name == part || name == fmt::format("no-{}", bare)))
        best = name;
  return best.empty() ? best : fmt::format("{}{}", kDashes, best);
}

}  // namespace flense::cli

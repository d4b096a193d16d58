#include "lint/facts/tied_base.h"

#include <algorithm>
#include <array>
#include <optional>
#include <set>

#include "base/ascii.h"
#include "base/format.h"
#include "base/version_numbers.h"
#include "lint/source/blanks.h"

namespace flense::lint {

namespace {

constexpr std::size_t kMostWords = 20'000;
constexpr std::string_view kVariable =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_";

/// The words of the lines that are no comments.
std::vector<std::string_view> words_of(const ProjectFile& file) {
  std::vector<std::string_view> out;
  for (const std::string_view line : parts_of(file.source.text(), "\n")) {
    if (trim_space(line).starts_with('#')) continue;
    for (const std::string_view word : parts_of(line, " \t\r\"'\\;&|(),[]")) {
      if (out.size() == kMostWords) return out;
      out.push_back(word);
    }
  }
  return out;
}

std::string_view digits_at(std::string_view text, std::size_t at) {
  std::size_t end = at;
  while (end < text.size() && is_digit(text[end])) ++end;
  return text.substr(at, end - at);
}

/// "clang-6.0" or "g++-7": a compiler that no distribution of 2022 or later has.
bool is_old_compiler(std::string_view word) {
  const auto number = [&](std::string_view name) -> std::optional<std::uint64_t> {
    if (!word.starts_with(name)) return std::nullopt;
    return first_number(word.substr(name.size()));
  };
  for (const std::string_view name : {"clang-", "clang++-", "llvm-"})
    if (const auto found = number(name)) return *found <= 10;
  for (const std::string_view name : {"gcc-", "g++-", "gfortran-"})
    if (const auto found = number(name)) return *found <= 8;
  return false;
}

/// The Python that a pinned release was the first with wheels for.
struct FirstWheels {
  std::string_view package, python, version;
};
constexpr auto kFirstWheels = std::to_array<FirstWheels>({{"torch", "3.10", "1.11"},
                                                          {"torch", "3.12", "2.2"},
                                                          {"tensorflow", "3.10", "2.8"},
                                                          {"tensorflow", "3.12", "2.16"},
                                                          {"tensorflow-gpu", "3.10", "2.8"}});

/// "torch==1.7.1+cu110" where the Python has no such wheel.
bool lacks_wheel(std::string_view word, std::string_view python) {
  const std::size_t equals = word.find("==");
  if (equals == word.npos || python.empty()) return false;
  const std::string_view version = word.substr(equals + 2, word.find('+', equals) - equals - 2);
  if (!is_version(version)) return false;
  return std::ranges::any_of(kFirstWheels, [&](const FirstWheels& row) {
    return word.substr(0, equals) == row.package && compare_versions(python, row.python) >= 0 &&
           compare_versions(version, row.version) < 0;
  });
}

/// "python3.7" of "python3.7-dev": a distribution has none that is older than its own, and
/// deadsnakes none that is older than 3.7. Empty: it may be had.
std::string lost_python(std::string_view word, std::string_view python, bool deadsnakes) {
  constexpr std::string_view kName = "python3.";
  if (!word.starts_with(kName)) return {};
  std::string out = fmt::format("python3.{}", digits_at(word, kName.size()));
  return compare_versions(out.substr(6), deadsnakes ? "3.7" : python) < 0 ? out : std::string();
}

std::string python_of(const knowledge::Images& images, std::string_view distribution) {
  const auto* row = images.distribution(distribution);
  return row == nullptr ? std::string() : row->python;
}

}  // namespace

bool has_other_python(std::string_view text) {
  const std::string low = to_lower(text);
  return std::ranges::any_of(std::to_array<std::string_view>(
                                 {"miniconda", "anaconda", "miniforge", "mambaforge", "micromamba",
                                  "conda install", "conda create", "conda env", "deadsnakes",
                                  "pyenv", "uv python", "uv venv", "uv sync", "python.org"}),
                             [&](std::string_view word) { return low.contains(word); });
}

std::vector<std::string> pinned_to_cuda(const ProjectFile& file, std::string_view base,
                                        std::string_view cuda, bool names) {
  constexpr std::size_t kMost = 10;
  const std::string minor = major_minor(cuda);
  std::string dashed = "-" + minor;
  std::ranges::replace(dashed, '.', '-');
  // Of cuDNN 9: libcudnn9-cuda-12=9.8.0.87-1.
  const std::string major = fmt::format("-cuda-{}", first_number(cuda).value_or(0));
  std::vector<std::string> out;
  const std::vector<std::string_view> words = words_of(file);
  // Variables that are the minor: CUDA=12.2
  std::set<std::string_view> minors;
  for (const std::string_view word : words)
    if (word.size() > minor.size() + 1 && word.ends_with("=" + minor))
      minors.insert(word.substr(0, word.size() - minor.size() - 1));
  // "-${CUDA/./-}" with one of these, or with a variable of FROM.
  const auto by_variable = [&](std::string_view text, std::string_view sign) {
    const std::size_t at = text.find(sign);
    if (at >= text.find('/')) return false;
    std::string_view variable = text.substr(at + sign.size());
    if (variable.starts_with('{')) variable.remove_prefix(1);
    variable = variable.substr(0, variable.find_first_not_of(kVariable));
    return !variable.empty() && (minors.contains(variable) || uses_variable(base, variable));
  };
  for (const std::string_view word : words) {
    const std::size_t equals = word.find('=');
    const std::string_view name = word.substr(0, equals);
    const std::string_view version = equals == word.npos ? "" : word.substr(equals + 1);
    const bool named = name.ends_with(dashed) || name.ends_with(major) || by_variable(name, "-$");
    const bool system =
        !version.empty() && !version.starts_with('=') &&
        (named || version.ends_with("+cuda" + minor) || by_variable(version, "+cuda$"));
    if (word.starts_with('-') || (!system && !(names && word.ends_with(dashed))) ||
        std::ranges::find(out, word) != out.end())
      continue;
    out.emplace_back(word);
    if (out.size() == kMost) break;
  }
  return out;
}

std::vector<std::size_t> lines_of_version(const ProjectFile& file, std::string_view cuda,
                                          bool other_minor) {
  constexpr std::size_t kMost = 5;
  const std::string directory = "cuda-" + major_minor(cuda);
  const auto names = [](std::string_view line, std::string_view word) {
    const auto goes_on = [](char c) { return is_digit(c) || c == '.'; };
    for (std::size_t at = line.find(word); at != line.npos; at = line.find(word, at + 1)) {
      const std::size_t end = at + word.size();
      if ((at == 0 || !goes_on(line[at - 1])) && (end == line.size() || !goes_on(line[end])))
        return true;
    }
    return false;
  };
  std::vector<std::size_t> out;
  std::size_t number = 0;
  for (const std::string_view line : split(file.source.text(), '\n')) {
    ++number;
    const std::string_view bare = trim_space(line);
    if (starts_with_any(to_lower(bare.substr(0, 5)), {"#", "from ", "from:", "arg "})) continue;
    if (!names(bare, cuda) && (!other_minor || !names(bare, directory))) continue;
    out.push_back(number);
    if (out.size() == kMost) break;
  }
  return out;
}

std::size_t line_of_old_list(const ProjectFile& file) {
  std::size_t number = 0;
  for (const std::string_view line : split(file.source.text(), '\n')) {
    ++number;
    const std::size_t at = line.find("rm /etc/apt/sources.list.d/");
    if (at != line.npos && !trim_space(line).starts_with('#') &&
        (line.substr(at).contains("/cuda.list") || line.substr(at).contains("/nvidia-ml.list")))
      return number;
  }
  return 0;
}

std::vector<std::string> copied_sources(const Dockerfile& dockerfile, Span base) {
  constexpr std::size_t kMost = 5;
  std::vector<std::string> out;
  for (const Stage& stage : dockerfile.stages)
    for (const Instruction& copy : stage.instructions) {
      const auto from = dockerfile.copied_from(copy);
      const auto lineage = from ? dockerfile.lineage(*from) : std::vector<std::size_t>();
      if (lineage.empty() || dockerfile.stages[lineage.back()].base.span.begin != base.begin)
        continue;
      for (const Word& word : copy.words)
        if (&word != &copy.words.back() && out.size() < kMost &&
            is_one_of(word.text,
                      {"/etc/apt/sources.list.d/cuda.list",
                       "/etc/apt/sources.list.d/nvidia-ml.list", "/etc/apt/trusted.gpg"}) &&
            std::ranges::find(out, word.text) == out.end())
          out.push_back(word.text);
    }
  return out;
}

std::vector<std::string> ties_to_distribution(const ProjectFile& file,
                                              const knowledge::Images& images, std::string_view own,
                                              std::string_view other) {
  constexpr std::size_t kMost = 3;
  std::vector<std::string> out;
  const auto add = [&](std::string_view one) {
    if (out.size() < kMost && std::ranges::find(out, one) == out.end()) out.emplace_back(one);
  };
  const bool other_python = has_other_python(file.source.text());
  const bool deadsnakes = file.source.text().contains("deadsnakes");
  const std::string old_python = python_of(images, own), python = python_of(images, other);
  for (const std::string_view word : words_of(file)) {
    if (is_old_compiler(word) || word == "centos-release-scl" ||
        starts_with_any(word, {"devtoolset-", "rh-python", "cuda-cross-"}))
      add(word);
    if (word.starts_with("manylinux") || word == "auditwheel") add("the glibc of its wheels");
    if (const std::string lost = lost_python(word, python, deadsnakes);
        !lost.empty() && (deadsnakes || !other_python))
      add(lost);
    if (other_python) continue;
    if (!old_python.empty() && old_python != python)
      if (const std::size_t at = word.find("python3."); at != word.npos) {
        const std::string_view minor = digits_at(word, at + 8);
        if (fmt::format("3.{}", minor) == old_python) add(fmt::format("python{}", old_python));
      }
    if (lacks_wheel(word, python)) add(word);
  }
  if (has_part(file_name(file.source.path()), "._-", {"pypi", "wheel", "wheels", "manylinux"}))
    add("the glibc of its wheels");
  return out;
}

}  // namespace flense::lint

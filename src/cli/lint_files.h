// Which files a call of lint reads: those named, and in directories those of a kind that it knows.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/stream.h"
#include "lint/lint.h"

namespace flense::cli {

/// Longer files are not read; bytes.
constexpr std::uint64_t kMaxFile = 16U << 20;

struct LintFile {
  std::filesystem::path path;  ///< "-" for standard input
  bool named = false;        ///< by the user; or it lies in a directory, and its name may be of use
  bool link = false;         ///< in a directory
  std::string project_path;  ///< lint::SourceText::project_path()
};
/// `names` are files, directories, or "-" for standard input. No file is opened. Links to
/// directories, and those that lead out of the directory and of the repository around it, are not
/// followed; .git, node_modules, virtual environments and caches of Python are
/// left out.
Result<std::vector<LintFile>> lint_files(const std::vector<std::string>& names);

/// Links to another file of the list, by path.
std::vector<std::string> links_among(const std::vector<LintFile>& files);

/// Their texts, of those in directories if they are of a kind that lint knows. Bad input for one
/// that was named and is not there.
Result<std::vector<lint::Input>> lint_inputs(const std::vector<LintFile>& files);

/// A file that says something of its tree, such as a license; empty: no regular file, one that a
/// link brings from outside, or more than `most` bytes. Pipes are not waited for.
std::string text_beside(const std::filesystem::path& file, std::uint64_t most);

/// The files of build contexts, by directory: at most 200,000 each.
std::vector<lint::Context> list_contexts(const std::vector<std::string>& directories);

}  // namespace flense::cli

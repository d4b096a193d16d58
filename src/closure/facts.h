// What the closure of an image is drawn from beside the scan: names in programs, libraries, scripts
// and Python sources, and the files of packages. Read in one more walk over the layers, and only
// where somebody asks for the closure.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/progress.h"
#include "closure/package_metadata.h"
#include "closure/python_imports.h"
#include "closure/shell_words.h"
#include "image/model/image.h"
#include "inventory/scan/content_digests.h"
#include "inventory/scan/contents.h"

namespace flense::closure {

/// Of an ELF file.
struct ReachElf {
  /// In its data: names of files that the image has somewhere ("libfoo.so.1"), and beginnings of
  /// absolute paths that exist in it, which begin with '/'. Sorted, each once.
  std::vector<std::string> names;
  std::vector<std::string> calls;  ///< functions that it imports, of those asked for
};

struct ReachMention {
  std::string name;
  std::uint32_t line = 0;
  PythonMention how = PythonMention::kText;  ///< words of a shell: kText
  bool operator==(const ReachMention&) const = default;
};

/// Of a script or a source: names of something that the image has.
struct ReachText {
  std::vector<ReachMention> mentions;
  ShellUnclear unclear;
};

struct ReachFacts {
  std::map<inventory::ContentKey, ReachElf> elf;
  std::map<inventory::ContentKey, ReachText> python, shell;
  std::map<inventory::ContentKey, ReachText> path_files;  ///< *.pth
  std::vector<ListedPackage> packages;                    ///< paths as they really lie
  /// By the directory that holds the metadata: ".../x-1.0.dist-info".
  std::map<std::string, std::vector<Requirement>, std::less<>> requirements;
  std::map<std::string, std::vector<std::string>, std::less<>> plugin_groups;
};

/// Names that texts may mean, as the merged tree has them.
struct ReachVocabulary {
  static ReachVocabulary of(const image::Image& image, const image::MergedTree& tree);

  std::set<std::string, std::less<>> programs;       ///< in the directories of PATH
  std::set<std::string, std::less<>> libraries;      ///< file names with ".so"
  std::set<std::string, std::less<>> modules;        ///< at the top of site-packages and its like
  std::set<std::string, std::less<>> distributions;  ///< normalised names
  std::set<std::string, std::less<>> roots;          ///< names in the root directory

  /// The top-level module of "a.b:c", when it is one that the image has.
  bool names_module(std::string_view text) const;
};

struct ReachFactsOptions {
  std::set<std::string, std::less<>> calls;  ///< functions of interest
  std::filesystem::path scratch_directory;
  Progress* progress = nullptr;
};
Result<ReachFacts> read_reach_facts(const image::Image& image, const inventory::Contents& contents,
                                    const ReachFactsOptions& options);

/// Names in the data of an ELF file, and what it imports of `calls`.
ReachElf read_reach_elf(Bytes bytes, const image::MergedTree& tree,
                        const ReachVocabulary& vocabulary,
                        const std::set<std::string, std::less<>>& calls);

}  // namespace flense::closure

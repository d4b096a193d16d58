// One walk over what a container sees: ELF files, library names, the few texts that decide where
// libraries are found.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "image/model/image.h"
#include "inventory/describe/links.h"
#include "inventory/scan/contents.h"

namespace flense::inventory {

struct SurveyFile {
  std::string path;
  std::uint64_t size = 0;
  const ElfFacts* elf = nullptr;  ///< null: no ELF file
};

struct Survey {
  const image::Image& image;
  const Contents& contents;
  std::map<std::string, std::string> environment;
  LibraryPaths paths;                   ///< with the directories of ld.so.conf
  std::vector<std::string> configured;  ///< the directories of ld.so.conf alone
  std::uint16_t machine;                ///< EM_* of the image's programs; 0 without any
  /// Regular files, each content once: ELF files, and those whose name says that they matter here
  /// (model weights, libraries of the driver).
  std::vector<SurveyFile> files;
  /// Names under which the loader can find a library somewhere, directories of stubs and files for
  /// another processor apart: file names, and names of links that lead to a file.
  std::set<std::string, std::less<>> libraries;
  /// SONAMEs, with the names of their files. The loader takes a library for its SONAME once it is
  /// loaded, and does not look for it.
  std::map<std::string, std::set<std::string>, std::less<>> sonames;

  /// Follows links; nullopt when no file is there.
  std::optional<std::string> resolve(std::string_view path) const;
  bool exists(std::string_view path) const { return resolve(path).has_value(); }
  /// Facts of the ELF file at `path`, links followed.
  const ElfFacts* elf_at(std::string_view path) const;
  /// Text of a file that the scan keeps (wants_text); empty when there is none.
  std::string_view text_at(std::string_view path) const;
  /// A library of this name or SONAME is there; "libnvrtc.so.*" means any version.
  bool has_library(std::string_view name) const;
};

Survey survey(const image::Image& image, const Contents& contents);

}  // namespace flense::inventory

// Which runtimes and frameworks an image holds, told from package databases, file names, version
// files and the image's environment. Every statement carries what it was told from.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "inventory/describe/inventory.h"

namespace flense::inventory {

/// A file whose name alone is evidence ("libcudart.so.12.4.127", "bin/python3.11").
bool is_runtime_clue(std::string_view path);

struct RuntimeClues {
  std::vector<InstalledPackage> packages;
  std::vector<std::string> paths;            ///< those with is_runtime_clue
  std::map<std::string, std::string> texts;  ///< by path: os-release, torch/version.py, …
  std::map<std::string, std::string> environment;
  std::map<std::string, std::string> libc_releases;  ///< by path of libc.so.6
};

/// One row per (name, version); several copies of different versions give several rows. Order: the
/// distribution and libc first, then Python, then CUDA and its libraries, then frameworks.
std::vector<Runtime> find_runtimes(const RuntimeClues& clues);

}  // namespace flense::inventory

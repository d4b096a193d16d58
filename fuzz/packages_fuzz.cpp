// Package databases, version files and path classification: bytes that come straight from an image.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "inventory/describe/runtimes.h"
#include "inventory/names/waste.h"
#include "inventory/scan/packages.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using flense::inventory::PackageFile;
  if (size == 0) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  constexpr PackageFile kKinds[] = {PackageFile::kDpkgStatus, PackageFile::kApkInstalled,
                                    PackageFile::kCondaMeta, PackageFile::kPythonMetadata};
  flense::inventory::RuntimeClues clues;
  for (const auto& package : flense::inventory::parse_packages(kKinds[data[0] % 4], text)) {
    // What comes out is a name and a version that a table can print.
    if (package.name.empty() || package.version.empty() || package.name.size() > 256) std::abort();
    clues.packages.push_back({package, "db"});
  }
  static_cast<void>(flense::inventory::parse_os_release(text));
  static_cast<void>(flense::inventory::python_assignment(text, "cuda"));
  static const flense::inventory::WasteClassifier classifier;
  const std::string_view path = text.substr(0, 512);
  static_cast<void>(classifier.classify(path));
  if (flense::inventory::is_runtime_clue(path)) clues.paths.emplace_back(path);
  clues.texts = {{"etc/os-release", std::string(text)},
                 {"v/torch/version.py", std::string(text)},
                 {"v/pyvenv.cfg", std::string(text)},
                 {"usr/local/cuda/version.json", std::string(text)},
                 {"opt/rocm/.info/version", std::string(text)}};
  for (const auto& runtime : flense::inventory::find_runtimes(clues))
    if (runtime.name.empty() || runtime.evidence.empty()) std::abort();
  return 0;
}

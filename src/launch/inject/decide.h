// Decides library by library whether the container gets the host's. Values to values; the image is
// queried through ImageLibraries.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "base/result.h"
#include "launch/inject/host.h"
#include "launch/inject/inject.h"
#include "launch/inject/search.h"

namespace flense::launch {

/// The image as libraries of each machine see it.
class ImageViews {
 public:
  ImageViews(const ImageRoot& root, std::string library_path)
      : root_(root), library_path_(std::move(library_path)) {}
  ImageLibraries& of(std::uint16_t machine);
  const ImageRoot& root() const { return root_; }

 private:
  const ImageRoot& root_;
  std::string library_path_;
  std::map<std::uint16_t, ImageLibraries> views_;
};

/// The image's forward-compatibility libraries: libcuda.so.1 of a newer driver.
struct CompatFolder {
  std::string path;     ///< "/usr/local/cuda-12.4/compat"
  std::string version;  ///< "550.54.15"
  std::uint16_t machine = 0;
  /// Names in it and the files they lead to, absolute in the image.
  std::map<std::string, std::string> libraries;
};
/// The newest in /usr/local/cuda*/compat of that machine; nullopt when there is none.
std::optional<CompatFolder> find_compat(const ImageRoot& root, std::uint16_t machine);

/// One decision a library, in their order. An error when a required one cannot be loaded.
Result<std::vector<Decision>> decide(const std::vector<HostLibrary>& libraries, ImageViews& views,
                                     const std::optional<CompatFolder>& compat);

}  // namespace flense::launch

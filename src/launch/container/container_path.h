// Where a path of a container leads, determined before the container exists: through the links of
// the image and of what is mounted over it, as the kernel will follow them. A path through /proc
// leads to whatever its processes have open (CVE-2024-21626), and is reported separately.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/file.h"
#include "launch/container/oci_config.h"
#include "launch/rootfs/in_root.h"

namespace flense::launch {

struct ContainerPlace {
  enum class State {
    kFound,
    kMissing,
    kBelowFile,  ///< missing, since what is above it is not a directory
    kForbidden,  ///< a directory on the path is not searchable
    kLoop,       ///< more links than the kernel follows
    kProc,       ///< in /proc, or by a link into it
    kUnknown,    ///< in a file system that the kernel or crun fills
  };
  State state = State::kMissing;
  std::string path;  ///< absolute, without links as far as they could be followed
  FileKind kind = FileKind::kMissing;
  UniqueFd fd;           ///< O_PATH, where it is found
  bool mounted = false;  ///< the image is not visible there
  bool fresh = false;    ///< but memory that is initially empty
};

class ContainerPaths {
 public:
  /// `root` is the image's root directory, and outlives the object. Who is another there than the
  /// caller, or has capabilities there, may enter what is closed to us: nothing can be said of it.
  explicit ContainerPaths(int root, bool as_caller = true) : root_(root), as_caller_(as_caller) {}

  /// A directory or file that is made above the root, whatever the image has on the way: relative.
  void make(std::string_view path, bool directory);
  /// In the order in which they are mounted: each is looked for among those before it. Where the
  /// target leads.
  ContainerPlace mount(const OciMount& mount);
  /// `path` is absolute.
  ContainerPlace find(std::string_view path) const;
  bool as_caller() const { return as_caller_; }

 private:
  struct Mounted {
    std::string target;  ///< without links
    std::string type, source;
  };
  const Mounted* covering(std::string_view path) const;
  /// Directories that crun makes for a mount below.
  bool leads_to_mount(std::string_view path) const;
  ContainerPlace look(const std::string& path) const;

  ContainerPlace opened(UniqueFd fd, int error, const std::string& path) const;

  int root_;
  bool as_caller_;
  std::vector<Mounted> mounts_;
  std::map<std::string, FileKind, std::less<>> made_;
};

}  // namespace flense::launch

// Which of the host's driver libraries a container gets, decided library by library from what the
// ELF files say about each other; one directory of links and one loader cache for an image and a
// driver, made once and bound as a whole.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "base/file.h"
#include "base/result.h"
#include "cdi/spec/spec.h"

namespace flense::launch {

/// A library of the driver, or a file beside it, and what becomes of it.
struct Decision {
  std::string file;  ///< on the host
  bool injected = false;
  std::string reason;  ///< one sentence: "the image has its own libGL.so.1"
  bool operator==(const Decision&) const = default;
};

struct Injection {
  /// To be applied: the given ones, libraries replaced by binds at /run/flense and a loader cache
  /// over /etc/ld.so.cache. Targets may be missing in the image.
  cdi::Edits edits;
  std::vector<Decision> decisions;
  std::vector<std::string> notices;
  /// Keeps the prepared directory from being removed while it is open; empty when none is used.
  UniqueFd held;
};

struct InjectOptions {
  std::string image_key;            ///< names the unpacked root: 64 hexadecimal digits
  std::filesystem::path directory;  ///< of prepared directories, ours, node-local
  bool use_image_compat = false;    ///< the image's forward-compatibility libraries serve here
  std::string library_path;         ///< LD_LIBRARY_PATH as the container will have it
  bool root_may_change = false;  ///< a directory of the user's, which image_key names by its place
};

/// `root` is the image's unpacked root directory; nothing in it is opened but by openat2 below it.
/// An error when a library that the request cannot do without cannot be loaded there (musl, an
/// older glibc), with the reason.
Result<Injection> plan_injection(const cdi::Edits& edits, const UniqueFd& root,
                                 const InjectOptions& options);

}  // namespace flense::launch

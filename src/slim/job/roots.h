// Images as directories, for commands to run in.
#pragma once

#include <filesystem>
#include <optional>

#include "base/private_directory.h"
#include "slim/job/input.h"
#include "slim/sandbox/sandbox.h"

namespace flense::slim {

struct Slimming;

/// Gone with its owner.
struct UnpackedRoot {
  TemporaryDirectory directory;
  std::filesystem::path path;
  SandboxEnvironment environment;          ///< what the image says its processes get
  std::optional<SandboxRun> checked = {};  ///< what --verify's command did in it
};

/// Unpacks the input, unless `original` holds it. It need not have been read.
Result<void> unpack_original(const image::Image& image, const Workplace& workplace,
                             std::optional<UnpackedRoot>& original);
/// The image as it becomes.
Result<UnpackedRoot> unpack_result(const Slimming& slimming, const Workplace& workplace);

}  // namespace flense::slim

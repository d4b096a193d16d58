// Where unpacked roots are kept, and the root of an image, for the commands that use and clear
// them.
#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "cli/shared/common.h"
#include "cli/shared/io.h"
#include "image/model/image.h"
#include "launch/rootfs/store.h"

namespace flense::cli {

struct OpenedRoots {
  launch::RootStore store;
  std::filesystem::path prepared;  ///< beside it: driver libraries fitted to images
  std::string note;  ///< why not in the usual place, or that it is on a network file system
};

/// The first of the places for inventories (common.h) that can be used and lets programs be
/// executed. An environment error that says why none can.
Result<OpenedRoots> open_root_store(const Io& io);

struct OpenedRoot {
  std::unique_ptr<const image::Image> image;
  launch::RootFs root;
  std::string place;               ///< where the root lies, and complaints about other places
  std::filesystem::path prepared;  ///< as of OpenedRoots, where those were opened
};

/// A directory is used where it lies; anything else is unpacked, or mounted by the kernel.
Result<OpenedRoot> open_root(const std::string& target, const Request& request,
                             const ImageOptions& options, bool mounted, Io& io);

}  // namespace flense::cli

// Where unpacked roots are kept, for the commands that use and clear them.
#pragma once

#include <filesystem>
#include <string>

#include "cli/shared/io.h"
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

}  // namespace flense::cli

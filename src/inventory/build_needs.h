// What in an image compiles at run time, and therefore needs headers, compilers and static
// libraries that others only build with.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "inventory/contents.h"
#include "inventory/inventory.h"

namespace flense::inventory {

/// The tools of the image that such programs start; empty where it has none.
struct BuildTools {
  std::string host_compiler;     ///< path of a C compiler
  std::string nvcc;              ///< path
  std::string ninja;             ///< path, or the package
  std::string torch_extensions;  ///< a file that torch.utils.cpp_extension has built
};

/// Pure: from packages and tools to needs.
BuildNeeds build_needs(const BuildTools& tools, const std::vector<InstalledPackage>& packages);

/// The same with the tools that a container sees.
BuildNeeds find_build_needs(const Contents& contents,
                            const std::vector<InstalledPackage>& packages);

}  // namespace flense::inventory

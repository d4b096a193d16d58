// What in an image compiles at run time, and therefore needs headers, compilers and static
// libraries that others only build with.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "inventory/describe/compile_evidence.h"
#include "inventory/describe/inventory.h"
#include "inventory/scan/contents.h"

namespace flense::inventory {

/// The tools of the image that such programs start; empty where it has none.
struct BuildTools {
  std::string host_compiler;     ///< path of a C compiler
  std::string nvcc;              ///< path
  std::string ninja;             ///< path, or the package
  std::string torch_extensions;  ///< a file that torch.utils.cpp_extension has built
};

/// What a package starts or reads when it compiles at run time.
enum BuilderNeeds : unsigned {
  kHostCompiler = 1,  ///< a C or C++ compiler, with headers and what it links
  kNvcc = 2,          ///< nvcc, with the CUDA headers and what it links
  kCudaHeaders = 4,   ///< the CUDA headers, read by NVRTC
};

struct RuntimeBuilder {
  std::string_view package;  ///< normalised name; a trailing '*' matches any rest
  unsigned needs;            ///< BuilderNeeds
  std::string_view what;     ///< completes "<package> <version> …"
  bool seldom = false;       ///< only some programs have it compile
};

/// The Python package (normalised name) as one that compiles at run time; null when it is not known
/// to.
const RuntimeBuilder* runtime_builder(std::string_view package);

/// The tools that a container sees.
BuildTools find_build_tools(const Contents& contents,
                            const std::vector<InstalledPackage>& packages);

/// Pure: from packages, tools and what files hold to needs.
BuildNeeds build_needs(const BuildTools& tools, const std::vector<InstalledPackage>& packages,
                       const CompileEvidence& evidence = {});

/// The same with the tools that a container sees.
BuildNeeds find_build_needs(const Contents& contents,
                            const std::vector<InstalledPackage>& packages);

}  // namespace flense::inventory

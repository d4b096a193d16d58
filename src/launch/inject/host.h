// The libraries among the mounts of CDI edits, and what the host knows about each.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/file.h"
#include "base/result.h"
#include "cdi/spec/spec.h"
#include "elf/abi_facts.h"

namespace flense::launch {

/// A mount whose name is that of a shared library, before its bytes are looked at.
struct LibraryMount {
  std::size_t index = 0;  ///< in Edits::mounts
  FileIdentity identity;  ///< of the file on the host
};

/// By name alone, and by what the host says of the file; nothing is opened. An environment error
/// for a file that does not exist.
Result<std::vector<LibraryMount>> library_mounts(const cdi::Edits& edits);

/// A file that is a shared library, with all names under which it shall be found.
struct HostLibrary {
  std::string file;  ///< as the edits name it first
  std::string real;  ///< with links followed
  std::string container_path;
  elf::AbiFacts facts;
  std::set<std::string> names;      ///< SONAME, the file's own, those of links
  std::vector<std::size_t> mounts;  ///< in Edits::mounts
  bool by_path = false;             ///< what loads it names its whole path: it stays where it is

  /// SONAME, or the file's own name without one.
  std::string name() const;
};

/// Files that are not shared libraries are left out: their mounts stay.
Result<std::vector<HostLibrary>> host_libraries(const cdi::Edits& edits,
                                                const std::vector<LibraryMount>& mounts);

enum class LibraryKind : std::uint8_t {
  kDriver,    ///< NVIDIA's own: must be of the kernel module's version
  kDispatch,  ///< loaders of glvnd and OpenCL, which belong to the distribution
  kOther,
};
LibraryKind kind_of(const HostLibrary& library);
/// CUDA and its management library: without them a GPU cannot be used.
bool is_required(const HostLibrary& library);

/// The version in a file's name: "550.54.15" of libcuda.so.550.54.15, "1" of libGL.so.1; empty
/// without one.
std::string_view version_in_name(std::string_view file);

/// What a hook of NVIDIA's toolkit would do at each start.
struct KnownHook {
  enum class Kind : std::uint8_t { kLinks, kLoaderCache, kCompat, kOther } kind = Kind::kOther;
  struct Link {
    std::string target, path;
  };
  std::vector<Link> links;
  std::string name;  ///< "update-ldcache"
};
/// nullopt for hooks of others, and for those that do something a prepared directory does not.
std::optional<KnownHook> known_hook(const cdi::Hook& hook);

}  // namespace flense::launch

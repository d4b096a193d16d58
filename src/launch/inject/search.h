// How the loader of an image finds libraries, and which C library it belongs to: ld.so(8) applied
// to the image's bytes, nothing executed. RPATH and RUNPATH depend on each program and are not
// looked at.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "elf/abi_facts.h"
#include "elf/loader_cache.h"
#include "launch/inject/root.h"

namespace flense::launch {

/// A library of the image that its loader would open.
struct ImageLibrary {
  std::string path;  ///< as the loader names it: "/usr/lib/x86_64-linux-gnu/libGL.so.1"
  std::string real;  ///< with links followed
  elf::AbiFacts facts;
};

class ImageLibraries {
 public:
  enum class Libc : std::uint8_t { kGlibc, kMusl, kNone };

  /// For libraries of one ELF machine; `library_path` is LD_LIBRARY_PATH as the container has it.
  ImageLibraries(const ImageRoot& root, std::uint16_t machine, const std::string& library_path);

  Libc libc() const { return libc_; }
  /// libc.so.6; null unless kGlibc.
  const ImageLibrary* libc_file() const { return libc_file_ ? &*libc_file_ : nullptr; }
  /// Why libc() is what it is: "its loader is /lib/ld-musl-x86_64.so.1".
  const std::string& libc_evidence() const { return libc_evidence_; }
  /// Whether the loader looks at /etc/ld.so.cache: that of Nix and of Guix has a cache of its own.
  bool reads_cache() const { return reads_cache_; }

  /// The usable copy that the loader reaches first; files without a byte, stubs for linkers and
  /// files of another machine are passed over. Null when there is none.
  const ImageLibrary* find(const std::string& name);
  /// The file in a directory of LD_LIBRARY_PATH which the loader would try for `name`, usable or
  /// not; empty when there is none.
  std::string in_library_path(const std::string& name) const;
  /// A file of that name which counts as absent: "/usr/lib64/libcuda.so.1 holds no byte".
  std::string placeholder(const std::string& name) const;

  /// The image's loader cache. Entries belong to this object.
  const std::vector<elf::CacheEntry>& cache() const { return cache_; }
  /// Why the cache could not be used; empty where it could, or where there is none.
  const std::string& cache_problem() const { return cache_problem_; }

 private:
  void read_cache();
  void find_libc();
  void find_store_libc();
  std::vector<std::string> places_of(const std::string& name) const;
  std::optional<ImageLibrary> usable(const std::string& path) const;

  const ImageRoot& root_;
  std::uint16_t machine_;
  std::vector<std::string> library_path_, defaults_;
  std::string cache_bytes_, cache_problem_;
  std::vector<elf::CacheEntry> cache_;
  Libc libc_ = Libc::kNone;
  std::optional<ImageLibrary> libc_file_;
  std::string libc_evidence_;
  bool reads_cache_ = true;
  std::map<std::string, std::optional<ImageLibrary>> found_;
};

/// By what a root that may change is told from what it was: its loader cache, C libraries, and the
/// directories in which libraries are looked for, whose times change with their names.
std::vector<std::string> decisive_places(std::string_view library_path);

/// Directories in which a loader of the machine looks without being told; absolute.
std::vector<std::string> default_library_directories(std::uint16_t machine);

}  // namespace flense::launch

// Which file glibc's loader would open for a library that a program names: ld.so(8) without RPATH
// and RUNPATH, which depend on the program.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "host/tree.h"

namespace flense::doctor {

struct Candidate {
  enum class State : std::uint8_t {
    kUsable,
    kEmpty,         ///< no byte in it
    kNoElf,         ///< something else than an ELF file
    kOtherMachine,  ///< the loader goes on to the next
    kUnreadable,
  };
  std::string path;    ///< as the loader names it, with a leading slash
  std::string real;    ///< with links followed, with a leading slash
  std::string origin;  ///< "LD_LIBRARY_PATH", "/etc/ld.so.cache", "default directory"
  State state = State::kUsable;
  std::uint64_t bytes = 0;
  bool operator==(const Candidate&) const = default;
};

struct LibrarySearch {
  std::optional<Candidate> found;      ///< the one that the loader takes, be it any good or not
  std::vector<Candidate> passed_over;  ///< of another machine, before it
  std::vector<std::string> looked_at;
  /// Directories of /etc/ld.so.conf that hold it while the cache does not name it.
  std::vector<std::string> not_cached;
  std::string cache_problem;  ///< why the cache could not be used; empty when it was
};

/// e_machine for "x86_64" and "aarch64"; 0 for others, which matches any.
std::uint16_t elf_machine(std::string_view architecture);

LibrarySearch find_library(const host::Tree& root, std::string_view name,
                           std::string_view library_path, std::uint16_t machine);

/// Directories that /etc/ld.so.conf names, with its includes one level deep; at most 256.
std::vector<std::string> configured_directories(const host::Tree& root);

/// The directories of a path list such as LD_LIBRARY_PATH, absolute ones only; at most 256.
std::vector<std::string> directories_of(std::string_view list);

}  // namespace flense::doctor

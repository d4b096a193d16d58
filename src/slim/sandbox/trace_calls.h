// The system calls that name a file: where a traced run is stopped, and which argument says what.
// For the architecture that this program was built for; calls of others (32-bit programs on a
// 64-bit kernel, x32) are told apart and not read.
#pragma once

#include <linux/filter.h>

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace flense::slim {

struct TracedCall {
  enum class Kind {
    kUse,      ///< opens the file, or reads the link
    kLook,     ///< asks about it, changes its attributes, makes it the working directory
    kExecute,  ///< becomes it
    kRoot,     ///< changes what paths mean to the caller
  };
  /// What a flag of the call decides about a link at the end of the path.
  enum class LastLink {
    kFollowed,
    kKept,                ///< the call is about the link itself
    kFollowedUnlessFlag,  ///< `flag` stands in the argument `flags`
    kKeptUnlessFlag,
    kFollowedUnlessFlagInMemory,  ///< the argument points at 64 bits of flags (openat2)
  };

  int number = 0;
  std::string_view name;  ///< as seccomp's users write it
  Kind kind = Kind::kLook;
  int directory = -1;  ///< argument: descriptor that relative paths begin at; -1: working directory
  int path = 0;        ///< argument
  LastLink last = LastLink::kFollowed;
  int flags = 0;  ///< argument
  std::uint64_t flag = 0;
};

std::span<const TracedCall> traced_calls();

/// Null when the call is not one of them, or of another architecture. `architecture` is an
/// AUDIT_ARCH_* as ptrace(2) reports it.
const TracedCall* traced_call(std::uint32_t architecture, std::uint64_t number);

/// Whether a call is made by code of the architecture that the table is for.
bool is_native_call(std::uint32_t architecture, std::uint64_t number);

/// A seccomp(2) program that stops at those calls, and at every call of another architecture
/// (SECCOMP_RET_TRACE), and lets the others pass. io_uring is refused as if the kernel had none:
/// what is opened through it is seen by no filter.
std::vector<sock_filter> trace_filter();

}  // namespace flense::slim

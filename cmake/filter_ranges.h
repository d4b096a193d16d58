// A program for seccomp(2) made short: libseccomp asks for each system call by itself, which is
// some 1,400 instructions that the kernel checks, translates and runs for every call number at each
// start. Most numbers lie in ranges with one answer.
#pragma once

#include <linux/filter.h>

#include <vector>

#include "base/result.h"

namespace flense::launch {

/// The same answers for every architecture and number; where arguments decide, the same
/// instructions. Bad input for a program that libseccomp would not write.
Result<std::vector<sock_filter>> in_ranges(const std::vector<sock_filter>& program);

}  // namespace flense::launch

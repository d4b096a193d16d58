// Which system calls a process still makes that only reads what strangers made: all but those of a
// list, as a program for seccomp(2). A list of what is allowed would hold a hundred calls that the
// C library may exchange for others any day; what an attack needs is known.
#pragma once

#include <linux/filter.h>
#include <sys/types.h>

#include <string_view>
#include <vector>

namespace flense::guard {

/// For the process `self`: signals to others are refused. What programs at times try gets EPERM;
/// what only an attack does (exec, ptrace, mount, modules, keys, …) raises SIGSYS and is not done.
std::vector<sock_filter> call_filter(pid_t self);

/// Of a call that raised SIGSYS, for a message; empty when it is none of ours.
std::string_view refused_call(int number);

}  // namespace flense::guard

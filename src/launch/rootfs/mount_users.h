// Who uses a kept directory after the lock on it is gone: processes that outlive the first one of
// their container hold no descriptor, and still run in what is mounted from there.
#pragma once

#include <filesystem>

namespace flense::launch {

/// Whether a process that `proc` shows has a mount of something in `directory`, or an overlay on
/// it, which is mounted under its path as source. Also true where that cannot be told: of a process
/// whose root we may not look at, of one of ours that shows none.
bool is_mounted(const std::filesystem::path& directory,
                const std::filesystem::path& proc = "/proc");

/// Leaves in the directory from which PID namespace it is used. Costs three system calls.
void note_pid_namespace(int directory);
/// Whether processes that use it may be in a PID namespace that we cannot see, since boot.
bool is_used_out_of_sight(int directory);

}  // namespace flense::launch

// Calls that only a process of one thread may make: entering a user namespace (unshare(2),
// setns(2)).
#pragma once

#include <functional>

namespace flense::launch {

/// 0, or the errno of `call`, which returns 0 or sets errno. A thread that was joined a moment ago
/// may still count for the kernel, which answers EINVAL meanwhile: tried again, for seconds at
/// most.
int once_alone(const std::function<int()>& call);

}  // namespace flense::launch

// Places that nearly every launch mounts something on: made in a root while it is unpacked, so that
// a read-only root has them without a layer on top.
#pragma once

#include "base/result.h"

namespace flense::launch {

/// Makes those that are missing: directories /proc, /sys, /dev, /tmp, …, empty files
/// /etc/resolv.conf, /etc/hosts, …. What is there stays, links too, wherever they lead.
Result<void> make_mount_points(int root);

}  // namespace flense::launch

// Mount points that nearly every launch needs: created in a root while it is unpacked, so that a
// read-only root has them without an additional layer.
#pragma once

#include "base/result.h"

namespace flense::launch {

/// Makes those that are missing: directories /proc, /sys, /dev, /tmp, …, empty files
/// /etc/resolv.conf, /etc/hosts, …. What is there stays, links too, wherever they lead.
Result<void> make_mount_points(int root);

}  // namespace flense::launch

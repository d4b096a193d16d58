// The squashfs of an image mounted in place by the kernel, instead of unpacked: nothing to wait for
// and nothing in the cache, but every first read of a page decompresses it. The kernel trusts the
// file system's structures, hence only on request.
#pragma once

#include <filesystem>

#include "base/result.h"
#include "image/model/image.h"
#include "launch/rootfs/store.h"

namespace flense::launch {

/// A read-only mount that belongs to no directory yet (fsmount(2)); start_stage() puts it in its
/// place. Its loop device goes with the last use. `image` is what was opened from `file`. Needs
/// CAP_SYS_ADMIN outside of any user namespace, Linux 5.8, and loop devices: an environment error
/// that says which is missing. A usage error for an image that is no squashfs and no SIF.
Result<RootFs> mount_image(const image::Image& image, const std::filesystem::path& file);

}  // namespace flense::launch

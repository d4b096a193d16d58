// A container started by root that runs as another user: an unused id of the host, chosen for each
// start, so that neither files of root nor processes of another container are within its reach
// (`--userns auto`). Mounts are mapped to it (mount_setattr(2), MOUNT_ATTR_IDMAP), so that it owns
// the unpacked root, which is root's.
#pragma once

#include <cstdint>
#include <filesystem>

#include "base/file.h"
#include "base/result.h"

namespace flense::launch {

struct OtherId {
  std::uint32_t id = 0;  ///< uid and gid
  UniqueFd map;          ///< a user namespace in which 0 is this id
};

/// A usage error for everybody but root.
Result<OtherId> draw_other_id();

/// The directory as a mount that is attached nowhere, in which what is root's is the id's. An
/// environment error where the kernel (before 5.12) or the file system maps none.
Result<UniqueFd> mount_for(const OtherId& other, const std::filesystem::path& directory);

/// An empty directory of root's that everybody can reach, to mount on.
Result<std::filesystem::path> open_common_stage();

/// This process is that id from now on, without further groups.
Result<void> become_other_id(std::uint32_t id);

}  // namespace flense::launch

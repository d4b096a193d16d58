#include "launch/rootfs/disk_space.h"

#include <sys/statvfs.h>

#include <array>
#include <cerrno>
#include <system_error>

namespace flense::launch {

Room room_in(const std::filesystem::path& directory) {
  struct statvfs found{};
  if (::statvfs(directory.c_str(), &found) != 0) return {};
  const std::uint64_t unit = found.f_frsize;
  return {found.f_bavail * unit, found.f_blocks * unit, found.f_files > 0 && found.f_favail == 0};
}

bool is_full(const Error& error) {
  constexpr std::array<int, 2> kFull = {ENOSPC, EDQUOT};
  for (const int one : kFull)
    if (error.message.ends_with(": " + std::generic_category().message(one))) return true;
  return false;
}

Error no_room(Error error, const RoomNeed& need) {
  Error out;
  out.code = Code::kEnvironment;
  out.message = need.no_inodes
                    ? fmt::format("no room for {} in {}: its file system has no inode left",
                                  need.what, need.directory.string())
                    : fmt::format("no room for {} in {}: {} or more are needed, {} of {} were free",
                                  need.what, need.directory.string(), human_bytes(need.bytes),
                                  human_bytes(need.before.free), human_bytes(need.before.total));
  out.context.push_back(std::move(error.message));
  out.context.insert(out.context.end(), error.context.begin(), error.context.end());
  out.hint = fmt::format(
      "flense cache prune frees what is not used; FLENSE_CACHE=DIR selects a place other than {}",
      need.directory.string());
  return out;
}

}  // namespace flense::launch

#include "device/frame_store.h"

#include <unistd.h>

#include <cerrno>
#include <utility>

namespace flense::device {

Result<std::shared_ptr<FrameStore>> FrameStore::create(const std::filesystem::path& directory,
                                                       std::stop_token stop) {
  TRY(UniqueFd file, open_scratch(directory));
  return std::shared_ptr<FrameStore>(new FrameStore(std::move(file), std::move(stop)));
}

std::optional<FrameStore::Frame> FrameStore::find(const std::string& key) const {
  const std::lock_guard lock(mutex_);
  const auto found = frames_.find(key);
  if (found == frames_.end()) return std::nullopt;
  return found->second;
}

Result<FrameStore::Frame> FrameStore::add(const std::string& key, Bytes frame) {
  const std::lock_guard lock(mutex_);
  // Two threads may have compressed the same code.
  if (const auto found = frames_.find(key); found != frames_.end()) return found->second;
  const Frame added{size_, frame.size()};
  // A write that failed, as on a full disk, may have left a part behind.
  if (::lseek(file_.get(), static_cast<off_t>(size_), SEEK_SET) < 0)
    return system_error(errno, "cannot write scratch file");
  TRY_DO(write_fully(file_.get(), frame, "scratch file"));
  size_ += frame.size();
  frames_[key] = added;
  return added;
}

Result<std::optional<MappedFile>> FrameStore::map() const {
  const std::lock_guard lock(mutex_);
  if (size_ == 0) return std::nullopt;
  TRY(MappedFile mapped, MappedFile::map(file_.get(), "scratch file"));
  return mapped;
}

}  // namespace flense::device

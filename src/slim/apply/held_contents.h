// Contents of dropped files that wait for the hard link whose name they take: on disk, so that many
// of them cost no memory.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>

#include "base/file.h"
#include "base/result.h"
#include "base/stream.h"
#include "codec/tar/tar.h"

namespace flense::slim {

class HeldContents {
 public:
  explicit HeldContents(std::filesystem::path scratch_directory)
      : scratch_directory_(std::move(scratch_directory)) {}

  /// `member` as it shall be written, but for its name; `name` is the path it will take.
  /// `content` is null for what is no file.
  Result<void> put(const std::string& name, codec::TarMember member, Source* content);

  struct Held {
    codec::TarMember member;
    std::uint64_t offset = 0;
  };
  /// What waits for `name`, which then no longer waits. An internal error when nothing does.
  Result<Held> take(const std::string& name);
  /// The content as a stream; valid as long as this object.
  std::unique_ptr<Source> open(const Held& held) const;

  bool empty() const { return held_.empty(); }

 private:
  std::filesystem::path scratch_directory_;
  UniqueFd file_;
  std::uint64_t end_ = 0;
  std::map<std::string, Held> held_;
};

}  // namespace flense::slim

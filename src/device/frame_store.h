// Device code that was compressed anew, kept in a scratch file from planning to writing: packing it
// takes far longer than anything else, and is done once.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "base/bytes.h"
#include "base/file.h"
#include "base/result.h"

namespace flense::device {

/// For several threads.
class FrameStore {
 public:
  /// A range of the store; empty where packing gave nothing.
  struct Frame {
    std::uint64_t offset = 0, size = 0;
  };

  /// Environment: no scratch file in `directory`.
  static Result<std::shared_ptr<FrameStore>> create(const std::filesystem::path& directory);

  /// `key` names the input and how it was to be packed.
  std::optional<Frame> find(const std::string& key) const;
  Result<Frame> add(const std::string& key, Bytes frame);

  /// All that was added so far; none when that is nothing.
  Result<std::optional<MappedFile>> map() const;

 private:
  explicit FrameStore(UniqueFd file) : file_(std::move(file)) {}

  UniqueFd file_;
  mutable std::mutex mutex_;
  std::uint64_t size_ = 0;
  std::map<std::string, Frame> frames_;
};

}  // namespace flense::device

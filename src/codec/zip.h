// Zip archives (APPNOTE.TXT 6.3, with zip64), as wheels are: members stored or deflated. What is
// not changed is written again byte for byte.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "base/stream.h"

namespace flense::codec {

/// Whether the file begins with a zip member.
bool is_zip(Bytes file);

enum class ZipMethod : std::uint16_t { kStored = 0, kDeflated = 8 };

/// As the central directory says; the local header says the same. The views are into the file.
struct ZipMember {
  std::string name;  ///< relative, without "." and ".."; a directory's ends with '/'
  std::uint16_t made_by = 0, needed = 0, flags = 0;
  ZipMethod method = ZipMethod::kStored;
  std::uint16_t time = 0, date = 0, internal = 0;
  std::uint32_t external = 0, crc = 0;
  std::uint64_t size = 0;          ///< unpacked
  std::string local_extra, extra;  ///< without zip64
  std::string comment;
  Bytes packed;  ///< content as stored
  Bytes whole;   ///< local header, content and data descriptor

  bool is_directory() const { return name.ends_with('/'); }
};

struct ZipArchive {
  std::vector<ZipMember> members;  ///< in the order of the central directory; no name twice
  std::string comment;
};

/// Refuses what a tool could read in two ways: names that lead outside or stand twice, members that
/// lie over each other, headers that disagree, encrypted members, several disks, bytes in front of
/// the archive. `file` must outlive the result; `name` is for messages.
Result<ZipArchive> read_zip(Bytes file, const std::string& name);

/// The content, with size and checksum verified by whoever reads to the end. `member` must outlive
/// it.
Result<std::unique_ptr<Source>> open_zip_member(const ZipMember& member);

/// Writes to a file from its current end on.
class ZipWriter {
 public:
  /// Takes no ownership of `fd`, which must be empty and seekable; `name` is for messages.
  ZipWriter(int fd, std::string name) : fd_(fd), name_(std::move(name)) {}
  /// As it lies in its archive.
  Result<void> copy(const ZipMember& member);
  /// The member with other content, stored or deflated as before. The same bytes for any number of
  /// `threads`.
  Result<void> write(const ZipMember& like, Bytes content, unsigned threads);
  Result<void> finish(std::string_view comment);

 private:
  struct Written {
    ZipMember member;  ///< without views
    std::uint64_t offset = 0, packed = 0;
  };
  Result<void> append(Bytes bytes);

  int fd_;
  std::string name_;
  std::uint64_t offset_ = 0;
  std::vector<Written> written_;
};

}  // namespace flense::codec

// The tar formats found in container layers: ustar, PAX, GNU (long names, base-256 sizes, old and
// PAX 0.0/0.1/1.0 sparse). Streaming; the reader keeps each member's raw header bytes so that an
// untouched member is re-emitted byte for byte. POSIX.1-2017 pax, GNU tar manual "Basic Tar
// Format" and "Sparse Formats".
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/stream.h"

namespace flense::codec {

enum class MemberType {
  kFile,
  kHardLink,
  kSymlink,
  kCharDevice,
  kBlockDevice,
  kDirectory,
  kFifo,
  kOther
};

/// One member, its name as stored (not normalised).
struct TarMember {
  std::string name;
  std::string link;  ///< target of a hard link (a member name) or symbolic link (free text)
  MemberType type = MemberType::kFile;
  std::uint32_t mode = 0;  ///< permission bits with setuid, setgid, sticky
  std::uint64_t uid = 0, gid = 0;
  std::string user, group;
  std::int64_t mtime = 0;  ///< seconds
  std::uint32_t mtime_nanos = 0;
  std::uint64_t size = 0;  ///< bytes of content as the file system would show them
  std::uint32_t device_major = 0, device_minor = 0;
  /// Extended attributes by full name ("security.capability"), from SCHILY.xattr and
  /// LIBARCHIVE.xattr records.
  std::map<std::string, std::string> xattrs;
  /// All other PAX records of the member, kept for re-emission. Global PAX headers go unheeded, as
  /// in the reader that Docker, containerd and Podman share; their bytes stay in raw_header().
  std::map<std::string, std::string> pax;
  bool sparse = false;            ///< stored sparse: `stored_size` < `size`
  std::uint64_t stored_size = 0;  ///< payload bytes in the archive, before padding to 512
};

/// Reads members in order. Usage: while (next()) { optionally content().next(...) or raw copy }.
class TarReader {
 public:
  struct Limits {
    std::uint64_t max_members = 5'000'000;
    std::uint64_t max_header_bytes = 4u << 20;   ///< PAX and long-name data of one member
    std::uint64_t max_total_bytes = 1ull << 42;  ///< unpacked bytes of one archive
  };
  TarReader(Source& source, std::string archive_name, Limits limits);
  ~TarReader();

  /// The next member, or nullopt at the end (two zero blocks, or end of stream). Skips content not
  /// read. Truncation, a bad checksum, a lying size are bad-input errors with the offset.
  Result<std::optional<TarMember>> next();
  /// Content of the current member with sparse holes filled by zeros; direct() is the whole rest
  /// of the content when the archive lies in memory and the member is not sparse.
  Source& content();
  /// Header blocks of the current member as stored (PAX and long-name blocks included).
  Bytes raw_header() const;
  /// The current member's stored payload plus padding, unread content only; to copy a member
  /// exactly: write raw_header(), then copy raw_content(). Do not mix with content().
  Source& raw_content();
  /// Back to the first byte of the member's content, which an archive in memory allows at any time.
  /// False when content has been taken from a stream: it is gone.
  bool rewind();
  /// Offset in the stream just after the current member's headers.
  std::uint64_t content_offset() const;
  /// Reads what follows the end marker, so that the whole stream is seen (for digests).
  Result<void> drain();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// Writes members deterministically: ustar where it fits, PAX records where not.
class TarWriter {
 public:
  explicit TarWriter(Sink& to);
  ~TarWriter();
  /// Header of a member whose `size` content bytes follow by write_content (files only); `sparse`
  /// is ignored: content is written plain. Bad input for what no tar can say: kOther, an empty
  /// name, a NUL byte in a name.
  Result<void> begin(const TarMember& member);
  Result<void> write_content(Bytes bytes);
  /// Pads; an error when fewer or more bytes were written than announced.
  Result<void> end();
  /// Copies a member of `reader` exactly as stored; nothing of its content may have been taken,
  /// unless the archive lies in memory. Without `globals` the global PAX headers before it stay
  /// behind.
  Result<void> copy_raw(TarReader& reader, bool globals = true);
  /// The global PAX headers before the current member of `reader`, for members that are not copied
  /// raw: readers that heed them apply them to all members that follow.
  Result<void> copy_globals(const TarReader& reader);
  /// Two zero blocks.
  Result<void> finish();
  /// Bytes written so far, for layouts that need offsets.
  std::uint64_t position() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace flense::codec

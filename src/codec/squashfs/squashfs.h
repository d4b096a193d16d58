// Squashfs 4.0 images, as Apptainer (.sif) and enroot (.sqsh) store them: read in path order as tar
// members. Only what is asked for is decompressed.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "base/bytes.h"
#include "base/stream.h"
#include "codec/tar/tar.h"

namespace flense::codec {

bool is_squashfs(Bytes first_bytes);

/// Usage as with TarReader: while (next()) { optionally content().next(...) }.
class SquashfsReader {
 public:
  struct Limits {
    std::uint64_t max_members = 5'000'000;
    std::uint64_t max_total_bytes = 1ull << 42;  ///< content of all files together
    std::size_t max_depth = 512;                 ///< nested directories
  };
  /// `image` begins at the superblock and must outlive the reader; what follows the squashfs is
  /// ignored. `name` is for messages.
  static Result<std::unique_ptr<SquashfsReader>> open(Bytes image, std::string name,
                                                      const Limits& limits);
  ~SquashfsReader();

  /// The next member, or nullopt at the end: the root first (named "."), parents before children,
  /// siblings in byte order. Names have no slash at either end. The first path of an inode is the
  /// member itself, later ones are hard links to it. Sockets are kOther.
  Result<std::optional<TarMember>> next();
  /// Content of the current member; empty unless it is a regular file.
  Source& content();

 private:
  struct State;
  explicit SquashfsReader(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace flense::codec

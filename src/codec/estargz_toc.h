// The table of contents of an eStargz layer, as JSON: one entry a line, written as it arrives and
// kept in a scratch file, since a layer may have a million members.
// https://github.com/containerd/stargz-snapshotter/blob/main/docs/estargz.md
#pragma once

#include <cstdint>
#include <deque>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/file.h"
#include "base/result.h"
#include "codec/sha256.h"
#include "codec/tar/tar.h"

namespace flense::codec {

/// Size of the chunks that files are divided into; the default of the reference writer.
inline constexpr std::uint64_t kEstargzChunk = 4u << 20;

class EstargzToc {
 public:
  explicit EstargzToc(std::filesystem::path scratch_directory);

  /// The next member; regular files are complete once their chunks have come.
  Result<void> add(const TarMember& member);
  /// Of the content of the file that was added last, before its last chunk comes; for files of
  /// several chunks.
  void set_digest(std::string digest) { waiting_.back().digest = std::move(digest); }
  /// The next chunk of the oldest file that lacks one: where its gzip member begins.
  Result<void> add_chunk(std::uint64_t offset, std::string digest);
  /// The whole text; valid as long as this object. Once, at the end.
  Result<Bytes> finish();
  /// "sha256:…" of the text; after finish().
  const std::string& digest() const { return digest_; }

 private:
  struct Chunk {
    std::uint64_t offset = 0;
    std::string digest;
  };
  /// A member whose chunks, or those of a file before it, are still on their way.
  struct Waiting {
    std::string name;  ///< as JSON
    std::string head;  ///< the entry up to what its chunks say
    std::uint64_t size = 0;
    std::uint64_t chunks = 0;
    std::string digest;
    std::vector<Chunk> done;
  };

  Result<void> write_complete();
  std::string entry_of(const Waiting& one) const;
  Result<void> put(std::string_view text);
  Result<void> flush();
  std::string name_if_changed(std::map<std::uint64_t, std::string>& last, std::uint64_t id,
                              const std::string& name);

  std::filesystem::path scratch_directory_;
  std::deque<Waiting> waiting_;
  std::map<std::uint64_t, std::string> users_, groups_;
  std::string buffer_;
  bool any_ = false;
  UniqueFd scratch_;  ///< once the text has outgrown the buffer
  MappedFile map_;
  Sha256 hash_;
  std::string digest_;
};

}  // namespace flense::codec

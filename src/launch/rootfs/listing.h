// What an unpacked root consists of, file by file: written when it is unpacked, compared with the
// tree when it is verified.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/bytes.h"
#include "base/progress.h"
#include "base/result.h"
#include "image/layers/extract.h"

namespace flense::launch {

struct ListedFile {
  std::string path;        ///< without a leading slash; the root itself is empty
  std::uint32_t type = 0;  ///< the file type bits of st_mode
  std::uint32_t mode = 0;  ///< permission bits as they are
  std::uint64_t size = 0;  ///< of regular files
  std::int64_t mtime = 0;
  std::uint32_t mtime_nanos = 0;
  std::string content;            ///< SHA-256 of a regular file, text of a symbolic link
  std::uint32_t stored_mode = 0;  ///< as the image says; the same as `mode` for files of our own
  std::uint64_t stored_uid = 0, stored_gid = 0;
};

struct Listing {
  std::vector<ListedFile> files;  ///< parents before children, siblings in byte order
  std::uint64_t bytes = 0;        ///< of regular files, names of one file counted once
};

using WrittenFiles = std::unordered_map<std::uint64_t, image::WrittenFile>;

/// Walks the tree without following a link. With `written`, digests of contents and stored metadata
/// come from there, and files that it does not name get the time 0, so that what no layer mentions
/// is the same in every unpacking; without, every file is read.
Result<Listing> list_root(int root, const WrittenFiles* written, Progress& progress);

/// Magic, fields, SHA-256 of all before.
std::string encode_listing(const Listing& listing);
/// The sum at the end, over all before.
std::string listing_sum(std::string_view bytes);
/// Bad input for bytes that are not a listing, or a damaged one.
Result<Listing> decode_listing(Bytes bytes);

/// "usr/bin/x: content differs"; nullopt when they agree. Stored metadata is not compared.
std::optional<std::string> first_difference(const Listing& expected, const Listing& found);

}  // namespace flense::launch

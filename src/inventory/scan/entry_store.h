// A directory of small files that can be made again: found by kind and key, whole or absent, at
// most so many bytes. Several processes and machines may use one directory at a time: files are
// written under another name and renamed, never changed, and there are no locks. Nothing here is an
// error to the caller: what is missing, damaged, foreign or unreadable is not there, and what
// cannot be written is not kept.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/file.h"
#include "base/result.h"

namespace flense::inventory {

/// What an entry says about itself besides its payload.
struct EntryHead {
  std::string kind;       ///< lower-case letters: "layer"; also the suffix of the file
  std::string key;        ///< 64 hexadecimal digits
  std::string form;       ///< of the payload: differs where another build writes another one
  std::string label;      ///< for people
  std::int64_t made = 0;  ///< seconds since 1970
  bool operator==(const EntryHead&) const = default;
};

struct StoredEntry {
  EntryHead head;
  std::string file;  ///< the whole of it
  std::size_t payload_offset = 0, payload_size = 0;
  Bytes payload() const { return as_bytes(file).subspan(payload_offset, payload_size); }
};

/// The file of an entry: magic, length of the head, head, payload, SHA-256 of all before.
std::string encode_entry(const EntryHead& head, std::string_view payload);
/// nullopt for bytes that are no entry, or a damaged one.
std::optional<StoredEntry> decode_entry(std::string file);

/// An entry as the directory shows it.
struct ListedEntry {
  std::string name;         ///< of the file
  std::string kind, key;    ///< by its name
  std::uint64_t bytes = 0;  ///< of the file
  std::int64_t used = 0;    ///< last use, to the hour; seconds since 1970
};

class EntryStore {
 public:
  static constexpr std::uint64_t kDefaultBytes = 1u << 30;
  /// An entry counts as whole blocks, so that the number of files has a limit as well.
  static constexpr std::uint64_t kBlock = 4096;
  static constexpr std::uint64_t kMaxEntryBytes = 256u << 20;

  /// The directory itself; it and what is missing above it are made, for this user alone. An
  /// environment error when it cannot be used: it or what it would lie in belongs to somebody else,
  /// others may write to it, it is a symbolic link.
  static Result<EntryStore> open(const std::filesystem::path& directory, std::uint64_t max_bytes);

  /// A damaged file is removed.
  std::optional<StoredEntry> load(std::string_view kind, std::string_view key) const;
  /// False when the entry is not kept. Safe to call from several threads.
  bool store(const EntryHead& head, std::string_view payload);

  /// In no order. Files that are no entries are passed over.
  std::vector<ListedEntry> list() const;
  /// The entry behind a listed one, without counting as a use; nullopt when it is damaged or gone.
  std::optional<StoredEntry> peek(const ListedEntry& entry) const;
  /// Its head alone, not verified.
  std::optional<EntryHead> peek_head(const ListedEntry& entry) const;
  bool remove(const ListedEntry& entry) const;
  bool remove(const EntryHead& head) const;
  /// Removes what is used longest ago until at most `max_bytes` remain, and what writers left
  /// behind that died; returns the bytes that remain.
  std::uint64_t shrink(std::uint64_t max_bytes) const;

  const std::filesystem::path& directory() const { return directory_; }
  std::uint64_t max_bytes() const { return max_bytes_; }
  /// Why something could not be kept; empty when all could.
  std::string complaint() const;

 private:
  struct Shared {
    std::mutex mutex;
    std::optional<std::uint64_t> total;  ///< bytes in the directory, once looked at
    std::string complaint;
  };
  EntryStore() = default;
  void remove_abandoned() const;
  std::optional<std::string> read(const std::string& name, std::uint64_t limit, bool touch) const;
  void complain(std::string what) const;

  UniqueFd fd_;
  std::filesystem::path directory_;
  std::uint64_t max_bytes_ = kDefaultBytes;
  std::unique_ptr<Shared> shared_ = std::make_unique<Shared>();
};

}  // namespace flense::inventory

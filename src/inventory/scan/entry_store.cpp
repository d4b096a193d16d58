#include "inventory/scan/entry_store.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <ctime>
#include <system_error>
#include <utility>

#include "base/binary_fields.h"
#include "base/file.h"
#include "base/private_directory.h"
#include "codec/sha256.h"

namespace flense::inventory {

constexpr std::size_t member_count(const EntryHead*) {
  return 5;
}

namespace {

constexpr std::string_view kMagic = "flenseC1";
constexpr std::size_t kKeyDigits = 64, kSumBytes = 64, kMaxHead = 4096;
constexpr std::string_view kNewPrefix = ".new-";
/// A use is noted once an hour: the order of eviction needs no more, and a hit writes nothing.
constexpr std::int64_t kTouchSeconds = 3600;
/// No writer takes that long.
constexpr std::int64_t kStaleSeconds = 3600;

bool is_hex(std::string_view text) {
  return text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

bool is_kind(std::string_view text) {
  return !text.empty() && text.size() <= 16 &&
         text.find_first_not_of("abcdefghijklmnopqrstuvwxyz") == std::string_view::npos;
}

std::string name_of(std::string_view kind, std::string_view key) {
  return fmt::format("{}.{}", key, kind);
}

std::uint64_t whole_blocks(std::uint64_t bytes) {
  return (bytes + EntryStore::kBlock - 1) / EntryStore::kBlock * EntryStore::kBlock;
}

/// What stands before the payload, with the head's length in four bytes behind the magic.
struct Front {
  EntryHead head;
  std::size_t size = 0;
};

std::optional<Front> read_front(Bytes file) {
  if (!as_text(file).starts_with(kMagic) || file.size() < kMagic.size() + 4) return std::nullopt;
  const auto length = load_le<std::uint32_t>(file, kMagic.size());
  const std::size_t begin = kMagic.size() + 4;
  if (length > kMaxHead || !range_fits(begin, length, file.size())) return std::nullopt;
  BinaryReader in(file.subspan(begin, length));
  Front out;
  in.get(out.head);
  out.size = begin + length;
  if (!in.good() || !in.at_end() || !is_kind(out.head.kind) || out.head.key.size() != kKeyDigits ||
      !is_hex(out.head.key))
    return std::nullopt;
  return out;
}

std::optional<ListedEntry> entry_of_name(std::string_view name) {
  if (name.size() < kKeyDigits + 2 || name[kKeyDigits] != '.') return std::nullopt;
  ListedEntry out;
  out.name = name;
  out.key = name.substr(0, kKeyDigits);
  out.kind = name.substr(kKeyDigits + 1);
  if (!is_hex(out.key) || !is_kind(out.kind)) return std::nullopt;
  return out;
}

std::string hex_sum(std::string_view bytes) {
  codec::Sha256 sum;
  sum.update(as_bytes(bytes));
  return sum.hex();
}

/// Calls fn(name, status) for every regular file.
template <class Fn>
void for_each_file(int directory, Fn fn) {
  // A descriptor of its own: the position in a directory belongs to the open file.
  const int fd = ::openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return;
  const UniqueDirectory listing(::fdopendir(fd));
  if (!listing) {
    ::close(fd);
    return;
  }
  while (const dirent* item = ::readdir(listing.get())) {
    struct stat status{};
    if (::fstatat(fd, item->d_name, &status, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(status.st_mode))
      fn(std::string_view(item->d_name), status);
  }
}

}  // namespace

std::string encode_entry(const EntryHead& head, std::string_view payload) {
  BinaryWriter front;
  front.put(head);
  const std::string bytes = front.take();
  std::string out(kMagic);
  out.resize(kMagic.size() + 4);
  store_le(MutableBytes(std::as_writable_bytes(std::span(out))), kMagic.size(),
           static_cast<std::uint32_t>(bytes.size()));
  out.reserve(out.size() + bytes.size() + payload.size() + kSumBytes);
  out += bytes;
  out += payload;
  out += hex_sum(out);
  return out;
}

std::optional<StoredEntry> decode_entry(std::string file) {
  auto front = read_front(as_bytes(file));
  if (!front || !range_fits(front->size, kSumBytes, file.size())) return std::nullopt;
  const std::string_view whole = file;
  const std::size_t end = file.size() - kSumBytes;
  if (hex_sum(whole.substr(0, end)) != whole.substr(end)) return std::nullopt;
  StoredEntry out;
  out.head = std::move(front->head);
  out.payload_offset = front->size;
  out.payload_size = end - front->size;
  out.file = std::move(file);
  return out;
}

Result<EntryStore> EntryStore::open(const std::filesystem::path& directory,
                                    std::uint64_t max_bytes) {
  EntryStore out;
  TRY(out.fd_, open_private_directory(directory));
  out.directory_ = directory;
  out.max_bytes_ = max_bytes;
  return out;
}

void EntryStore::complain(std::string what) const {
  const std::scoped_lock lock(shared_->mutex);
  if (shared_->complaint.empty()) shared_->complaint = std::move(what);
}

std::string EntryStore::complaint() const {
  const std::scoped_lock lock(shared_->mutex);
  return shared_->complaint;
}

/// By read(2), not through a mapping: where the file lies on a network and another machine removes
/// it, a page that cannot be had is an error here and would be a signal there.
std::optional<std::string> EntryStore::read(const std::string& name, std::uint64_t limit,
                                            bool touch) const {
  const UniqueFd fd(
      ::openat(fd_.get(), name.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
  struct stat status{};
  if (!fd || ::fstat(fd.get(), &status) != 0 || !S_ISREG(status.st_mode) ||
      status.st_uid != ::geteuid() || status.st_size < 0)
    return std::nullopt;
  const auto size =
      static_cast<std::size_t>(std::min(static_cast<std::uint64_t>(status.st_size), limit));
  std::string out;
  bool whole = true;
  // GCC 12's library tells the function of more room than was asked for.
  out.resize_and_overwrite(size, [&](char* to, std::size_t /*room*/) {
    std::size_t have = 0;
    while (have < size) {
      const ssize_t count = ::read(fd.get(), to + have, size - have);
      if (count < 0 && errno == EINTR) continue;
      if (count <= 0) break;
      have += static_cast<std::size_t>(count);
    }
    whole = have == size;
    return have;
  });
  if (!whole) return std::nullopt;
  if (touch && std::time(nullptr) - status.st_mtim.tv_sec > kTouchSeconds)
    static_cast<void>(::futimens(fd.get(), nullptr));  // a read-only place keeps no order
  return out;
}

std::optional<StoredEntry> EntryStore::load(std::string_view kind, std::string_view key) const {
  const std::string name = name_of(kind, key);
  std::optional<std::string> file = read(name, kMaxEntryBytes, true);
  if (!file) return std::nullopt;
  std::optional<StoredEntry> out = decode_entry(std::move(*file));
  if (out && out->head.kind == kind && out->head.key == key) return out;
  ::unlinkat(fd_.get(), name.c_str(), 0);
  return std::nullopt;
}

bool EntryStore::store(const EntryHead& head, std::string_view payload) {
  const std::string bytes = encode_entry(head, payload);
  if (bytes.size() > kMaxEntryBytes || whole_blocks(bytes.size()) > max_bytes_) return false;
  std::uint64_t random = 0;
  if (::getrandom(&random, sizeof random, 0) != static_cast<ssize_t>(sizeof random)) return false;
  const std::string temporary = fmt::format("{}{}-{:016x}", kNewPrefix, ::getpid(), random);
  const std::string shown = (directory_ / temporary).string();
  const auto write = [&]() -> Result<void> {
    const int fd = ::openat(fd_.get(), temporary.c_str(),
                            O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0) return system_error(errno, "cannot create " + shown);
    // No fsync: a machine that dies leaves at worst a file that does not match its sum, and waiting
    // for the disk would cost every first run more than the cache gives back.
    const auto written = write_fully(fd, as_bytes(bytes), shown);
    // Network file systems tell of a full disk or quota no earlier than here.
    const int closed = ::close(fd);
    if (!written) return written;
    if (closed != 0) return system_error(errno, "cannot write " + shown);
    const std::string name = name_of(head.kind, head.key);
    if (::renameat(fd_.get(), temporary.c_str(), fd_.get(), name.c_str()) != 0)
      return system_error(errno, "cannot rename " + shown);
    return {};
  };
  if (const auto written = write(); !written) {
    ::unlinkat(fd_.get(), temporary.c_str(), 0);
    complain(written.error().message);
    return false;
  }
  // The directory is looked through once a run, and again when it must have grown too large.
  const std::scoped_lock lock(shared_->mutex);
  if (shared_->total) *shared_->total += whole_blocks(bytes.size());
  if (!shared_->total || *shared_->total > max_bytes_) {
    remove_abandoned();
    std::uint64_t total = 0;
    for (const ListedEntry& entry : list()) total += whole_blocks(entry.bytes);
    // A tenth below, so that not every run has to.
    shared_->total = total > max_bytes_ ? shrink(max_bytes_ - max_bytes_ / 10) : total;
  }
  return true;
}

std::vector<ListedEntry> EntryStore::list() const {
  std::vector<ListedEntry> out;
  for_each_file(fd_.get(), [&](std::string_view name, const struct stat& status) {
    std::optional<ListedEntry> entry = entry_of_name(name);
    if (!entry) return;
    entry->bytes = static_cast<std::uint64_t>(status.st_size);
    entry->used = status.st_mtim.tv_sec;
    out.push_back(std::move(*entry));
  });
  return out;
}

std::optional<StoredEntry> EntryStore::peek(const ListedEntry& entry) const {
  std::optional<std::string> file = read(entry.name, kMaxEntryBytes, false);
  std::optional<StoredEntry> out = file ? decode_entry(std::move(*file)) : std::nullopt;
  if (!out || out->head.kind != entry.kind || out->head.key != entry.key) return std::nullopt;
  return out;
}

std::optional<EntryHead> EntryStore::peek_head(const ListedEntry& entry) const {
  const std::optional<std::string> begin = read(entry.name, kMagic.size() + 4 + kMaxHead, false);
  std::optional<Front> front = begin ? read_front(as_bytes(*begin)) : std::nullopt;
  if (!front || front->head.kind != entry.kind || front->head.key != entry.key) return std::nullopt;
  return std::move(front->head);
}

bool EntryStore::remove(const ListedEntry& entry) const {
  return ::unlinkat(fd_.get(), entry.name.c_str(), 0) == 0;
}

/// What writers left behind that died.
void EntryStore::remove_abandoned() const {
  const std::int64_t now = std::time(nullptr);
  for_each_file(fd_.get(), [&](std::string_view name, const struct stat& status) {
    if (name.starts_with(kNewPrefix) && now - status.st_mtim.tv_sec > kStaleSeconds)
      ::unlinkat(fd_.get(), std::string(name).c_str(), 0);
  });
}

bool EntryStore::remove(const EntryHead& head) const {
  return ::unlinkat(fd_.get(), name_of(head.kind, head.key).c_str(), 0) == 0;
}

std::uint64_t EntryStore::shrink(std::uint64_t max_bytes) const {
  remove_abandoned();
  std::vector<ListedEntry> entries = list();
  std::sort(entries.begin(), entries.end(), [](const ListedEntry& a, const ListedEntry& b) {
    return std::pair(a.used, std::string_view(a.name)) <
           std::pair(b.used, std::string_view(b.name));
  });
  std::uint64_t total = 0;
  for (const ListedEntry& entry : entries) total += whole_blocks(entry.bytes);
  for (const ListedEntry& entry : entries) {
    if (total <= max_bytes) break;
    // Somebody else may have been faster.
    if (remove(entry) || errno == ENOENT) total -= whole_blocks(entry.bytes);
  }
  return total;
}

}  // namespace flense::inventory

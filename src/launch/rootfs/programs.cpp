#include "launch/rootfs/programs.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <optional>
#include <type_traits>

#include "base/in_root.h"
#include "codec/sha256.h"

namespace flense::launch {

namespace {

constexpr std::string_view kProgramsMagic = "flenseP1";
constexpr std::uint32_t kExecuteBits = 0111;

using PathKey = std::array<char, 32>;  ///< of the path's SHA-256, in hexadecimal digits

struct ProgramRecord {
  PathKey name{};
  std::uint64_t size = 0;
  std::int64_t mtime = 0;
  std::uint32_t mtime_nanos = 0;
  std::uint32_t mode = 0;
};
// Stored in memory layout: the file never leaves the machine.
static_assert(std::is_trivially_copyable_v<ProgramRecord> && sizeof(ProgramRecord) == 56);

PathKey key_of_path(std::string_view path) {
  codec::Sha256 hash;
  hash.update(as_bytes(path));
  PathKey out{};
  hash.hex().copy(out.data(), out.size());
  return out;
}

class Programs {
 public:
  static std::optional<Programs> open(int entry) {
    const UniqueFd fd(::openat(entry, kProgramsName, O_RDONLY | O_NOFOLLOW | O_CLOEXEC));
    auto file = fd ? MappedFile::map(fd.get(), kProgramsName) : system_error(ENOENT, "");
    if (!file) return std::nullopt;
    const Bytes bytes = file->bytes();
    if (!as_text(bytes).starts_with(kProgramsMagic) ||
        (bytes.size() - kProgramsMagic.size()) % sizeof(ProgramRecord) != 0)
      return std::nullopt;
    Programs out;
    out.records_ = bytes.subspan(kProgramsMagic.size());
    out.file_ = std::move(*file);
    return out;
  }

  std::optional<ProgramRecord> find(std::string_view path) const {
    const PathKey name = key_of_path(path);
    std::size_t begin = 0, end = records_.size() / sizeof(ProgramRecord);
    while (begin < end) {
      const std::size_t middle = begin + (end - begin) / 2;
      const ProgramRecord record = at(middle);
      if (record.name == name) return record;
      (record.name < name ? begin : end) = record.name < name ? middle + 1 : middle;
    }
    return std::nullopt;
  }

 private:
  ProgramRecord at(std::size_t index) const {
    ProgramRecord out;
    std::memcpy(&out, records_.data() + index * sizeof(ProgramRecord), sizeof out);
    return out;
  }

  MappedFile file_;
  Bytes records_;
};

/// "has another size"; null when it is what was unpacked.
const char* changed_in(const ProgramRecord& record, const struct stat& status) {
  if (static_cast<std::uint64_t>(status.st_size) != record.size) return "has another size";
  if ((status.st_mode & 07777U) != record.mode) return "has another mode";
  if (status.st_mtim.tv_sec != record.mtime ||
      static_cast<std::uint32_t>(status.st_mtim.tv_nsec) != record.mtime_nanos)
    return "has another time";
  return nullptr;
}

/// Null when what lies there is what was unpacked, or no program of either.
const char* damage_at(int root, std::string_view path, const Programs& programs) {
  const auto record = programs.find(path);
  const auto fd = open_in_root(root, path, O_PATH | O_NOFOLLOW);
  struct stat status{};
  if (!fd || ::fstat(fd->get(), &status) != 0) return record ? "is missing" : nullptr;
  if (!S_ISREG(status.st_mode)) return record ? "has another type" : nullptr;
  if (record) return changed_in(*record, status);
  return (status.st_mode & kExecuteBits) != 0 ? "was not unpacked" : nullptr;
}

Failure damaged_root(const RootFs& root, std::string_view what) {
  // Without it there is no entry (store.h); containers that use the root are not affected.
  static_cast<void>(::unlinkat(root.held.get(), kEntryName, 0));
  return fail(Code::kEnvironment, "the unpacked root {} is damaged: {}", root.path.string(), what)
      .hint(
          "the next start unpacks it again, once no container uses it; flense cache verify checks "
          "all others");
}

}  // namespace

std::string encode_programs(const Listing& listing) {
  std::vector<ProgramRecord> records;
  for (const ListedFile& file : listing.files)
    if (S_ISREG(file.type) && (file.mode & kExecuteBits) != 0)
      records.push_back(
          {key_of_path(file.path), file.size, file.mtime, file.mtime_nanos, file.mode});
  std::ranges::sort(records, {}, &ProgramRecord::name);
  std::string out(kProgramsMagic);
  const std::size_t head = out.size();
  out.resize(head + records.size() * sizeof(ProgramRecord));
  if (!records.empty())
    std::memcpy(out.data() + head, records.data(), records.size() * sizeof(ProgramRecord));
  return out;
}

Result<void> check_programs(const RootFs& root, const std::vector<std::string>& places) {
  if (!root.held || places.empty()) return {};
  const auto programs = Programs::open(root.held.get());
  if (!programs) return damaged_root(root, "its record of programs is missing");
  for (const std::string& place : places) {
    const std::string_view path = std::string_view(place).substr(1);
    if (const char* what = damage_at(root.directory.get(), path, *programs))
      return damaged_root(root, fmt::format("{} {}", path, what));
  }
  return {};
}

}  // namespace flense::launch

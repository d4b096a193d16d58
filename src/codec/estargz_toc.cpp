#include "codec/estargz_toc.h"

#include <chrono>
#include <utility>

#include "codec/base64.h"

namespace flense::codec {

namespace {

constexpr std::size_t kMostBuffered = 1u << 20;

std::string json_string(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (static_cast<unsigned char>(c) < 0x20) {
      out += fmt::format("\\u{:04x}", static_cast<unsigned>(c));
    } else {
      out += c;
    }
  }
  return out += '"';
}

/// RFC 3339, to the nearest second. Empty, which readers take for unknown, for the epoch, as the
/// reference has it, and for years that the format cannot say.
std::string time_text(std::int64_t seconds, std::uint32_t nanos) {
  constexpr std::int64_t kYear0 = -62'167'219'200, kYear10000 = 253'402'300'800;
  if (seconds == 0 || seconds < kYear0 || seconds >= kYear10000 - 1) return {};
  if (nanos >= 500'000'000) ++seconds;
  const std::chrono::sys_seconds time{std::chrono::seconds(seconds)};
  const auto day = std::chrono::floor<std::chrono::days>(time);
  const std::chrono::year_month_day date(day);
  const std::chrono::hh_mm_ss clock(time - day);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z", static_cast<int>(date.year()),
                     static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                     clock.hours().count(), clock.minutes().count(), clock.seconds().count());
}

std::string_view type_name(MemberType type) {
  switch (type) {
    case MemberType::kFile:
      return "reg";
    case MemberType::kHardLink:
      return "hardlink";
    case MemberType::kSymlink:
      return "symlink";
    case MemberType::kCharDevice:
      return "char";
    case MemberType::kBlockDevice:
      return "block";
    case MemberType::kDirectory:
      return "dir";
    case MemberType::kFifo:
      return "fifo";
    case MemberType::kOther:
      break;
  }
  return {};
}

void add_number(std::string& out, std::string_view key, std::uint64_t value) {
  if (value != 0) out += fmt::format(",\"{}\":{}", key, value);
}

void add_text(std::string& out, std::string_view key, std::string_view value) {
  if (!value.empty()) out += fmt::format(",\"{}\":{}", key, json_string(value));
}

}  // namespace

EstargzToc::EstargzToc(std::filesystem::path scratch_directory)
    : scratch_directory_(std::move(scratch_directory)) {}

/// Readers fill in the name that an earlier entry with the same id had.
std::string EstargzToc::name_if_changed(std::map<std::uint64_t, std::string>& last,
                                        std::uint64_t id, const std::string& name) {
  if (name.empty()) return {};
  std::string& before = last[id];
  if (before == name) return {};
  before = name;
  return name;
}

Result<void> EstargzToc::add(const TarMember& member) {
  const std::string_view type = type_name(member.type);
  if (type.empty())
    return fail(Code::kInternal, "{} cannot be represented in a table of contents", member.name);
  Waiting one;
  one.name = json_string(member.name);
  std::string& head = one.head;
  head = fmt::format("{{\"name\":{},\"type\":\"{}\"", one.name, type);
  const bool file = member.type == MemberType::kFile;
  if (file) {
    one.size = member.size;
    one.chunks = (member.size + kEstargzChunk - 1) / kEstargzChunk;
    if (member.size == 0) one.digest = sha256_digest({});
    add_number(head, "size", member.size);
  }
  add_text(head, "modtime", time_text(member.mtime, member.mtime_nanos));
  if (member.type == MemberType::kHardLink || member.type == MemberType::kSymlink)
    add_text(head, "linkName", member.link);
  add_number(head, "mode", member.mode);
  add_number(head, "uid", member.uid);
  add_number(head, "gid", member.gid);
  add_text(head, "userName", name_if_changed(users_, member.uid, member.user));
  add_text(head, "groupName", name_if_changed(groups_, member.gid, member.group));
  if (member.type == MemberType::kCharDevice || member.type == MemberType::kBlockDevice) {
    add_number(head, "devMajor", member.device_major);
    add_number(head, "devMinor", member.device_minor);
  }
  if (!member.xattrs.empty()) {
    head += ",\"xattrs\":{";
    bool first = true;
    for (const auto& [name, value] : member.xattrs) {
      if (!std::exchange(first, false)) head += ',';
      head += fmt::format("{}:\"{}\"", json_string(name), base64(as_bytes(value)));
    }
    head += '}';
  }
  waiting_.push_back(std::move(one));
  return write_complete();
}

Result<void> EstargzToc::add_chunk(std::uint64_t offset, std::string digest) {
  if (waiting_.empty()) return fail(Code::kInternal, "a chunk without a file");
  // A complete entry waits only for those before it.
  waiting_.front().done.push_back({offset, std::move(digest)});
  return write_complete();
}

Result<void> EstargzToc::write_complete() {
  while (!waiting_.empty() && waiting_.front().done.size() == waiting_.front().chunks) {
    TRY_DO(put(std::exchange(any_, true) ? ",\n" : "{\"version\":1,\"entries\":[\n"));
    TRY_DO(put(entry_of(waiting_.front())));
    waiting_.pop_front();
  }
  return {};
}

/// The member's own entry, which is that of its first chunk, and one for each further chunk.
std::string EstargzToc::entry_of(const Waiting& one) const {
  std::string out = one.head;
  if (one.chunks == 0) {
    add_text(out, "digest", one.digest);
    return out += '}';
  }
  for (std::uint64_t i = 0; i < one.chunks; ++i) {
    const std::uint64_t begin = i * kEstargzChunk;
    if (i > 0) out += fmt::format("}},\n{{\"name\":{},\"type\":\"chunk\"", one.name);
    add_number(out, "offset", one.done[i].offset);
    if (i == 0) add_text(out, "digest", one.chunks == 1 ? one.done[0].digest : one.digest);
    add_number(out, "chunkOffset", begin);
    // Without a size the chunk extends to the end of the file.
    if (one.size - begin >= kEstargzChunk) add_number(out, "chunkSize", kEstargzChunk);
    add_text(out, "chunkDigest", one.done[i].digest);
  }
  return out += '}';
}

Result<void> EstargzToc::put(std::string_view text) {
  hash_.update(as_bytes(text));
  buffer_ += text;
  return buffer_.size() > kMostBuffered ? flush() : Result<void>();
}

Result<void> EstargzToc::flush() {
  if (!scratch_) {
    TRY(scratch_, open_scratch(scratch_directory_));
  }
  TRY_DO(write_fully(scratch_.get(), as_bytes(buffer_), "a scratch file"));
  buffer_.clear();
  return {};
}

Result<Bytes> EstargzToc::finish() {
  if (!waiting_.empty()) return fail(Code::kInternal, "a file lacks some of its chunks");
  TRY_DO(put(any_ ? "\n]}\n" : "{\"version\":1,\"entries\":[]}\n"));
  digest_ = hash_.digest();
  if (!scratch_) return as_bytes(buffer_);
  TRY_DO(flush());
  TRY(map_, MappedFile::map(scratch_.get(), "a scratch file"));
  return map_.bytes();
}

}  // namespace flense::codec

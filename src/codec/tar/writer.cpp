#include <algorithm>
#include <array>
#include <cstring>
#include <vector>

#include "codec/tar/format.h"
#include "codec/tar/member.h"
#include "codec/tar/tar.h"

namespace flense::codec {

namespace {

using tar::Field;
using tar::kBlockSize;
using Block = std::array<std::byte, kBlockSize>;

constexpr std::uint64_t kMaxOctal7 = 07777777;       // uid, gid, mode, devices
constexpr std::uint64_t kMaxOctal11 = 077777777777;  // size, mtime

void put_text(Block& block, Field field, std::string_view text) {
  std::memcpy(block.data() + field.offset, text.data(), std::min(field.size, text.size()));
}

void put_octal(Block& block, Field field, std::uint64_t value) {
  put_text(block, field, fmt::format("{:0{}o}", value, field.size - 1));
}

void seal(Block& block) {
  put_text(block, tar::kChecksum, "        ");
  std::uint32_t sum = 0;
  for (const std::byte b : block) sum += std::to_integer<std::uint32_t>(b);
  put_text(block, tar::kChecksum, fmt::format("{:06o}", sum));
  block[tar::kChecksum.offset + 6] = std::byte{0};
}

char type_flag(MemberType type) {
  switch (type) {
    case MemberType::kFile:
      return '0';
    case MemberType::kHardLink:
      return '1';
    case MemberType::kSymlink:
      return '2';
    case MemberType::kCharDevice:
      return '3';
    case MemberType::kBlockDevice:
      return '4';
    case MemberType::kDirectory:
      return '5';
    case MemberType::kFifo:
      return '6';
    case MemberType::kOther:
      break;
  }
  return '\0';
}

/// Puts the name into name and prefix; false when it takes a PAX record.
bool put_name(Block& block, std::string_view name) {
  if (name.size() <= tar::kName.size) {
    put_text(block, tar::kName, name);
    return true;
  }
  if (name.size() > tar::kName.size + 1 + tar::kPrefix.size) return false;
  const std::size_t slash = name.find('/', name.size() - tar::kName.size - 1);
  if (slash == std::string_view::npos || slash == 0 || slash > tar::kPrefix.size ||
      slash + 1 == name.size())
    return false;
  put_text(block, tar::kPrefix, name.substr(0, slash));
  put_text(block, tar::kName, name.substr(slash + 1));
  return true;
}

Result<void> check(const TarMember& member) {
  if (type_flag(member.type) == '\0')
    return bad_input("'{}' is of a kind that a tar archive cannot hold", member.name);
  if (member.name.empty()) return bad_input("a tar member needs a name");
  for (const std::string* text : {&member.name, &member.link, &member.user, &member.group})
    if (text->find('\0') != std::string::npos)
      return bad_input("a NUL byte in '{}' cannot be written to a tar archive", *text);
  for (const auto& [name, value] : member.xattrs)
    if (name.empty() || name.find('=') != std::string::npos)
      return bad_input("'{}' has an extended attribute '{}' that a tar archive cannot hold",
                       member.name, name);
  return {};
}

/// Where the headers of a member are cut: its global PAX headers, and all others.
struct HeaderPart {
  Bytes bytes;
  bool global = false;
};

std::vector<HeaderPart> split_headers(Bytes raw) {
  std::vector<HeaderPart> parts;
  while (raw.size() >= kBlockSize) {
    const char flag = std::to_integer<char>(raw[tar::kType.offset]);
    const bool extended = std::string_view("xXgLK").find(flag) != std::string_view::npos;
    const auto size = tar::number_field(raw, tar::kSize);
    // The member's own header comes last, followed by sparse maps.
    if (!extended || !size || *size < 0) break;
    const std::uint64_t blocks =
        1 + (static_cast<std::uint64_t>(*size) + kBlockSize - 1) / kBlockSize;
    if (blocks > raw.size() / kBlockSize) break;
    parts.push_back({raw.first(blocks * kBlockSize), flag == 'g'});
    raw = raw.subspan(blocks * kBlockSize);
  }
  parts.push_back({raw, false});
  return parts;
}

}  // namespace

struct TarWriter::State {
  explicit State(Sink& sink) : to(sink) {}
  Sink& to;
  std::uint64_t position = 0;
  std::uint64_t content_left = 0;
  std::uint64_t padding = 0;

  Result<void> put(Bytes bytes) {
    position += bytes.size();
    return to.write(bytes);
  }
  Result<void> pad(std::uint64_t count) {
    static constexpr Block kZeros{};
    return put(Bytes(kZeros).first(count));
  }
  Result<void> put_pax(const std::map<std::string, std::string>& records);
  Result<void> expect_done() const {
    if (content_left == 0 && padding == 0) return {};
    return fail(Code::kInternal, "a tar member was not ended before the next");
  }
};

Result<void> TarWriter::State::put_pax(const std::map<std::string, std::string>& records) {
  const std::string data = tar::format_pax(records);
  Block block{};
  put_text(block, tar::kName, "./PaxHeaders");
  put_octal(block, tar::kMode, 0644);
  put_octal(block, tar::kUid, 0);
  put_octal(block, tar::kGid, 0);
  put_octal(block, tar::kSize, data.size());
  put_octal(block, tar::kMtime, 0);
  block[tar::kType.offset] = std::byte{'x'};
  put_text(block, tar::kMagic, std::string_view("ustar\00000", 8));
  seal(block);
  TRY_DO(put(block));
  TRY_DO(put(as_bytes(data)));
  return pad((kBlockSize - data.size() % kBlockSize) % kBlockSize);
}

TarWriter::TarWriter(Sink& to) : state_(std::make_unique<State>(to)) {}
TarWriter::~TarWriter() = default;
std::uint64_t TarWriter::position() const {
  return state_->position;
}

Result<void> TarWriter::begin(const TarMember& member) {
  TRY_DO(state_->expect_done());
  TRY_DO(check(member));
  const std::uint64_t size = member.type == MemberType::kFile ? member.size : 0;
  std::map<std::string, std::string> pax;
  for (const auto& [key, value] : member.pax)
    if (!tar::is_field_record(key) && !key.empty() && key.find('=') == std::string::npos)
      pax.emplace(key, value);
  for (const auto& [name, value] : member.xattrs) pax["SCHILY.xattr." + name] = value;

  Block block{};
  if (!put_name(block, member.name)) {
    pax["path"] = member.name;
    // Readers without PAX still see the end of the name.
    put_text(block, tar::kName,
             std::string_view(member.name).substr(member.name.size() - tar::kName.size));
  }
  if (member.link.size() > tar::kLink.size) pax["linkpath"] = member.link;
  put_text(block, tar::kLink, member.link);
  const auto number = [&](Field field, std::uint64_t value, std::uint64_t limit, const char* key) {
    if (value > limit) pax[key] = std::to_string(value);
    put_octal(block, field, value > limit ? 0 : value);
  };
  put_octal(block, tar::kMode, member.mode & 07777U);
  number(tar::kUid, member.uid, kMaxOctal7, "uid");
  number(tar::kGid, member.gid, kMaxOctal7, "gid");
  number(tar::kSize, size, kMaxOctal11, "size");
  const bool plain_time = member.mtime >= 0 &&
                          static_cast<std::uint64_t>(member.mtime) <= kMaxOctal11 &&
                          member.mtime_nanos == 0;
  put_octal(block, tar::kMtime,
            member.mtime < 0 ? 0 : std::min(static_cast<std::uint64_t>(member.mtime), kMaxOctal11));
  if (!plain_time) {
    std::int64_t seconds = member.mtime;
    std::uint32_t nanos = member.mtime_nanos;
    const bool negative = seconds < 0;
    if (negative && nanos > 0) {
      ++seconds;
      nanos = 1'000'000'000 - nanos;
    }
    std::string text = fmt::format(
        "{}{}", negative ? "-" : "",
        negative ? ~static_cast<std::uint64_t>(seconds) + 1 : static_cast<std::uint64_t>(seconds));
    if (nanos > 0) {
      text += fmt::format(".{:09}", nanos);
      while (text.back() == '0') text.pop_back();
    }
    pax["mtime"] = text;
  }
  block[tar::kType.offset] = static_cast<std::byte>(type_flag(member.type));
  put_text(block, tar::kMagic, std::string_view("ustar\00000", 8));
  put_text(block, tar::kUser, std::string_view(member.user).substr(0, tar::kUser.size - 1));
  put_text(block, tar::kGroup, std::string_view(member.group).substr(0, tar::kGroup.size - 1));
  if (member.user.size() >= tar::kUser.size) pax["uname"] = member.user;
  if (member.group.size() >= tar::kGroup.size) pax["gname"] = member.group;
  if (member.type == MemberType::kCharDevice || member.type == MemberType::kBlockDevice) {
    number(tar::kDevMajor, member.device_major, kMaxOctal7, "SCHILY.devmajor");
    number(tar::kDevMinor, member.device_minor, kMaxOctal7, "SCHILY.devminor");
  }
  seal(block);
  if (!pax.empty()) TRY_DO(state_->put_pax(pax));
  TRY_DO(state_->put(block));
  state_->content_left = size;
  state_->padding = (kBlockSize - size % kBlockSize) % kBlockSize;
  return {};
}

Result<void> TarWriter::write_content(Bytes bytes) {
  if (bytes.size() > state_->content_left)
    return fail(Code::kInternal, "a tar member received more bytes than announced");
  state_->content_left -= bytes.size();
  return state_->put(bytes);
}

Result<void> TarWriter::end() {
  if (state_->content_left > 0)
    return fail(Code::kInternal, "a tar member lacks {} of its announced bytes",
                state_->content_left);
  return state_->pad(std::exchange(state_->padding, 0));
}

Result<void> TarWriter::copy_globals(const TarReader& reader) {
  TRY_DO(state_->expect_done());
  for (const HeaderPart& part : split_headers(reader.raw_header()))
    if (part.global) TRY_DO(state_->put(part.bytes));
  return {};
}

Result<void> TarWriter::copy_raw(TarReader& reader, bool globals) {
  TRY_DO(state_->expect_done());
  if (!reader.rewind())
    return fail(Code::kInternal, "a tar member is copied after its content was read");
  for (const HeaderPart& part : split_headers(reader.raw_header()))
    if (globals || !part.global) TRY_DO(state_->put(part.bytes));
  while (true) {
    TRY(const Bytes chunk, reader.raw_content().next(1u << 20));
    if (chunk.empty()) return {};
    TRY_DO(state_->put(chunk));
  }
}

Result<void> TarWriter::finish() {
  TRY_DO(state_->expect_done());
  TRY_DO(state_->pad(kBlockSize));
  return state_->pad(kBlockSize);
}

}  // namespace flense::codec

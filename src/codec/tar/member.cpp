#include "codec/tar/member.h"

#include <algorithm>
#include <array>
#include <limits>

#include "codec/tar/format.h"

namespace flense::codec::tar {

namespace {

constexpr std::string_view kSchilyXattr = "SCHILY.xattr.";
constexpr std::string_view kLibarchiveXattr = "LIBARCHIVE.xattr.";

MemberType member_type(char flag, std::string_view name) {
  switch (flag) {
    case '0':
    case '7':
    case 'S':
      return MemberType::kFile;
    // Version 7 archives mark directories only by a trailing slash.
    case '\0':
      return name.ends_with('/') ? MemberType::kDirectory : MemberType::kFile;
    case '1':
      return MemberType::kHardLink;
    case '2':
      return MemberType::kSymlink;
    case '3':
      return MemberType::kCharDevice;
    case '4':
      return MemberType::kBlockDevice;
    case '5':
      return MemberType::kDirectory;
    case '6':
      return MemberType::kFifo;
    default:
      return MemberType::kOther;
  }
}

std::optional<std::string> take(PaxRecords& records, std::string_view key) {
  const auto found = records.find(std::string(key));
  if (found == records.end()) return std::nullopt;
  std::string value = std::move(found->second);
  records.erase(found);
  // An empty value cancels a record (POSIX): the field of the header applies.
  if (value.empty()) return std::nullopt;
  return value;
}

Result<void> take_text(PaxRecords& records, std::string_view key, std::string& field) {
  auto value = take(records, key);
  if (!value) return {};
  if (value->find('\0') != std::string::npos)
    return bad_input("the PAX record {} holds a NUL byte", key);
  field = std::move(*value);
  return {};
}

template <class T>
Result<void> take_number(PaxRecords& records, std::string_view key, T& field, std::uint64_t most) {
  const auto value = take(records, key);
  if (!value) return {};
  const auto number = parse_decimal(*value);
  if (!number || *number > most) return bad_input("the PAX record {} holds '{}'", key, *value);
  field = static_cast<T>(*number);
  return {};
}

std::optional<unsigned> hex_digit(char c) {
  if (c >= '0' && c <= '9') return static_cast<unsigned>(c - '0');
  if (c >= 'a' && c <= 'f') return static_cast<unsigned>(c - 'a') + 10;
  if (c >= 'A' && c <= 'F') return static_cast<unsigned>(c - 'A') + 10;
  return std::nullopt;
}

/// libarchive writes names with %XX escapes.
std::string decode_percent(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%' && i + 2 < text.size()) {
      const auto high = hex_digit(text[i + 1]), low = hex_digit(text[i + 2]);
      if (high && low) {
        out += static_cast<char>(*high * 16 + *low);
        i += 2;
        continue;
      }
    }
    out += text[i];
  }
  return out;
}

/// … and values in base64, with or without padding; what is none of it ends the value.
std::string decode_base64(std::string_view text) {
  static constexpr std::string_view kDigits =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  std::uint32_t bits = 0;
  unsigned count = 0;
  for (const char c : text) {
    const std::size_t digit = kDigits.find(c);
    if (digit == std::string_view::npos) break;
    bits = bits << 6 | static_cast<std::uint32_t>(digit);
    count += 6;
    if (count < 8) continue;
    count -= 8;
    out += static_cast<char>(bits >> count & 0xffU);
  }
  return out;
}

void take_xattrs(PaxRecords& records, TarMember& member) {
  for (auto record = records.begin(); record != records.end();) {
    const std::string_view key = record->first;
    if (key.starts_with(kSchilyXattr)) {
      // The raw form wins over libarchive's encoded one: both have the same meaning.
      member.xattrs[std::string(key.substr(kSchilyXattr.size()))] = std::move(record->second);
    } else if (key.starts_with(kLibarchiveXattr)) {
      member.xattrs.try_emplace(decode_percent(key.substr(kLibarchiveXattr.size())),
                                decode_base64(record->second));
    } else {
      ++record;
      continue;
    }
    record = records.erase(record);
  }
}

Result<void> apply_records(PaxRecords& records, TarMember& member) {
  constexpr auto kMost = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
  constexpr std::uint64_t kMost32 = std::numeric_limits<std::uint32_t>::max();
  TRY_DO(take_text(records, "path", member.name));
  TRY_DO(take_text(records, "linkpath", member.link));
  TRY_DO(take_text(records, "uname", member.user));
  TRY_DO(take_text(records, "gname", member.group));
  TRY_DO(take_number(records, "size", member.stored_size, kMost));
  TRY_DO(take_number(records, "uid", member.uid, kMost));
  TRY_DO(take_number(records, "gid", member.gid, kMost));
  TRY_DO(take_number(records, "SCHILY.devmajor", member.device_major, kMost32));
  TRY_DO(take_number(records, "SCHILY.devminor", member.device_minor, kMost32));
  if (const auto value = take(records, "mtime")) {
    const auto time = parse_pax_time(*value);
    if (!time) return bad_input("the PAX record mtime holds '{}'", *value);
    member.mtime = time->first;
    member.mtime_nanos = time->second;
  }
  take_xattrs(records, member);
  return {};
}

/// A field that must be a number from 0 to `most`.
Result<std::uint64_t> unsigned_field(Bytes block, Field field, const char* what) {
  const auto number = number_field(block, field);
  if (!number || *number < 0)
    return bad_input("the {} in a tar header is not a number: '{}'", what,
                     text_field(block, field));
  return static_cast<std::uint64_t>(*number);
}

}  // namespace

bool has_payload(MemberType type) {
  return type == MemberType::kFile || type == MemberType::kOther;
}

bool is_field_record(std::string_view key) {
  static constexpr auto kKeys =
      std::to_array<std::string_view>({"path", "linkpath", "uname", "gname", "size", "uid", "gid",
                                       "mtime", "SCHILY.devmajor", "SCHILY.devminor"});
  return std::ranges::find(kKeys, key) != kKeys.end() || key.starts_with(kSchilyXattr) ||
         key.starts_with(kLibarchiveXattr) || key.starts_with("GNU.sparse.");
}

Result<TarMember> make_member(Bytes block, Extended extended) {
  TarMember member;
  const std::string_view magic = as_text(block.subspan(kMagic.offset, kMagic.size));
  member.name = text_field(block, kName);
  // GNU headers ("ustar  ") reuse the prefix field for times and sparse maps.
  if (magic.starts_with(std::string_view("ustar\0", 6))) {
    const std::string_view prefix = text_field(block, kPrefix);
    if (!prefix.empty()) member.name = fmt::format("{}/{}", prefix, member.name);
  }
  member.link = text_field(block, kLink);
  const char flag = std::to_integer<char>(block[kType.offset]);
  if (magic.starts_with("ustar")) {
    member.user = text_field(block, kUser);
    member.group = text_field(block, kGroup);
    if (flag == '3' || flag == '4') {
      TRY(const auto major, unsigned_field(block, kDevMajor, "device number"));
      TRY(const auto minor, unsigned_field(block, kDevMinor, "device number"));
      member.device_major = static_cast<std::uint32_t>(major);
      member.device_minor = static_cast<std::uint32_t>(minor);
    }
  }
  TRY(member.stored_size, unsigned_field(block, kSize, "size"));
  TRY(const auto mode, unsigned_field(block, kMode, "mode"));
  member.mode = static_cast<std::uint32_t>(mode & 07777U);
  TRY(member.uid, unsigned_field(block, kUid, "user id"));
  TRY(member.gid, unsigned_field(block, kGid, "group id"));
  const auto mtime = number_field(block, kMtime);
  if (!mtime) return bad_input("the time in a tar header is not a number");
  member.mtime = *mtime;

  TRY_DO(apply_records(extended.records, member));
  if (extended.long_name) member.name = std::move(*extended.long_name);
  if (extended.long_link) member.link = std::move(*extended.long_link);
  member.type = member_type(flag, member.name);
  if (!has_payload(member.type)) member.stored_size = 0;
  member.size = member.stored_size;
  member.pax = std::move(extended.records);
  return member;
}

}  // namespace flense::codec::tar

#include "sbom/names.h"

#include <algorithm>

#include "base/ascii.h"
#include "base/path.h"
#include "base/printable.h"
#include "codec/legacy_digest.h"

namespace flense::sbom {

std::optional<std::string> absolute(std::string_view name) {
  auto path = normalise_member_path(name);
  if (!path || path->empty()) return std::nullopt;
  return "/" + *std::move(path);
}

Fate fate_of(const Fates& fates, std::string_view name) {
  const auto path = absolute(name);
  return path ? fates(*path) : Fate::kSame;
}

std::string_view hex_of(std::string_view digest) {
  constexpr std::string_view kPrefix = "sha256:";
  if (!digest.starts_with(kPrefix)) return {};
  digest.remove_prefix(kPrefix.size());
  const bool hex =
      std::ranges::all_of(digest, [](char c) { return is_digit(c) || (c >= 'a' && c <= 'f'); });
  return hex && digest.size() == 64 ? digest : std::string_view();
}

bool is_image_purl(std::string_view purl) {
  const std::string_view path = purl.substr(0, purl.find_first_of("?#"));
  const std::size_t at = path.rfind('@');
  return starts_with_any(path, {"pkg:oci/", "pkg:docker/"}) && at != path.npos &&
         starts_with_any(path.substr(at), {"@sha256:", "@sha256%3A"});
}

std::string result_purl(std::string_view purl, std::string_view result_digest) {
  const std::string_view subpath = purl.substr(std::min(purl.find('#'), purl.size()));
  purl.remove_suffix(subpath.size());
  const std::string_view path = purl.substr(0, purl.find('?'));
  const std::size_t at = path.rfind('@');
  const std::string_view colon = path.substr(at).starts_with("@sha256%3A") ? "%3A" : ":";
  std::string out = fmt::format("{}@sha256{}{}", path.substr(0, at), colon, hex_of(result_digest));
  if (path.size() < purl.size()) {
    char separator = '?';
    for (const std::string_view one : split(purl.substr(path.size() + 1), '&')) {
      if (starts_with_any(one, {"repository_url=", "tag="})) continue;
      out += fmt::format("{}{}", std::exchange(separator, '&'), one);
    }
  }
  return out + std::string(subpath);
}

std::string document_uuid(const Origin& origin) {
  // A namespace of our own, drawn once.
  constexpr unsigned char kNamespace[] = {0x5d, 0x0c, 0x8e, 0x21, 0x9a, 0x47, 0x4f, 0x6b,
                                          0x8f, 0x13, 0xc2, 0x70, 0x1e, 0xb9, 0x64, 0xd8};
  std::string name(std::begin(kNamespace), std::end(kNamespace));
  name +=
      fmt::format("{}\n{}\n{}", origin.result_digest, origin.document_digest, origin.tool_version);
  std::string hex = codec::sha1_hex(as_bytes(name)).substr(0, 32);
  hex[12] = '5';
  constexpr std::string_view kVariant = "89ab";
  constexpr std::string_view kDigits = "0123456789abcdef";
  hex[16] = kVariant[kDigits.find(hex[16]) % 4];
  return fmt::format("{}-{}-{}-{}-{}", hex.substr(0, 8), hex.substr(8, 4), hex.substr(12, 4),
                     hex.substr(16, 4), hex.substr(20));
}

std::string origin_text(const Origin& origin) {
  return fmt::format("{}@{}", origin.image_name, origin.image_digest);
}

std::optional<std::string> image_fact(std::string_view key, std::string_view value,
                                      const Origin& origin) {
  if (is_one_of(key, {"RepoDigest", "RepoTag", "Reference", "Size"})) return std::nullopt;
  if (!is_one_of(key, {"ImageID", "DiffID"})) return std::string(value);
  const auto part = origin.parts.find(std::string(value));
  if (part == origin.parts.end() || part->second.empty()) return std::nullopt;
  return part->second;
}

std::optional<std::string> layer_digest(std::string_view digest, const Origin& origin) {
  const auto part = origin.parts.find(std::string(digest));
  if (part == origin.parts.end()) return std::string(digest);
  if (part->second.empty()) return std::nullopt;
  return part->second;
}

bool renew(text::Json& checksum, std::string_view algorithm_key, std::string_view value_key,
           const Digests& now) {
  const std::string_view algorithm = checksum[algorithm_key].text();
  if (is_one_of(algorithm, {"SHA1", "SHA-1"}))
    checksum.set(std::string(value_key), now.sha1);
  else if (is_one_of(algorithm, {"SHA256", "SHA-256"}))
    checksum.set(std::string(value_key), now.sha256);
  else
    return false;
  return true;
}

std::string shown(std::string_view text) {
  return fmt::format("'{}'", shorten(printable(text.substr(0, 400)), 80));
}

Result<void> check_objects(const text::Json& document, std::string_view key) {
  const text::Json& list = document[key];
  if (!list.is_null() && !list.is_array()) return bad_input("{} is not a list", key);
  for (std::size_t i = 0; i < list.items().size(); ++i)
    if (!list.items()[i].is_object()) return bad_input("{}[{}] is not an object", key, i);
  return {};
}

}  // namespace flense::sbom

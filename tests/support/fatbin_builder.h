// Fat binaries from text, for tests: "ptx75:96 sm90a:200 lto75:64 kind16/80:64" gives one region
// with four entries of these kinds, architectures and payload sizes.
#pragma once

#include <charconv>
#include <cstdint>
#include <cstring>
#include <sstream>
#include <string>
#include <string_view>

namespace flense::testing {

struct EntrySpec {
  std::uint16_t kind = 2;
  std::uint16_t version = 0x0101;
  std::uint32_t header_size = 64;
  std::uint64_t payload_size = 64;
  std::uint32_t architecture = 90;
  std::uint64_t flags = 0x11;
  char fill = 'x';
};

template <class T>
void put(std::string& out, std::size_t at, T value) {
  std::memcpy(out.data() + at, &value, sizeof value);
}

inline std::string entry_bytes(const EntrySpec& spec) {
  std::string out(spec.header_size < 64 ? 64 : spec.header_size, '\0');
  put(out, 0, spec.kind);
  put(out, 2, spec.version);
  put(out, 4, spec.header_size);
  put(out, 8, spec.payload_size);
  put(out, 24, std::uint16_t{1});
  put(out, 26, std::uint16_t{8});
  put(out, 28, spec.architecture);
  put(out, 40, spec.flags);
  return out + std::string(spec.payload_size, spec.fill);
}

inline std::string region_of(const std::string& entries) {
  std::string out(16, '\0');
  put(out, 0, std::uint32_t{0xBA55ED50});
  put(out, 4, std::uint16_t{1});
  put(out, 6, std::uint16_t{16});
  put(out, 8, std::uint64_t{entries.size()});
  return out + entries;
}

inline unsigned number_at(std::string_view text, std::size_t& at) {
  unsigned value = 0;
  const auto [end, error] = std::from_chars(text.data() + at, text.data() + text.size(), value);
  at = error == std::errc() ? static_cast<std::size_t>(end - text.data()) : text.size();
  return value;
}

/// "sm90a:200", "ptx75:96", "lto75:64", "kind16/80:64".
inline EntrySpec entry_spec(std::string_view word) {
  EntrySpec spec;
  std::size_t at = 0;
  if (word.starts_with("sm")) {
    at = 2;
  } else if (word.starts_with("ptx")) {
    spec.kind = 1;
    at = 3;
  } else if (word.starts_with("lto")) {
    spec.kind = 8;
    at = 3;
  } else {
    at = 4;
    spec.kind = static_cast<std::uint16_t>(number_at(word, at));
    ++at;
  }
  spec.architecture = number_at(word, at);
  if (at < word.size() && word[at] == 'a') spec.flags |= 0x100000;
  if (at < word.size() && word[at] == 'f') spec.flags |= 0x200000;
  if (at < word.size() && word[at] != ':') ++at;
  ++at;
  spec.payload_size = number_at(word, at);
  spec.fill = static_cast<char>('A' + spec.architecture % 26);
  return spec;
}

inline std::string region(std::string_view text) {
  std::istringstream words{std::string(text)};
  std::string entries;
  for (std::string word; words >> word;) entries += entry_bytes(entry_spec(word));
  return region_of(entries);
}

}  // namespace flense::testing

// Entries of fat binaries with content that can be unpacked, for tests.
#pragma once

#include <string>
#include <string_view>

#include "codec/packed_block.h"
#include "support/fatbin_builder.h"

namespace flense::testing {

/// What passes for a cubin: the start of an ELF header of machine EM_CUDA, then `text`.
inline std::string cubin_of(std::string_view text) {
  std::string out = std::string(
                        "\x7f"
                        "ELF\2\1\1",
                        7) +
                    std::string(57, '\0');
  put(out, 16, std::uint16_t{2});
  put(out, 18, std::uint16_t{190});
  out += text;
  out.resize((out.size() + 7) / 8 * 8);
  return out;
}

/// Text that zstd packs well, and other compressors less so.
inline std::string machine_code(std::size_t size, unsigned seed = 1) {
  std::string out;
  for (unsigned i = seed; out.size() < size; ++i)
    out += "MOV R" + std::to_string(i * 7919 % 251) + ", c[0x0][0x" + std::to_string(i % 97) + "];";
  out.resize(size);
  return out;
}

/// One block of literals alone, which any LZ4 decoder takes.
inline std::string lz4_block(std::string_view content) {
  std::string out;
  if (content.size() < 15) {
    out += static_cast<char>(content.size() << 4);
  } else {
    out += static_cast<char>(0xf0);
    std::size_t rest = content.size() - 15;
    for (; rest >= 255; rest -= 255) out += static_cast<char>(0xff);
    out += static_cast<char>(rest);
  }
  return out + std::string(content);
}

inline std::string zstd_frame(std::string_view content, int level) {
  StringSink out;
  const auto sink = codec::write_block(out, codec::BlockMethod::kZstd, level, content.size());
  (void)sink->write(as_bytes(content));
  (void)sink->finish();
  return out.take();
}

inline constexpr std::uint64_t kLz4 = 0x2000, kZstd = 0x8000;

/// The entry with `packed` as its payload; `form` is kLz4, kZstd or 0 for what is not packed.
inline std::string stored_entry(EntrySpec spec, std::uint64_t form, const std::string& packed,
                                std::size_t unpacked) {
  spec.flags |= form;
  spec.payload_size = (packed.size() + 7) / 8 * 8;
  spec.fill = '\0';
  std::string out = entry_bytes(spec);
  if (form != 0) {
    put(out, 16, static_cast<std::uint32_t>(packed.size()));
    put(out, 56, std::uint64_t{unpacked});
  }
  out.replace(spec.header_size, packed.size(), packed);
  return out;
}

inline std::string raw_entry(std::string_view word, const std::string& content) {
  return stored_entry(entry_spec(word), 0, content, 0);
}
inline std::string lz4_entry(std::string_view word, const std::string& content) {
  return stored_entry(entry_spec(word), kLz4, lz4_block(content), content.size());
}
inline std::string zstd_entry(std::string_view word, const std::string& content, int level) {
  return stored_entry(entry_spec(word), kZstd, zstd_frame(content, level), content.size());
}

}  // namespace flense::testing

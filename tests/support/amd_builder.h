// AMD offload bundles for tests: plain ones from (id, content) pairs, and compressed ones around
// them.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "base/stream.h"
#include "codec/legacy_digest.h"
#include "codec/packed_block.h"
#include "support/fatbin_builder.h"

namespace flense::testing {

/// `alignment` as HIP's 4096: of each content.
inline std::string amd_bundle(const std::vector<std::pair<std::string, std::string>>& entries,
                              std::uint64_t alignment = 1) {
  std::string out = "__CLANG_OFFLOAD_BUNDLE__";
  const auto append = [](std::string& to, auto value) {
    to.append(reinterpret_cast<const char*>(&value), sizeof value);
  };
  append(out, std::uint64_t{entries.size()});
  std::uint64_t offset = out.size();
  for (const auto& [id, content] : entries) offset += 24 + id.size();
  const auto aligned = [&](std::uint64_t at) {
    return (at + alignment - 1) / alignment * alignment;
  };
  std::string contents;
  const std::uint64_t begin = aligned(offset);
  for (const auto& [id, content] : entries) {
    contents.resize(aligned(contents.size()), '\0');
    append(out, begin + contents.size());
    append(out, std::uint64_t{content.size()});
    append(out, std::uint64_t{id.size()});
    out += id;
    contents += content;
  }
  out.resize(begin, '\0');
  return out + contents;
}

/// The header of `version` (1, 2 or 3), and `plain` behind it as LLVM packs it: one zstd frame, or
/// with method 0 a zlib stream.
inline std::string compressed_bundle(unsigned version, const std::string& plain,
                                     std::uint16_t method = 1) {
  StringSink packed;
  const auto sink = codec::write_block(
      packed, method == 1 ? codec::BlockMethod::kZstd : codec::BlockMethod::kZlib, 3, plain.size());
  EXPECT_TRUE(sink->write(as_bytes(plain)) && sink->finish());
  codec::Md5 md5;
  md5.update(as_bytes(plain));
  const auto hash = load_le<std::uint64_t>(md5.take(), 0);
  const std::size_t header = version == 1 ? 20 : version == 2 ? 24 : 32;
  std::string out(header, '\0');
  out.replace(0, 4, "CCOB");
  out += packed.text();
  put(out, 4, static_cast<std::uint16_t>(version));
  put(out, 6, method);
  if (version == 1) put(out, 8, static_cast<std::uint32_t>(plain.size()));
  if (version == 2) {
    put(out, 8, static_cast<std::uint32_t>(out.size()));
    put(out, 12, static_cast<std::uint32_t>(plain.size()));
  }
  if (version == 3) {
    put(out, 8, std::uint64_t{out.size()});
    put(out, 16, std::uint64_t{plain.size()});
  }
  put(out, header - 8, hash);
  return out;
}

}  // namespace flense::testing

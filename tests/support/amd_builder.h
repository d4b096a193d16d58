// AMD offload bundles for tests: plain ones from (id, content) pairs, and compressed ones around
// them.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "base/stream.h"
#include "codec/compression.h"
#include "support/fatbin_builder.h"

namespace flense::testing {

inline std::string amd_bundle(const std::vector<std::pair<std::string, std::string>>& entries) {
  std::string out = "__CLANG_OFFLOAD_BUNDLE__";
  const auto append = [](std::string& to, auto value) {
    to.append(reinterpret_cast<const char*>(&value), sizeof value);
  };
  append(out, std::uint64_t{entries.size()});
  std::uint64_t offset = out.size();
  for (const auto& [id, content] : entries) offset += 24 + id.size();
  for (const auto& [id, content] : entries) {
    append(out, offset);
    append(out, std::uint64_t{content.size()});
    append(out, std::uint64_t{id.size()});
    out += id;
    offset += content.size();
  }
  for (const auto& [id, content] : entries) out += content;
  return out;
}

/// The header of `version` (1, 2 or 3), and `plain` as a zstd frame behind it.
inline std::string compressed_bundle(unsigned version, const std::string& plain) {
  StringSink packed;
  auto sink = codec::compress(packed, codec::Compression::kZstd, {});
  EXPECT_TRUE(sink.has_value() && (*sink)->write(as_bytes(plain)) && (*sink)->finish());
  const std::size_t header = version == 1 ? 20 : version == 2 ? 24 : 32;
  std::string out(header, '\0');
  out.replace(0, 4, "CCOB");
  out += packed.text();
  put(out, 4, static_cast<std::uint16_t>(version));
  put(out, 6, std::uint16_t{1});
  if (version == 1) put(out, 8, static_cast<std::uint32_t>(plain.size()));
  if (version == 2) {
    put(out, 8, static_cast<std::uint32_t>(out.size()));
    put(out, 12, static_cast<std::uint32_t>(plain.size()));
  }
  if (version == 3) {
    put(out, 8, std::uint64_t{out.size()});
    put(out, 16, std::uint64_t{plain.size()});
  }
  return out;
}

}  // namespace flense::testing

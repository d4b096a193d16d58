// Fates and an origin for the tests of this room.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "codec/legacy_digest.h"
#include "codec/sha256.h"
#include "sbom/sbom.h"

namespace flense::sbom {

inline const std::string kOldDigest = "sha256:" + std::string(64, 'a');
inline const std::string kNewDigest = "sha256:" + std::string(64, 'b');
inline const std::string kDocumentDigest = "sha256:" + std::string(64, 'd');

inline Origin test_origin() {
  return {"docker.io/library/app:1", kOldDigest, kDocumentDigest, "9.9", kNewDigest, {}};
}

struct Paths {
  std::set<std::string, std::less<>> gone, changed;
  Fate operator()(std::string_view path) const {
    if (gone.contains(path)) return Fate::kGone;
    return changed.contains(path) ? Fate::kChanged : Fate::kSame;
  }
};

inline text::Json parsed(std::string_view text) {
  auto json = text::parse_json(text, "it");
  EXPECT_TRUE(json) << (json ? "" : json.error().message);
  return json ? *json : text::Json();
}

/// A changed file has the content of its path.
inline Result<Reissued> reissued(const text::Json& document, const Paths& paths,
                                 const Origin& origin = test_origin()) {
  ContentDigests digests;
  for (const std::string& path : changed_files(document, paths))
    digests[path] = {codec::sha1_hex(as_bytes(path)),
                     codec::sha256_digest(as_bytes(path)).substr(7)};
  return reissue(document, paths, digests, origin);
}

/// The values of `key` in a list.
inline std::vector<std::string> values(const text::Json& list, std::string_view key) {
  std::vector<std::string> out;
  for (const text::Json& one : list.items()) out.emplace_back(one[key].text());
  return out;
}

inline std::vector<std::string> texts(const text::Json& list) {
  std::vector<std::string> out;
  for (const text::Json& one : list.items()) out.emplace_back(one.text());
  return out;
}

}  // namespace flense::sbom

// SBOMs of an image, reissued for its slim result: the original without some files, and with some
// files rewritten. What a document does not say of a file or package stays as it is.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "text/json.h"

namespace flense::sbom {

/// What became of a path of the original; kSame for what is not known.
enum class Fate : std::uint8_t { kSame, kGone, kChanged };
using Fates = std::function<Fate(std::string_view absolute_path)>;

struct Digests {
  std::string sha1, sha256;  ///< hexadecimal
};
/// By absolute path.
using ContentDigests = std::map<std::string, Digests>;

struct Origin {
  std::string image_name;       ///< "docker.io/library/app:1"
  std::string image_digest;     ///< "sha256:…"
  std::string document_digest;  ///< "sha256:…" of the bytes that held the original document
  std::string tool_version;
  std::string result_digest;  ///< "sha256:…" of the slim image
  /// Digests of the original's configuration and layers (diff IDs too) to those of the result; an
  /// empty text where the result has none.
  std::map<std::string, std::string> parts;
};

struct Reissued {
  text::Json document;
  /// Components of CycloneDX that are no files count as packages.
  std::size_t packages_before = 0, packages_after = 0;
  std::size_t files_gone = 0, files_changed = 0;
  std::vector<std::string> notices;  ///< for a person; may hold text of the document
};

enum class Format : std::uint8_t { kSpdxJson, kCycloneDxJson };

// Of what is held in memory at once. A file takes some 500 bytes and 20 values in the documents of
// scanners.
inline constexpr std::size_t kMaxBytes = std::size_t{64} << 20U;
inline constexpr std::size_t kMaxValues = 3'000'000;

/// JSON within these bounds; `what` names it in errors.
Result<text::Json> read(std::string_view bytes, std::string_view what);
/// SPDX 2.2 and 2.3, CycloneDX 1.4 to 1.7; nullopt for whatever else.
std::optional<Format> format_of(const text::Json& document);
/// "SPDX 2.3", "SPDX 3 (JSON-LD)", "CycloneDX 1.2", "no SBOM": for messages.
std::string kind_of(const text::Json& document);
/// The build stage that BuildKit's scanner describes in a document of its own beside the image's.
/// Its paths are not the image's, so that reissue refuses it.
std::optional<std::string> build_stage(const text::Json& document);
/// Paths that the document lists with checksums and that are changed, each once: reissue wants the
/// digests of all of them.
std::vector<std::string> changed_files(const text::Json& document, const Fates& fates);
/// The same result for the same arguments. Bad input where the document is of another kind than
/// those above, or has another shape where something has to be changed.
Result<Reissued> reissue(text::Json document, const Fates& fates, const ContentDigests& digests,
                         const Origin& origin);

}  // namespace flense::sbom

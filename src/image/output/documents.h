// The JSON documents of an image that is written.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "image/output/writer.h"
#include "text/json.h"

namespace flense::image {

inline constexpr std::string_view kLayoutText = R"({"imageLayoutVersion":"1.0.0"})";

struct ManifestDocuments {
  std::string config, config_digest;
  std::string manifest, manifest_digest;
};
ManifestDocuments make_manifest(const text::Json& config, const text::Json& annotations,
                                const std::vector<ImageWriter::LayerResult>& layers);

/// A member of an index or a manifest.
text::Json descriptor_json(std::string_view media_type, const std::string& digest,
                           std::uint64_t size);
/// What an entry of index.json is called, as BuildKit writes it: the tag alone for OCI tools, the
/// whole name for engines. `tag` is "app:1", or "1".
text::Json name_annotations(const std::string& tag);
/// "1" of "app:1".
std::string_view short_tag(std::string_view tag);

text::Json index_json(std::vector<text::Json> entries);

}  // namespace flense::image

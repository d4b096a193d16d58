// The documents of an image as hostile text: index, manifest, configuration, docker manifest, and
// the names that a user or an archive gives.
#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "image/model/model.h"
#include "image/model/platform.h"
#include "image/model/reference.h"

namespace {

using namespace flense;

/// What a document promises once it has parsed.
void check(bool holds) {
  if (!holds) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text = as_text(std::as_bytes(std::span(data, size)));
  if (const auto refs = image::parse_index(text, "input")) {
    for (const auto& ref : *refs)
      check(image::check_digest(ref.descriptor.digest, "d").has_value());
  }
  if (const auto manifest = image::parse_manifest(text, "input")) {
    for (const auto& layer : manifest->layers) {
      check(image::blob_path(layer.digest).size() == 13 + 64);
      (void)image::parse_layer_type(layer.media_type);
    }
  }
  if (const auto config = image::parse_config(text, "input")) {
    check(config->instructions.size() == config->diff_ids.size());
  }
  (void)image::parse_docker_manifest(text, "input");
  (void)image::trim_instruction(text);
  (void)image::parse_platform(text);
  (void)image::parse_target(text);
  if (const auto name = image::normalise_reference(text)) {
    // Normal forms are fixed points.
    check(image::normalise_reference(*name) == name);
    check(image::reference_matches(text, *name));
  }
  return 0;
}

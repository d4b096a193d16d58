// A walk over all members with their content, directly or through the SIF header.
#include <cstdint>
#include <cstdlib>

#include "base/stream.h"
#include "codec/sif.h"
#include "codec/squashfs/squashfs.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace flense::codec;
  flense::Bytes image = std::as_bytes(std::span(data, size));
  if (is_sif(image)) {
    const auto root = find_sif_root(image, "input.sif");
    if (!root) return 0;
    image = image.subspan(root->offset, root->size);
  }
  SquashfsReader::Limits limits;
  limits.max_members = 500;
  limits.max_total_bytes = 1u << 22;
  limits.max_depth = 20;
  const auto reader = SquashfsReader::open(image, "input.sqsh", limits);
  if (!reader) return 0;
  while (true) {
    const auto member = (*reader)->next();
    if (!member || !*member) return 0;
    const auto content = flense::read_all((*reader)->content(), 1u << 22, "content");
    if (content && (*member)->type == MemberType::kFile && content->size() != (*member)->size)
      std::abort();
  }
}

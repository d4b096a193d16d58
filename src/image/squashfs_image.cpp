#include "image/squashfs_image.h"

namespace flense::image {

bool is_squashfs(Bytes bytes) { return as_text(bytes).starts_with("hsqs"); }

bool is_sif(Bytes bytes) {
  return bytes.size() > 42 && as_text(bytes).substr(32).starts_with("SIF_MAGIC");
}

Result<std::unique_ptr<Image>> open_squashfs(MappedFile, const std::string& path, Form form) {
  return bad_input("{}: {} files are not read yet", path, to_string(form));
}

}  // namespace flense::image

#include "slim/candidates/vouched_files.h"

#include "base/format.h"
#include "base/path.h"

namespace flense::slim {

// Nix and Guix: the path is a hash of how all below it was made, and the database has a hash of
// what it holds (nix-store --verify --check-contents, guix gc --verify=contents). Spack: a manifest
// of hashes in each prefix (spack verify manifest).
VouchedFiles VouchedFiles::find(const image::Image& image, const inventory::Contents& contents) {
  VouchedFiles out;
  for (const auto& scan : contents.scans()) out.signatures_.push_back(scan->signatures);
  if (image.form == image::Form::kDirectory && image.name.starts_with('/')) out.root_ = image.name;
  contents.for_each_file([&](const inventory::VisibleFile& file) {
    const std::string_view folder = parent_path(file.path);
    if (base_name(file.path) == "install_manifest.json" && base_name(folder) == ".spack")
      out.spack_.emplace(parent_path(folder));
  });
  return out;
}

std::string VouchedFiles::store_of(std::string_view path) const {
  const std::string whole = fmt::format("{}/{}", root_, path);
  for (const std::string_view store : {"/nix/store/", "/gnu/store/"})
    if (whole.find(store) != std::string::npos)
      return std::string(store.substr(0, store.size() - 1));
  if (spack_.empty()) return {};
  for (std::string_view at = parent_path(path); !at.empty(); at = parent_path(at))
    if (spack_.contains(at)) return "/" + std::string(at);
  return {};
}

std::string VouchedFiles::why(image::EntryRef ref, std::string_view path, bool removed) const {
  if (signatures_.empty()) return {};
  const auto& layer = signatures_[ref.layer];
  std::string by = store_of(path);
  if (const auto found = layer.find(ref.index); by.empty() && !removed && found != layer.end())
    by = found->second;
  return by.empty() ? by : fmt::format("{} vouches for its content; see --rewrite-signed", by);
}

}  // namespace flense::slim

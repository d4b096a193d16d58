#include "image/sources/squashfs_image.h"

#include <utility>

#include "base/path.h"
#include "codec/sif.h"
#include "codec/squashfs/squashfs.h"
#include "image/layers/tree_image.h"

namespace flense::image {

namespace {

class SquashfsEntries final : public EntrySource {
 public:
  SquashfsEntries(MappedFile file, Bytes image, std::string name)
      : file_(std::move(file)), image_(image), name_(std::move(name)) {}

  Result<WalkResult> walk(const WalkOptions& options, const LayerVisitor& visit) const override {
    codec::SquashfsReader::Limits limits;
    limits.max_total_bytes = options.max_unpacked_bytes;
    TRY(const auto reader, codec::SquashfsReader::open(image_, name_, limits));
    ContentScratch scratch(options.scratch_directory);
    WalkResult result;
    while (true) {
      TRY(auto member, reader->next());
      if (!member) return result;
      LayerEntry entry;
      TRY(entry.path, normalise_member_path(member->name));
      entry.link = member->link;
      entry.member = std::move(*member);
      if (entry.member.type != codec::MemberType::kFile) {
        TRY_DO(visit(entry, nullptr, nullptr));
        continue;
      }
      result.unpacked_bytes += entry.member.size;
      if (options.progress != nullptr) TRY_DO(options.progress->add(entry.member.size));
      EntryContent content(reader->content(), entry.member.size, scratch, options.progress);
      TRY_DO(visit(entry, &content, nullptr));
    }
  }

 private:
  MappedFile file_;
  Bytes image_;
  std::string name_;
};

}  // namespace

Result<std::unique_ptr<Image>> open_squashfs(const MappedFile& file, const std::string& path,
                                             Form form) {
  Bytes bytes = file.bytes();
  Platform platform;
  if (form == Form::kSif) {
    TRY(const codec::SifRoot root, codec::find_sif_root(bytes, path));
    TRY(bytes, slice(bytes, root.offset, root.size, path));
    if (!root.architecture.empty()) platform = {"linux", root.architecture, ""};
  }
  TRY_DO(codec::SquashfsReader::open(bytes, path, {}));
  const std::uint64_t size = bytes.size();
  auto image = std::make_unique<TreeImage>(std::make_unique<SquashfsEntries>(file, bytes, path));
  image->form = form;
  image->name = path;
  image->platform = std::move(platform);
  image->layers.front().blob.size = size;
  return std::unique_ptr<Image>(std::move(image));
}

}  // namespace flense::image

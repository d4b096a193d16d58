#include "image/sources/wheel.h"

#include <optional>
#include <utility>

#include "base/path.h"
#include "image/layers/tree_image.h"

namespace flense::image {

namespace {

constexpr std::string_view kDistInfo = ".dist-info";
constexpr unsigned kPermissions = 07777;
constexpr std::uint8_t kMadeByUnix = 3;

codec::TarMember tar_member(const codec::ZipMember& member) {
  codec::TarMember out;
  out.name = std::string(kWheelRoot) + member.name;
  out.type = member.is_directory() ? codec::MemberType::kDirectory : codec::MemberType::kFile;
  // The upper half is what stat says, where the archive was made on Unix.
  const unsigned mode = member.external >> 16 & kPermissions;
  out.mode = member.made_by >> 8 == kMadeByUnix && mode != 0
                 ? mode
                 : (member.is_directory() ? 0755U : 0644U);
  out.size = out.stored_size = member.size;
  return out;
}

class WheelEntries final : public EntrySource {
 public:
  WheelEntries(MappedFile file, Wheel wheel, std::string name)
      : file_(std::move(file)), wheel_(std::move(wheel)), name_(std::move(name)) {}

  Result<WalkResult> walk(const WalkOptions& options, const LayerVisitor& visit) const override {
    ContentScratch scratch(options.scratch_directory);
    WalkResult result;
    for (const codec::ZipMember& member : wheel_.archive.members) {
      LayerEntry entry;
      entry.member = tar_member(member);
      TRY(entry.path, normalise_member_path(entry.member.name));
      if (entry.member.type != codec::MemberType::kFile) {
        TRY_DO(visit(entry, nullptr, nullptr));
        continue;
      }
      result.unpacked_bytes += member.size;
      if (result.unpacked_bytes > options.max_unpacked_bytes)
        return bad_input("{}: unpacks to more than {} bytes", name_, options.max_unpacked_bytes);
      if (options.progress != nullptr) TRY_DO(options.progress->add(member.packed.size()));
      TRY(const auto source, codec::open_zip_member(member));
      EntryContent content(*source, member.size, scratch, options.progress);
      TRY_DO(with_context(visit(entry, &content, nullptr), "reading {}", name_));
    }
    return result;
  }

 private:
  MappedFile file_;
  Wheel wheel_;
  std::string name_;
};

}  // namespace

Result<Wheel> read_wheel(Bytes bytes, const std::string& path) {
  Wheel out;
  TRY(out.name, parse_wheel_name(base_name(path)));
  TRY(out.archive, codec::read_zip(bytes, path));
  std::string info;
  for (const codec::ZipMember& member : out.archive.members) {
    const std::string top = member.name.substr(0, member.name.find('/'));
    if (!top.ends_with(kDistInfo) || top == info) continue;
    if (!info.empty()) return bad_input("{} holds two packages: {} and {}", path, info, top);
    info = top;
  }
  const auto find = [&](std::string_view name) -> Result<std::size_t> {
    for (std::size_t i = 0; i < out.archive.members.size(); ++i)
      if (!info.empty() && out.archive.members[i].name == fmt::format("{}/{}", info, name))
        return i;
    return bad_input("{} is no wheel: expected NAME-VERSION{}/{} in it", path, kDistInfo, name);
  };
  TRY(out.metadata, find("METADATA"));
  TRY(out.wheel, find("WHEEL"));
  TRY(out.record, find("RECORD"));
  return out;
}

Result<std::unique_ptr<Image>> open_wheel(const MappedFile& file, const std::string& path) {
  TRY(Wheel wheel, read_wheel(file.bytes(), path));
  auto image =
      std::make_unique<TreeImage>(std::make_unique<WheelEntries>(file, std::move(wheel), path));
  image->form = Form::kWheel;
  image->name = path;
  image->layers.front().blob.size = file.bytes().size();
  return std::unique_ptr<Image>(std::move(image));
}

}  // namespace flense::image

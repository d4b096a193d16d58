#include "codec/squashfs/squashfs.h"

#include <algorithm>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "codec/squashfs/content.h"
#include "codec/squashfs/inode.h"
#include "codec/squashfs/metadata.h"

namespace flense::codec {

namespace {

using squash::Inode;
using squash::InodeKind;
using squash::MetadataReader;
using squash::MetaPosition;
using squash::Superblock;

constexpr std::uint32_t kMaxRun = 256;  ///< entries after one directory header

MemberType member_type(InodeKind kind) {
  switch (kind) {
    case InodeKind::kDirectory:
      return MemberType::kDirectory;
    case InodeKind::kFile:
      return MemberType::kFile;
    case InodeKind::kSymlink:
      return MemberType::kSymlink;
    case InodeKind::kBlockDevice:
      return MemberType::kBlockDevice;
    case InodeKind::kCharDevice:
      return MemberType::kCharDevice;
    case InodeKind::kFifo:
      return MemberType::kFifo;
    case InodeKind::kSocket:
      return MemberType::kOther;
  }
  return MemberType::kOther;
}

struct Entry {
  std::string name;
  std::uint64_t inode_ref = 0;
};

/// A directory being listed.
struct Listing {
  MetaPosition at;
  std::uint64_t left = 0;       ///< bytes of listing not read yet
  std::uint32_t run_left = 0;   ///< entries before the next header
  std::uint64_t run_block = 0;  ///< inode block of this run, relative to the inode table
  std::size_t path_size = 0;    ///< length of this directory's own path
  std::string last;             ///< the name before, to check the order
};

}  // namespace

struct SquashfsReader::State {
  State(const Superblock& block, MetadataReader reader, const Limits& bounds)
      : super(block), metadata(std::move(reader)), limits(bounds), content(super, metadata) {}

  Superblock super;
  MetadataReader metadata;
  Limits limits;
  squash::FileContent content;
  std::vector<Listing> stack;
  std::string path;  ///< of the directory on top of the stack
  bool started = false;
  std::uint64_t members = 0, total = 0;
  std::unordered_set<std::uint64_t> directories;
  std::unordered_map<std::uint64_t, std::string> linked;  ///< inodes with several links: first path

  /// The next entry of the directory, nullopt at its end.
  Result<std::optional<Entry>> next_entry(Listing& listing);
  Result<void> take(Listing& listing, std::uint64_t count) {
    if (count > listing.left)
      return metadata.bad("the listing of '{}' is cut short at offset {:#x}+{}", path,
                          listing.at.block, listing.at.offset);
    listing.left -= count;
    return {};
  }
  Result<TarMember> visit(std::uint64_t ref, std::string member_path);
  Result<std::uint64_t> owner(std::uint16_t index) {
    if (index >= super.id_count)
      return metadata.bad("an inode names owner {} of {}", index, super.id_count);
    TRY(MetaPosition at, metadata.table_entry(super.id_table, index, 4));
    TRY(const auto id, metadata.read<std::uint32_t>(at));
    return id;
  }
};

Result<std::optional<Entry>> SquashfsReader::State::next_entry(Listing& listing) {
  if (listing.left == 0) return std::optional<Entry>();
  if (listing.run_left == 0) {
    TRY_DO(take(listing, 12));
    TRY(const auto count, metadata.read<std::uint32_t>(listing.at));
    TRY(const auto block, metadata.read<std::uint32_t>(listing.at));
    TRY_DO(metadata.skip(listing.at, 4));  // inode number
    if (count >= kMaxRun)
      return metadata.bad("a directory header of '{}' claims {} entries", path, count);
    listing.run_left = count + 1;
    listing.run_block = block;
  }
  --listing.run_left;
  TRY_DO(take(listing, 8));
  TRY(const auto offset, metadata.read<std::uint16_t>(listing.at));
  TRY_DO(metadata.skip(listing.at, 4));  // inode number difference, type
  TRY(const auto last_index, metadata.read<std::uint16_t>(listing.at));
  const std::uint32_t size = last_index + 1U;
  if (size > 256) return metadata.bad("a name in '{}' has {} bytes", path, size);
  TRY_DO(take(listing, size));
  Entry entry{std::string(size, '\0'), listing.run_block << 16 | offset};
  TRY_DO(metadata.read(listing.at, std::as_writable_bytes(std::span(entry.name))));
  if (entry.name == "." || entry.name == ".." ||
      entry.name.find_first_of(std::string_view("/\0", 2)) != std::string::npos)
    return metadata.bad("a name in '{}' is not a file name, at offset {:#x}+{}", path,
                        listing.at.block, listing.at.offset);
  // Sorted order is what makes names unique: a path that occurs twice would be ambiguous.
  if (entry.name <= listing.last)
    return metadata.bad("the names in '{}' are not in order at '{}'", path, entry.name);
  listing.last = entry.name;
  return std::optional(std::move(entry));
}

Result<TarMember> SquashfsReader::State::visit(std::uint64_t ref, std::string member_path) {
  if (++members > limits.max_members)
    return metadata.bad("the image has more than {} members", limits.max_members);
  TRY(const Inode inode, squash::read_inode(metadata, squash::position_of(ref, super.inode_table)));
  TarMember member;
  member.type = member_type(inode.kind);
  member.mode = inode.mode;
  member.mtime = inode.mtime;
  TRY(member.uid, owner(inode.uid_index));
  TRY(member.gid, owner(inode.gid_index));
  member.name = std::move(member_path);
  content.clear();

  if (inode.kind == InodeKind::kDirectory) {
    if (!directories.insert(ref).second)
      return metadata.bad("the directory '{}' is reached twice", member.name);
    if (stack.size() >= limits.max_depth)
      return metadata.bad("directories are nested more than {} deep", limits.max_depth);
    Listing listing;
    listing.at = {super.directory_table + inode.listing_block, inode.listing_offset};
    listing.left = inode.size;
    path = member.name == "." ? "" : member.name;
    listing.path_size = path.size();
    stack.push_back(std::move(listing));
  } else if (inode.links > 1) {
    const auto [first, fresh] = linked.try_emplace(ref, member.name);
    if (!fresh) {
      member.type = MemberType::kHardLink;
      member.link = first->second;
      return member;
    }
  }
  if (inode.xattr != squash::kNone32 && super.xattr_table != squash::kNoTable) {
    TRY(member.xattrs, squash::read_xattrs(metadata, super, inode.xattr));
  }
  if (inode.kind == InodeKind::kSymlink) member.link = inode.target;
  if (inode.kind == InodeKind::kBlockDevice || inode.kind == InodeKind::kCharDevice) {
    member.device_major = inode.device >> 8 & 0xfffU;
    member.device_minor = (inode.device & 0xffU) | (inode.device >> 12 & 0xfff00U);
  }
  if (inode.kind == InodeKind::kFile) {
    const auto sum = checked_add(total, inode.size);
    if (!sum || *sum > limits.max_total_bytes)
      return metadata.bad("the image unpacks to more than {} bytes", limits.max_total_bytes);
    total = *sum;
    member.size = member.stored_size = inode.size;
    content.begin(inode, member.name);
  }
  return member;
}

SquashfsReader::SquashfsReader(std::unique_ptr<State> state) : state_(std::move(state)) {}
SquashfsReader::~SquashfsReader() = default;
Source& SquashfsReader::content() {
  return state_->content;
}

bool is_squashfs(Bytes first_bytes) {
  return as_text(first_bytes).starts_with("hsqs");
}

Result<std::unique_ptr<SquashfsReader>> SquashfsReader::open(Bytes image, std::string name,
                                                             const Limits& limits) {
  TRY(const Superblock super, squash::parse_superblock(image, name));
  Result<squash::BlockDecoder> decoder =
      squash::BlockDecoder::create(super.compressor, super.block_size);
  if (!decoder) return bad_input("{}: {}", name, decoder.error().message);
  MetadataReader metadata(image.first(static_cast<std::size_t>(super.bytes_used)),
                          std::move(*decoder), std::move(name));
  return std::unique_ptr<SquashfsReader>(
      new SquashfsReader(std::make_unique<State>(super, std::move(metadata), limits)));
}

Result<std::optional<TarMember>> SquashfsReader::next() {
  State& state = *state_;
  if (!std::exchange(state.started, true)) {
    TRY(TarMember root, state.visit(state.super.root_ref, "."));
    if (root.type != MemberType::kDirectory)
      return state.metadata.bad("the root is not a directory");
    return std::optional(std::move(root));
  }
  state.content.clear();
  while (!state.stack.empty()) {
    Listing& listing = state.stack.back();
    state.path.resize(listing.path_size);
    TRY(std::optional<Entry> entry, state.next_entry(listing));
    if (!entry) {
      state.stack.pop_back();
      continue;
    }
    std::string member_path =
        state.path.empty() ? std::move(entry->name) : state.path + "/" + entry->name;
    TRY(TarMember member, state.visit(entry->inode_ref, std::move(member_path)));
    return std::optional(std::move(member));
  }
  return std::optional<TarMember>();
}

}  // namespace flense::codec

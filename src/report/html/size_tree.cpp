#include "report/html/size_tree.h"

#include <algorithm>
#include <functional>
#include <map>
#include <utility>

namespace flense::report {

namespace {

/// A directory or a member of one layer before small ones are grouped.
struct Raw {
  std::string_view name;
  std::uint32_t parent = 0;
  std::uint32_t member = kDirectory;
  std::uint32_t children = 0;
  std::uint64_t bytes = 0;  ///< of directories: all below
  static constexpr std::uint32_t kDirectory = UINT32_MAX;
  bool directory() const { return member == kDirectory; }
};

struct Placed {
  std::string_view path;
  std::uint32_t member = 0;
  std::uint64_t bytes = 0;
};

/// '/' orders before everything else, so that what lies in a directory stays together.
bool path_before(const Placed& a, const Placed& b) {
  const auto order = [](char c) { return c == '/' ? -1 : static_cast<unsigned char>(c); };
  const auto differs = std::mismatch(a.path.begin(), a.path.end(), b.path.begin(), b.path.end());
  if (differs.first == a.path.end() || differs.second == b.path.end())
    return a.path.size() != b.path.size() ? a.path.size() < b.path.size() : a.member < b.member;
  return order(*differs.first) < order(*differs.second);
}

/// Parents before children; the first is the layer itself.
std::vector<Raw> raw_tree(const inventory::LayerScan& scan) {
  std::vector<Placed> members;
  for (std::uint32_t index = 0; index < scan.listing->size(); ++index)
    if (const std::uint64_t bytes = scan.stored_bytes(index); bytes > 0)
      members.push_back({scan.listing->at(index).path, index, bytes});
  std::ranges::sort(members, path_before);

  std::vector<Raw> out(1);
  // Open directories: where their path ends in the previous one, and their node.
  std::vector<std::pair<std::size_t, std::uint32_t>> open = {{0, 0}};
  std::string_view before;
  for (const Placed& member : members) {
    const auto inside = [&](std::size_t end) {
      return end == 0 || (member.path.size() > end && member.path[end] == '/' &&
                          before.substr(0, end) == member.path.substr(0, end));
    };
    while (open.size() > 1 && !inside(open.back().first)) open.pop_back();
    std::size_t at = open.back().first == 0 ? 0 : open.back().first + 1;
    for (std::size_t slash = member.path.find('/', at); slash != std::string_view::npos;
         slash = member.path.find('/', at)) {
      const auto node = static_cast<std::uint32_t>(out.size());
      out.push_back({member.path.substr(at, slash - at), open.back().second});
      open.emplace_back(slash, node);
      at = slash + 1;
    }
    out.push_back({member.path.substr(at), open.back().second, member.member, 0, member.bytes});
    before = member.path;
  }
  for (std::size_t i = out.size(); i-- > 1;) {
    out[out[i].parent].bytes += out[i].bytes;
    ++out[out[i].parent].children;
  }
  return out;
}

/// The size from which on at most `most` of the files are; 0 when all may be shown.
std::uint64_t least_shown(const inventory::Contents& contents, std::size_t most) {
  std::vector<std::uint64_t> sizes;
  for (const auto& scan : contents.scans())
    for (std::uint32_t index = 0; index < scan->listing->size(); ++index)
      if (const std::uint64_t bytes = scan->stored_bytes(index); bytes > 0) sizes.push_back(bytes);
  if (sizes.size() <= most) return 0;
  const auto at = sizes.begin() + static_cast<std::ptrdiff_t>(most);
  std::nth_element(sizes.begin(), at, sizes.end(), std::greater<>());
  return *at + 1;
}

class Builder {
 public:
  Builder(const inventory::Contents& contents, const MemberFates& fates,
          const SizeTreeOptions& options)
      : contents_(contents), fates_(fates), options_(options) {
    out_.grouped_below = least_shown(contents, options.most_files);
    out_.nodes.push_back({{}, 0, NodeKind::kImage, 0, 0, 0});
  }

  void add_layer(std::uint32_t layer) {
    const inventory::LayerScan& scan = *contents_.scans()[layer];
    std::uint32_t top = 0;
    if (options_.layers) top = add({{}, 0, NodeKind::kLayer, 0, 0, 0});
    groups_.clear();
    add_members(layer, raw_tree(scan), top);
    for (const auto& [key, group] : groups_)
      leaf({{}, key.first, NodeKind::kGroup, key.second, group.bytes, group.files});
    const std::uint64_t archive = scan.unpacked_bytes - scan.content_bytes;
    const std::uint64_t goes = layer < options_.archive_given_back.size()
                                   ? std::min(archive, options_.archive_given_back[layer])
                                   : 0;
    leaf({{}, top, NodeKind::kArchive, reason({PartVerdict::kGoes, "archive", {}}), goes, 0});
    leaf({{},
          top,
          NodeKind::kArchive,
          reason({PartVerdict::kStays, "archive", {}}),
          archive - goes,
          0});
  }

  SizeTree take() { return std::move(out_); }

 private:
  struct Group {
    std::uint64_t bytes = 0, files = 0;
  };

  std::uint32_t add(SizeNode node) {
    out_.nodes.push_back(std::move(node));
    return static_cast<std::uint32_t>(out_.nodes.size() - 1);
  }

  void leaf(SizeNode node) {
    if (node.bytes == 0) return;
    out_.bytes += node.bytes;
    if (out_.reasons[node.reason].verdict == PartVerdict::kGoes) out_.given_back += node.bytes;
    add(std::move(node));
  }

  std::uint32_t reason(const SizeReason& wanted) {
    const auto [at, fresh] =
        reasons_.emplace(wanted, static_cast<std::uint32_t>(out_.reasons.size()));
    if (fresh) out_.reasons.push_back(wanted);
    return at->second;
  }

  void add_members(std::uint32_t layer, const std::vector<Raw>& raw, std::uint32_t top) {
    // Where the children of a raw node go, and the name of the directories that only wrap it.
    std::vector<std::uint32_t> place(raw.size(), top);
    std::vector<std::string> prefix(raw.size());
    std::vector<bool> only_directory(raw.size(), false);
    for (std::size_t i = 1; i < raw.size(); ++i)
      if (raw[i].directory() && raw[raw[i].parent].children == 1 && raw[i].parent != 0)
        only_directory[raw[i].parent] = true;
    for (std::size_t i = 1; i < raw.size(); ++i) {
      const Raw& one = raw[i];
      place[i] = place[one.parent];
      if (one.directory()) {
        if (one.bytes < out_.grouped_below) continue;
        // Passed on: a directory with a prefix has only this child.
        std::string name = std::move(prefix[one.parent]);
        name += one.name;
        if (only_directory[i])
          prefix[i] = std::move(name += '/');
        else
          place[i] = add({std::move(name), place[one.parent], NodeKind::kDirectory, 0, 0, 0});
      } else {
        add_file(layer, one, place[one.parent]);
      }
    }
  }

  void add_file(std::uint32_t layer, const Raw& file, std::uint32_t parent) {
    const inventory::LayerScan& scan = *contents_.scans()[layer];
    const auto found = fates_[layer].find(file.member);
    const MemberFate fate = found == fates_[layer].end() ? MemberFate{} : found->second;
    const auto elf = scan.elf.find(file.member);
    const auto bare = scan.bare_code.find(file.member);
    const std::vector<FilePart> parts =
        file_parts(file.bytes, fate, elf == scan.elf.end() ? nullptr : &elf->second,
                   bare == scan.bare_code.end() ? nullptr : &bare->second);
    const auto reason_of = [&](const FilePart& part) {
      return reason({part.verdict, part.reason,
                     part.verdict == PartVerdict::kHeldBack ? fate.held_back : std::string()});
    };
    if (file.bytes < out_.grouped_below) {
      for (const FilePart& part : parts) {
        Group& group = groups_[{parent, reason_of(part)}];
        group.bytes += part.bytes;
        // A file in several parts counts where its first part is.
        if (&part == &parts.front()) ++group.files;
      }
      return;
    }
    if (parts.size() == 1 && parts.front().kind == PartKind::kRest) {
      leaf({std::string(file.name), parent, NodeKind::kFile, reason_of(parts.front()), file.bytes,
            0});
      return;
    }
    const std::uint32_t node = add({std::string(file.name), parent, NodeKind::kFile, 0, 0, 0});
    for (const FilePart& part : parts)
      leaf({part.name, node, part.kind == PartKind::kCode ? NodeKind::kCode : NodeKind::kPart,
            reason_of(part), part.bytes, 0});
  }

  const inventory::Contents& contents_;
  const MemberFates& fates_;
  const SizeTreeOptions& options_;
  SizeTree out_;
  std::map<SizeReason, std::uint32_t> reasons_;
  std::map<std::pair<std::uint32_t, std::uint32_t>, Group> groups_;
};

}  // namespace

SizeTree size_tree(const inventory::Contents& contents, const MemberFates& fates,
                   const SizeTreeOptions& options) {
  Builder builder(contents, fates, options);
  for (std::uint32_t layer = 0; layer < contents.scans().size(); ++layer) builder.add_layer(layer);
  return builder.take();
}

}  // namespace flense::report

#include "image/layers/merged_tree.h"

#include <algorithm>
#include <bit>
#include <limits>
#include <ranges>
#include <utility>

#include "base/path.h"

namespace flense::image {

namespace {

constexpr std::size_t kMaxNodes = 5'000'000;
constexpr int kMaxLinks = 40;
constexpr std::uint32_t kRoot = 0;

/// Components of a path, front to back.
class Components {
 public:
  explicit Components(std::string_view path) : rest_(path) {}
  std::optional<std::string_view> next() {
    while (!rest_.empty() && rest_.front() == '/') rest_.remove_prefix(1);
    if (rest_.empty()) return std::nullopt;
    const std::size_t end = std::min(rest_.find('/'), rest_.size());
    const std::string_view out = rest_.substr(0, end);
    rest_.remove_prefix(end);
    return out;
  }

 private:
  std::string_view rest_;
};

std::size_t hash_of(std::uint32_t parent, std::string_view name) {
  return std::hash<std::string_view>{}(name) ^ (std::size_t{parent} * 0x9E3779B97F4A7C15ULL);
}

std::uint32_t clamp32(std::uint64_t value) {
  return static_cast<std::uint32_t>(
      std::min<std::uint64_t>(value, std::numeric_limits<std::uint32_t>::max()));
}

}  // namespace

Result<void> LayerListing::add(const Entry& entry) {
  constexpr std::size_t kMaxText = std::numeric_limits<std::uint32_t>::max();
  if (entry.path.size() + entry.link.size() > kMaxText - text_.size() ||
      records_.size() >= kMaxNodes) {
    return bad_input("a layer with more than {} members or 4 GiB of names", kMaxNodes);
  }
  Record record{};
  record.size = entry.size;
  record.mtime = entry.mtime;
  record.path_offset = static_cast<std::uint32_t>(text_.size());
  record.path_size = static_cast<std::uint32_t>(entry.path.size());
  text_ += entry.path;
  record.link_offset = static_cast<std::uint32_t>(text_.size());
  record.link_size = static_cast<std::uint32_t>(entry.link.size());
  text_ += entry.link;
  record.mode = entry.mode;
  record.uid = entry.uid;
  record.gid = entry.gid;
  record.type = entry.type;
  records_.push_back(record);
  return {};
}

Result<void> LayerListing::add(const LayerEntry& entry) {
  Entry out;
  out.path = entry.path;
  out.link = entry.link;
  out.size = entry.member.type == codec::MemberType::kFile ? entry.member.size : 0;
  out.mtime = entry.member.mtime;
  out.mode = entry.member.mode;
  out.uid = clamp32(entry.member.uid);
  out.gid = clamp32(entry.member.gid);
  out.type = entry.member.type;
  return add(out);
}

void LayerListing::reserve(std::size_t members, std::size_t text) {
  records_.reserve(members);
  text_.reserve(text);
}

LayerListing::Entry LayerListing::at(std::size_t index) const {
  const Record& record = records_[index];
  const std::string_view text = text_;
  return {text.substr(record.path_offset, record.path_size),
          text.substr(record.link_offset, record.link_size),
          record.size,
          record.mtime,
          record.mode,
          record.uid,
          record.gid,
          record.type};
}

Result<MergedTree> MergedTree::build(std::vector<std::shared_ptr<const LayerListing>> layers) {
  MergedTree tree;
  tree.layers_ = std::move(layers);
  std::size_t members = 0;
  for (const auto& layer : tree.layers_) members += layer->size();
  tree.nodes_.reserve(std::min(members + 1, kMaxNodes));
  tree.nodes_.emplace_back();
  tree.nodes_.front().exists = true;
  tree.rehash(std::bit_ceil(std::clamp<std::size_t>(members, 1024, kMaxNodes)));
  for (const auto& layer : tree.layers_) {
    tree.shadows_.emplace_back(layer->size());
    tree.live_content_.emplace_back(layer->size(), false);
  }
  for (std::size_t i = 0; i < tree.layers_.size(); ++i) {
    TRY_DO(tree.apply(static_cast<std::uint32_t>(i)));
  }
  for (const Node& node : tree.nodes_) {
    if (!node.exists) continue;
    ++tree.live_count_;
    if (node.has_content) tree.live_content_[node.content.layer][node.content.index] = true;
  }
  --tree.live_count_;  // the root
  tree.sort_children();
  return tree;
}

Result<void> MergedTree::apply(std::uint32_t layer) {
  const LayerListing& listing = *layers_[layer];
  linked_below_.clear();
  // Whiteouts act on lower layers only, wherever they stand in the archive, so they go first; hard
  // links to what lies below are made before the whiteouts that follow them.
  for (std::uint32_t i = 0; i < listing.size(); ++i) {
    const LayerListing::Entry entry = listing.at(i);
    const std::string_view path = entry.path;
    const Whiteout kind = whiteout_kind(path);
    if (kind == Whiteout::kNone) {
      if (is_aufs_metadata(path))
        shadows_[layer][i] = {EntryState::kMarker, layer};
      else if (entry.type == codec::MemberType::kHardLink && layer > 0)
        if (const auto below = content_of(link_target(entry.link))) linked_below_[i] = *below;
      continue;
    }
    shadows_[layer][i] = {EntryState::kMarker, layer};
    const std::string target = whiteout_target(path);
    if (kind == Whiteout::kOpaque) {
      const std::uint32_t node = walk_links(target, false);
      if (node != kNone) remove_below(node, layer);
      continue;
    }
    const std::uint32_t parent = walk_links(parent_path(target), true);
    if (parent == kNone) continue;
    const std::uint32_t node = lookup(parent, base_name(target));
    if (node == kNone || !nodes_[node].exists) continue;
    remove_below(node, layer);
    retire(node, EntryState::kDeleted, layer);
  }
  aufs_links_.clear();
  for (std::size_t i = 0; i < listing.size(); ++i) {
    if (shadows_[layer][i].state == EntryState::kMarker) {
      const LayerListing::Entry entry = listing.at(i);
      if (is_aufs_link_content(entry.path, entry.type))
        aufs_links_[entry.path] = {layer, static_cast<std::uint32_t>(i)};
      continue;
    }
    TRY_DO(place(layer, static_cast<std::uint32_t>(i)));
  }
  return {};
}

Result<void> MergedTree::place(std::uint32_t layer, std::uint32_t index) {
  const LayerListing::Entry entry = layers_[layer]->at(index);
  if (entry.path.empty() && entry.type != codec::MemberType::kDirectory) {
    return bad_input("layer {}: a member replaces the root directory by something else", layer + 1);
  }
  TRY(const std::uint32_t parent, make_path(parent_path(entry.path), layer));
  std::uint32_t at = kRoot;
  if (!entry.path.empty()) {
    TRY(at, child(parent, base_name(entry.path), true));
  }
  // The target is looked up before the link replaces anything.
  std::uint32_t target = kNone;
  if (entry.type == codec::MemberType::kHardLink) {
    target = link_target(entry.link);
    if (target == at) {
      // A link to itself changes nothing; the entry is superfluous.
      shadows_[layer][index] = {EntryState::kOverwritten, layer};
      return {};
    }
  }
  Node& node = nodes_[at];
  if (node.exists && entry.type != codec::MemberType::kDirectory) remove_below(at, layer);
  retire(at, EntryState::kOverwritten, layer);
  node.exists = true;
  node.has_entry = true;
  node.entry = {layer, index};
  if (entry.type == codec::MemberType::kFile) {
    node.has_content = true;
    node.content = node.entry;
  } else if (entry.type == codec::MemberType::kHardLink) {
    std::optional<EntryRef> content = content_of(target);
    const bool there = target != kNone && nodes_[target].exists;
    if (const auto below = linked_below_.find(index); !there && below != linked_below_.end())
      content = below->second;
    if (const auto kept = aufs_links_.find(entry.link); !content && kept != aufs_links_.end())
      content = kept->second;
    node.has_content = content.has_value();
    if (content) node.content = *content;
  }
  return {};
}

std::uint32_t MergedTree::link_target(std::string_view link) const {
  const std::uint32_t dir = walk_links(parent_path(link), true);
  return dir == kNone ? kNone : lookup(dir, base_name(link));
}

std::optional<EntryRef> MergedTree::content_of(std::uint32_t at) const {
  if (at == kNone || !nodes_[at].exists || !nodes_[at].has_entry ||
      type_of(nodes_[at]) == codec::MemberType::kDirectory)
    return std::nullopt;
  return nodes_[at].has_content ? nodes_[at].content : nodes_[at].entry;
}

std::uint32_t MergedTree::lookup(std::uint32_t parent, std::string_view name) const {
  std::uint32_t at = buckets_[hash_of(parent, name) & (buckets_.size() - 1)];
  while (at != kNone && (nodes_[at].parent != parent || nodes_[at].name != name)) {
    at = nodes_[at].hash_next;
  }
  return at;
}

Result<std::uint32_t> MergedTree::child(std::uint32_t parent, std::string_view name, bool create) {
  const std::uint32_t found = lookup(parent, name);
  if (found != kNone || !create) return found;
  if (nodes_.size() >= kMaxNodes) return bad_input("an image with more than {} paths", kMaxNodes);
  if (nodes_.size() >= buckets_.size()) rehash(buckets_.size() * 2);
  const auto at = static_cast<std::uint32_t>(nodes_.size());
  Node node;
  node.name = name;
  node.parent = parent;
  node.next = nodes_[parent].first_child;
  nodes_[parent].first_child = at;
  std::uint32_t& bucket = buckets_[hash_of(parent, name) & (buckets_.size() - 1)];
  node.hash_next = bucket;
  bucket = at;
  nodes_.push_back(node);
  return at;
}

void MergedTree::rehash(std::size_t buckets) {
  buckets_.assign(buckets, kNone);
  for (std::uint32_t i = 1; i < nodes_.size(); ++i) {
    std::uint32_t& bucket = buckets_[hash_of(nodes_[i].parent, nodes_[i].name) & (buckets - 1)];
    nodes_[i].hash_next = bucket;
    bucket = i;
  }
}

Result<std::uint32_t> MergedTree::make_path(std::string_view path, std::uint32_t layer) {
  std::uint32_t at = kRoot;
  Components components(path);
  while (const auto name = components.next()) {
    TRY(std::uint32_t next, child(at, *name, true));
    // A parent that is a symbolic link is followed inside the root, as containerd and umoci do.
    if (nodes_[next].exists && type_of(nodes_[next]) == codec::MemberType::kSymlink) {
      const std::uint32_t real = walk_links(path_of(next), true);
      if (real != kNone && type_of(nodes_[real]) == codec::MemberType::kDirectory) next = real;
    }
    Node& node = nodes_[next];
    if (!node.exists) {
      node.exists = true;
    } else if (type_of(node) != codec::MemberType::kDirectory) {
      // A file, or a link that leads to none, in the way of a directory gives way.
      retire(next, EntryState::kDeleted, layer);
      nodes_[next].exists = true;
    }
    at = next;
  }
  return at;
}

void MergedTree::retire(std::uint32_t at, EntryState state, std::uint32_t by_layer) {
  Node& node = nodes_[at];
  if (node.has_entry) shadows_[node.entry.layer][node.entry.index] = {state, by_layer};
  node.has_entry = node.has_content = false;
  node.exists = at == kRoot;
}

void MergedTree::remove_below(std::uint32_t node, std::uint32_t by_layer) {
  std::vector<std::uint32_t> stack = {node};
  while (!stack.empty()) {
    const std::uint32_t at = stack.back();
    stack.pop_back();
    for (std::uint32_t c = nodes_[at].first_child; c != kNone; c = nodes_[c].next) {
      if (!nodes_[c].exists) continue;
      stack.push_back(c);
      retire(c, EntryState::kDeleted, by_layer);
    }
  }
}

codec::MemberType MergedTree::type_of(const Node& node) const {
  if (!node.has_entry) return codec::MemberType::kDirectory;
  const codec::MemberType type = entry(node.entry).type;
  if (type == codec::MemberType::kHardLink && node.has_content) return entry(node.content).type;
  return type;
}

MergedTree::Found MergedTree::describe(const Node& node) const {
  Found out;
  if (node.has_entry) out.entry = node.entry;
  if (node.has_content) out.content = node.content;
  out.type = type_of(node);
  return out;
}

std::uint32_t MergedTree::find_node(std::string_view path) const {
  std::uint32_t at = kRoot;
  Components components(path);
  while (const auto name = components.next()) {
    at = lookup(at, *name);
    if (at == kNone || !nodes_[at].exists) return kNone;
  }
  return at;
}

std::optional<MergedTree::Found> MergedTree::find(std::string_view path) const {
  const std::uint32_t node = find_node(path);
  if (node == kNone) return std::nullopt;
  return describe(nodes_[node]);
}

std::uint32_t MergedTree::walk_links(std::string_view path, bool follow_last) const {
  std::vector<std::string> pending;  // components still to walk, next one last
  const auto push = [&pending](std::string_view text) {
    std::vector<std::string> parts;
    Components components(text);
    while (const auto part = components.next()) parts.emplace_back(*part);
    pending.insert(pending.end(), std::make_move_iterator(parts.rbegin()),
                   std::make_move_iterator(parts.rend()));
  };
  push(path);
  std::uint32_t at = kRoot;
  int links = 0;
  while (!pending.empty()) {
    const std::string part = std::move(pending.back());
    pending.pop_back();
    if (part == ".") continue;
    if (part == "..") {
      if (at != kRoot) at = nodes_[at].parent;
      continue;
    }
    const std::uint32_t next = lookup(at, part);
    if (next == kNone || !nodes_[next].exists) return kNone;
    const codec::MemberType type = type_of(nodes_[next]);
    if (type == codec::MemberType::kSymlink && (follow_last || !pending.empty())) {
      if (++links > kMaxLinks) return kNone;
      const Node& node = nodes_[next];
      const std::string_view link = entry(node.has_content ? node.content : node.entry).link;
      if (link.starts_with('/')) at = kRoot;
      push(link);
      continue;
    }
    if (type != codec::MemberType::kDirectory && !pending.empty()) return kNone;
    at = next;
  }
  return at;
}

std::string MergedTree::path_of(std::uint32_t node) const {
  std::vector<std::string_view> parts;
  for (std::uint32_t at = node; at != kRoot; at = nodes_[at].parent) {
    parts.push_back(nodes_[at].name);
  }
  std::string out;
  for (auto part = parts.rbegin(); part != parts.rend(); ++part) {
    if (!out.empty()) out += '/';
    out += *part;
  }
  return out;
}

std::optional<std::string> MergedTree::resolve(std::string_view path, bool follow_last) const {
  const std::uint32_t node = walk_links(path, follow_last);
  if (node == kNone) return std::nullopt;
  return path_of(node);
}

MergedTree::Shadow MergedTree::shadow(EntryRef ref) const {
  return shadows_[ref.layer][ref.index];
}

bool MergedTree::content_is_live(EntryRef ref) const {
  return live_content_[ref.layer][ref.index];
}

void MergedTree::sort_children() {
  std::vector<std::uint32_t> live;
  for (Node& node : nodes_) {
    live.clear();
    for (std::uint32_t c = node.first_child; c != kNone; c = nodes_[c].next) {
      if (nodes_[c].exists) live.push_back(c);
    }
    std::ranges::sort(live, {}, [this](std::uint32_t c) { return nodes_[c].name; });
    node.first_child = kNone;
    for (const std::uint32_t c : std::views::reverse(live))
      nodes_[c].next = std::exchange(node.first_child, c);
  }
}

std::vector<std::string> MergedTree::list(std::string_view directory) const {
  std::vector<std::string> out;
  const std::uint32_t node = find_node(directory);
  if (node == kNone) return out;
  for (std::uint32_t c = nodes_[node].first_child; c != kNone; c = nodes_[c].next)
    out.emplace_back(nodes_[c].name);
  return out;
}

Result<void> MergedTree::for_each(
    const std::function<Result<void>(const std::string& path, const Found& found)>& fn) const {
  std::string path;
  std::uint32_t at = nodes_[kRoot].first_child;
  while (at != kNone) {
    const Node& node = nodes_[at];
    if (!path.empty()) path += '/';
    path += node.name;
    TRY_DO(fn(path, describe(node)));
    if (node.first_child != kNone) {
      at = node.first_child;
      continue;
    }
    // The next sibling of this node or of the nearest directory above that has one.
    for (; at != kRoot; at = nodes_[at].parent) {
      path.resize(path.size() - nodes_[at].name.size());
      if (!path.empty()) path.pop_back();
      if (nodes_[at].next != kNone) break;
    }
    at = nodes_[at].next;
  }
  return {};
}

}  // namespace flense::image

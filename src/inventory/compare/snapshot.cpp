#include "inventory/compare/snapshot.h"

#include <algorithm>

#include "base/version_numbers.h"
#include "inventory/compare/size_reasons.h"

namespace flense::inventory {

namespace {

using codec::MemberType;

/// Members of "config" whose own members are compared one by one.
constexpr std::string_view kByName[] = {"Labels", "ExposedPorts", "Volumes"};

std::string plain(const text::Json& value) {
  return value.is_string() ? std::string(value.text()) : text::dump_json(value);
}

bool is_nothing(const text::Json& value) {
  return value.is_null() || (value.is_string() && value.text().empty()) ||
         (value.is_array() && value.items().empty()) ||
         (value.is_object() && value.members().empty()) ||
         (value.is_bool() && !value.bool_or(false));
}

std::optional<GlibcNeed> newest_glibc(const Contents& contents) {
  std::optional<GlibcNeed> out;
  contents.for_each_file([&](const VisibleFile& file) {
    const ElfFacts* elf = contents.elf(file.content);
    if (elf == nullptr || elf->glibc.empty()) return;
    if (!out || compare_versions(elf->glibc, out->version) > 0)
      out = GlibcNeed{elf->glibc, std::string(file.path)};
  });
  return out;
}

std::vector<SnapshotFile> list_files(const image::MergedTree& tree) {
  std::vector<SnapshotFile> out;
  out.reserve(tree.live_count());
  // The callback cannot fail, so neither can the walk.
  static_cast<void>(tree.for_each(
      [&](const std::string& path, const image::MergedTree::Found& found) -> Result<void> {
        if (!found.entry || path.empty()) return {};
        const image::LayerListing::Entry entry = tree.entry(found.content.value_or(*found.entry));
        SnapshotFile file;
        file.path = path;
        file.type = entry.type;
        file.mode = entry.mode & 07777;
        file.uid = entry.uid;
        file.gid = entry.gid;
        if (entry.type == MemberType::kFile) {
          file.size = entry.size;
          file.content = found.content.value_or(*found.entry);
        }
        if (entry.type == MemberType::kSymlink) file.link = entry.link;
        out.push_back(std::move(file));
        return {};
      }));
  std::ranges::sort(out, {}, &SnapshotFile::path);
  return out;
}

}  // namespace

std::map<std::string, std::string> flat_configuration(const text::Json& config) {
  std::map<std::string, std::string> out;
  for (const auto& [name, value] : config["config"].members()) {
    if (is_nothing(value)) continue;
    if (name == "Env") {
      for (const text::Json& variable : value.items()) {
        const std::string_view text = variable.text();
        const std::size_t equals = std::min(text.find('='), text.size());
        out["Env." + std::string(text.substr(0, equals))] =
            text.substr(std::min(equals + 1, text.size()));
      }
    } else if (std::ranges::find(kByName, name) != std::end(kByName)) {
      for (const auto& [key, inner] : value.members()) out[name + "." + key] = plain(inner);
    } else {
      out[name] = plain(value);
    }
  }
  return out;
}

Snapshot take_snapshot(const image::Image& image, const Contents& contents, Inventory inventory) {
  Snapshot out;
  out.inventory = std::move(inventory);
  out.whole = true;
  out.files = list_files(contents.tree());
  out.configuration = flat_configuration(image.config);
  out.reasons = reasons_of(contents);
  out.glibc = newest_glibc(contents);
  out.packages_known = std::ranges::none_of(out.files, [](const SnapshotFile& file) {
    return package_file(file.path) == PackageFile::kRpmDatabase;
  });
  return out;
}

Snapshot snapshot_of_saved(Inventory inventory) {
  Snapshot out;
  out.reasons = reasons_of(inventory);
  // Its files are unknown, but it says so itself.
  out.packages_known = std::ranges::none_of(
      inventory.notices, [](const std::string& notice) { return notice.contains("rpm database"); });
  out.inventory = std::move(inventory);
  return out;
}

bool same_member(const Snapshot& a, const SnapshotFile& file_a, const Snapshot& b,
                 const SnapshotFile& file_b) {
  if (file_a.content.index != file_b.content.index) return false;
  const LayerFacts& layer_a = a.inventory.layers[file_a.content.layer];
  const LayerFacts& layer_b = b.inventory.layers[file_b.content.layer];
  return !layer_a.diff_id.empty() && layer_a.diff_id == layer_b.diff_id;
}

std::vector<std::pair<std::size_t, std::size_t>> undecided(const Snapshot& a, const Snapshot& b) {
  std::vector<std::pair<std::size_t, std::size_t>> out;
  std::size_t i = 0, k = 0;
  while (i < a.files.size() && k < b.files.size()) {
    const SnapshotFile& one = a.files[i];
    const SnapshotFile& two = b.files[k];
    if (const int order = one.path.compare(two.path); order != 0) {
      ++(order < 0 ? i : k);
      continue;
    }
    if (one.type == MemberType::kFile && two.type == MemberType::kFile && one.size > 0 &&
        one.size == two.size && !same_member(a, one, b, two))
      out.emplace_back(i, k);
    ++i, ++k;
  }
  return out;
}

}  // namespace flense::inventory

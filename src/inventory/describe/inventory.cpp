#include "inventory/describe/inventory.h"

#include <algorithm>
#include <map>
#include <tuple>
#include <utility>

#include "base/path.h"
#include "base/version_numbers.h"
#include "image/layers/layer_walk.h"
#include "inventory/describe/build_needs.h"
#include "inventory/describe/flavour.h"
#include "inventory/describe/largest.h"
#include "inventory/describe/models.h"
#include "inventory/describe/runtimes.h"
#include "inventory/describe/start.h"

namespace flense::inventory {

namespace {

/// The file that took the place of a hidden one has its size and its beginning.
bool looks_equal(const Contents& contents, image::EntryRef hidden) {
  const LayerScan& scan = contents.scan(hidden);
  const auto head = scan.heads.find(hidden.index);
  if (head == scan.heads.end()) return false;
  const image::LayerListing::Entry entry = scan.listing->at(hidden.index);
  const auto now = contents.tree().find(entry.path);
  if (!now || !now->content) return false;
  const auto& heads = contents.scan(*now->content).heads;
  const auto found = heads.find(now->content->index);
  return found != heads.end() && found->second == head->second &&
         contents.tree().entry(*now->content).size == entry.size;
}

void add_layers(const image::Image& image, const Contents& contents,
                const std::vector<WastedFile>& wasted, Inventory& out) {
  for (std::size_t i = 0; i < image.layers.size(); ++i) {
    const image::Layer& layer = image.layers[i];
    const LayerScan& scan = *contents.scans()[i];
    LayerFacts facts;
    facts.digest = layer.blob.digest;
    facts.diff_id = layer.diff_id;
    facts.media_type = layer.blob.media_type;
    facts.compression = codec::to_string(layer.compression);
    facts.instruction = layer.instruction;
    facts.unpacked_bytes = scan.unpacked_bytes;
    facts.content_bytes = scan.content_bytes;
    facts.archive_bytes = scan.unpacked_bytes - scan.content_bytes;
    // Directories and single files are not packed at all.
    facts.size_bytes =
        image.entries() != nullptr && layer.blob.size == 0 ? scan.unpacked_bytes : layer.blob.size;
    for (std::size_t k = 0; k < scan.listing->size(); ++k) {
      const image::LayerListing::Entry entry = scan.listing->at(k);
      if (entry.type != codec::MemberType::kDirectory &&
          image::whiteout_kind(entry.path) == image::Whiteout::kNone)
        ++facts.files;
    }
    out.layers.push_back(std::move(facts));
  }
  for (const WastedFile& file : wasted) out.layers[file.layer].waste_bytes += file.bytes;
  for (const LayerFacts& facts : out.layers) {
    out.size_bytes += facts.size_bytes;
    out.unpacked_bytes += facts.unpacked_bytes;
    out.waste_bytes += facts.waste_bytes;
  }
}

/// cubins before PTX, then by number: "sm_90" before "sm_90a" before "sm_100".
bool before(const ArchCount& a, const ArchCount& b) {
  const auto key = [](const ArchCount& count) {
    const std::size_t digits = std::min(count.arch.find_first_of("0123456789"), count.arch.size());
    std::uint64_t number = 0;
    for (const char c : std::string_view(count.arch).substr(digits, 6)) {
      if (c < '0' || c > '9') break;
      number = number * 10 + static_cast<std::uint64_t>(c - '0');
    }
    return std::tuple(std::string_view(count.vendor), std::string_view(count.kind), number,
                      std::string_view(count.arch));
  };
  return key(a) < key(b);
}

void add_totals(DeviceCode& code) {
  std::map<std::tuple<std::string_view, std::string_view, std::string_view>, ArchCount> totals;
  for (const DeviceFile& file : code.files) {
    code.device_bytes += file.device_bytes;
    for (const ArchCount& entry : file.entries) {
      ArchCount& total = totals[{entry.vendor, entry.kind, entry.arch}];
      total.vendor = entry.vendor;
      total.kind = entry.kind;
      total.arch = entry.arch;
      total.count += entry.count;
      total.bytes += entry.bytes;
      total.zstd += entry.zstd;
      total.hollow += entry.hollow;
      if (compare_versions(total.version, entry.version) < 0) total.version = entry.version;
    }
  }
  for (auto& [key, total] : totals) code.totals.push_back(total);
  std::stable_sort(code.totals.begin(), code.totals.end(), before);
  std::stable_sort(
      code.files.begin(), code.files.end(),
      [](const DeviceFile& a, const DeviceFile& b) { return a.device_bytes > b.device_bytes; });
}

/// Everything that one walk over the visible files yields.
struct View {
  RuntimeClues clues;
  std::vector<LibraryUse> libraries;
  std::uint64_t unreadable = 0;
  bool rpm = false, musl = false, glibc = false;
};

void add_file(const Contents& contents, const VisibleFile& file, Inventory& out, View& view,
              TopList& files, DirectorySizes& directories) {
  ++out.files;
  const LayerScan& scan = contents.scan(file.content);
  const std::uint32_t index = file.content.index;
  if (is_runtime_clue(file.path)) view.clues.paths.emplace_back(file.path);
  const std::string_view name = base_name(file.path);
  view.musl |= name.starts_with("ld-musl-");
  view.glibc |= name.starts_with("ld-linux-") || name.starts_with("ld-2.");
  directories.add(file.path, file.first ? file.size : 0);
  if (!file.first) return;
  out.file_bytes += file.size;
  files.offer(file.path, file.size, file.content.layer);

  if (const auto at = scan.packages.find(index); at != scan.packages.end()) {
    view.rpm |= package_file(file.path) == PackageFile::kRpmDatabase;
    for (const Package& package : at->second)
      out.packages.push_back({package, std::string(file.path)});
  }
  if (const auto at = scan.texts.find(index); at != scan.texts.end())
    view.clues.texts.emplace(file.path, at->second);
  if (const auto at = scan.bare_code.find(index); at != scan.bare_code.end())
    out.device_code.files.push_back({std::string(file.path), file.content.layer, file.size,
                                     at->second.device_bytes, at->second.regions, at->second.code,
                                     std::nullopt});

  const ElfFacts* elf = contents.elf(file.content);
  if (elf == nullptr) return;
  if (!elf->libc_release.empty()) view.clues.libc_releases.emplace(file.path, elf->libc_release);
  if (!elf->unreadable.empty()) ++view.unreadable;
  view.libraries.push_back({std::string(file.path),
                            elf->soname.empty() ? std::string(name) : elf->soname, elf->needed,
                            !elf->code.empty(), elf->rpath + elf->runpath});
  if (elf->regions == 0 && elf->device_bytes == 0) return;
  out.device_code.files.push_back({std::string(file.path), file.content.layer, file.size,
                                   elf->device_bytes, elf->regions, elf->code, elf->prune});
}

/// Layers that exist to change a mode or an owner carry every file once more.
void add_copied(const std::vector<WastedFile>& wasted, Inventory& out) {
  std::uint64_t files = 0, bytes = 0;
  for (const WastedFile& file : wasted) {
    if (!file.looks_equal) continue;
    ++files;
    bytes += file.bytes;
  }
  if (files == 0) return;
  out.notices.push_back(
      fmt::format("{} {} overwritten by one of equal size and beginning, mostly to change mode, "
                  "owner or time ({}): COPY --chown and --chmod do it without a copy",
                  files, files == 1 ? "file was" : "files were", human_bytes(bytes)));
}

void add_notices(const image::Image& image, const View& view, Inventory& out) {
  out.notices = image.notices;
  if (view.rpm)
    out.notices.emplace_back(
        "the image has an rpm database, which flense does not read: its packages are not listed");
  if (view.unreadable > 0)
    out.notices.push_back(fmt::format("{} ELF {} device code that could not be read",
                                      view.unreadable,
                                      view.unreadable == 1 ? "file holds" : "files hold"));
  if (const std::string_view forced = forces_ptx(view.clues.environment); !forced.empty())
    out.notices.push_back(fmt::format("the image sets {}: all PTX is kept", forced));
}

}  // namespace

std::vector<WastedFile> find_waste(const Contents& contents) {
  std::vector<WastedFile> out;
  const image::MergedTree& tree = contents.tree();
  for (std::uint32_t layer = 0; layer < tree.layer_count(); ++layer) {
    const LayerScan& scan = *contents.scans()[layer];
    for (std::uint32_t index = 0; index < scan.listing->size(); ++index) {
      const std::uint64_t bytes = scan.stored_bytes(index);
      const image::EntryRef ref{layer, index};
      if (bytes == 0 || tree.content_is_live(ref)) continue;
      const image::MergedTree::Shadow shadow = tree.shadow(ref);
      const std::uint64_t by =
          shadow.by_layer == image::MergedTree::kNoLayer ? layer : shadow.by_layer;
      const bool deleted = shadow.state != image::EntryState::kOverwritten;
      out.push_back({std::string(scan.listing->at(index).path), bytes, layer, by, deleted,
                     !deleted && looks_equal(contents, ref)});
    }
  }
  std::stable_sort(out.begin(), out.end(),
                   [](const WastedFile& a, const WastedFile& b) { return a.bytes > b.bytes; });
  return out;
}

Result<Inventory> describe(const image::Image& image, const Contents& contents,
                           const InventoryOptions& options) {
  Inventory out;
  out.target = image.name;
  out.form = image::to_string(image.form);
  out.found_in = image.found_in;
  out.platform = image.platform.text();
  out.digest = image.manifest_digest;
  out.tags = image.tags;
  out.origin = contents.origin();

  std::vector<WastedFile> wasted = find_waste(contents);
  add_layers(image, contents, wasted, out);

  View view;
  view.clues.environment = environment(image);
  TopList files(options.largest);
  DirectorySizes directories(options.largest);
  contents.for_each_file(
      [&](const VisibleFile& file) { add_file(contents, file, out, view, files, directories); });
  out.largest_files = files.take();
  out.largest_directories = directories.take();
  add_totals(out.device_code);
  view.clues.packages = out.packages;
  out.runtimes = find_runtimes(view.clues);

  const BuildNeeds needs = find_build_needs(contents, out.packages);
  out.base_flavour = smallest_flavour(view.libraries, needs);
  out.models = find_models(contents);
  add_notices(image, view, out);
  add_copied(wasted, out);
  if (!out.origin.hashed || !out.origin.same_files)
    out.notices.emplace_back("the digests of the layers were not verified");
  if (wasted.size() > options.largest) wasted.resize(options.largest);
  out.wasted_files = std::move(wasted);
  return out;
}

}  // namespace flense::inventory

#include "inventory/scan/scan_cache.h"

#include <algorithm>
#include <utility>

#include "base/clock.h"
#include "base/version.h"
#include "inventory/scan/own_build.h"
#include "inventory/scan/scan_format.h"
#include "text/json.h"

namespace flense::inventory {

namespace {

constexpr std::string_view kFileForm = "file-1";
constexpr std::size_t kMaxLabel = 200, kFormDigits = 16;

bool has_digest(const image::Layer& layer) {
  return !layer.blob.digest.empty() || !layer.diff_id.empty();
}

std::string prune_text(const InventoryCache::Prune& prune) {
  if (!prune) return {};
  return fmt::format("{} {} {} {}{}{}{}{}", prune->targets.text(), device::to_string(prune->level),
                     device::to_string(prune->recompress), prune->keep_ptx, prune->drop_debug,
                     prune->drop_symtab, prune->drop_vendor, prune->keep_amd);
}

/// By what the layer unpacks to, however it is stored: that what is stored does so is asked apart.
std::string scan_key(const image::Layer& layer, const InventoryCache::Prune& prune) {
  return KeyMaker(kLayerKind)
      .add(form_of(kLayerKind))
      .add(layer.diff_id.empty() ? layer.blob.digest : layer.diff_id)
      .add(prune_text(prune))
      .key();
}

/// That what the one digest names unpacks to what the other names; empty where nothing is to be
/// proven.
std::string pair_key(const image::Layer& layer) {
  if (layer.blob.digest.empty() || layer.diff_id.empty() || layer.blob.digest == layer.diff_id)
    return {};
  return KeyMaker(kFileKind)
      .add(form_of(kFileKind))
      .add("pair")
      .add(layer.blob.digest)
      .add(layer.diff_id)
      .key();
}

/// Of the very bytes: an archive may hold several members of which each claims the same digest.
/// Empty where they cannot be told.
std::string file_key(const image::Image& image, std::size_t index) {
  const MappedFile* file = image.layer_mapping(index);
  if (file == nullptr || !file->identity()) return {};
  const auto stored = image.open_layer(index);
  if (!stored) return {};
  const Bytes bytes = (*stored)->direct();
  const std::byte* const begin = file->bytes().data();
  if (bytes.empty() || bytes.data() < begin ||
      bytes.data() + bytes.size() > begin + file->bytes().size())
    return {};
  const FileIdentity& identity = *file->identity();
  const image::Layer& layer = image.layers[index];
  return KeyMaker(kFileKind)
      .add(form_of(kFileKind))
      .add(layer.blob.digest)
      .add(layer.diff_id)
      .add(fmt::format("{} {} {} {}", identity.inode, identity.size, identity.modified,
                       identity.changed))
      .add(fmt::format("{} {}", bytes.data() - begin, bytes.size()))
      .key();
}

}  // namespace

KeyMaker& KeyMaker::add(std::string_view part) {
  sum_.update(as_bytes(fmt::format("{}:", part.size())));
  sum_.update(as_bytes(part));
  return *this;
}

std::string form_of(std::string_view kind, std::string_view signature) {
  // That a file was hashed means the same to all of them.
  if (kind == kFileKind) return std::string(kFileForm);
  static const std::string kBuild = own_build();
  return KeyMaker(kind)
      .add(kVersion)
      .add(kBuild)
      .add(scan_signature())
      .add(signature)
      .key()
      .substr(0, kFormDigits);
}

std::string image_key(const image::Image& image, std::string_view kind, std::string_view form,
                      std::string_view basis) {
  if (image.config_digest.empty() || image.entries() != nullptr) return {};
  KeyMaker out(kind);
  out.add(form).add(image.config_digest).add(basis);
  for (const image::Layer& layer : image.layers) {
    if (!has_digest(layer)) return {};
    // The configuration names what the layers unpack to; who stores them otherwise has to show it.
    if (!image.vouched_for && !pair_key(layer).empty()) out.add(layer.blob.digest);
  }
  return out.key();
}

std::string label_of(std::string text) {
  if (text.size() > kMaxLabel) text.resize(kMaxLabel);
  return text;
}

bool is_sound_scan(const StoredEntry& entry) {
  // Another build's: its sum is right, and nobody here reads more of it.
  if (entry.head.form != form_of(entry.head.kind)) return true;
  if (entry.head.kind == kLayerKind) return decode_scan(entry.payload()).has_value();
  if (entry.head.kind == kSavedKind)
    return text::parse_json(as_text(entry.payload()), "").has_value();
  return entry.head.kind == kFileKind && entry.payload().empty();
}

image::ImageMemory memory_in(EntryStore store) {
  const auto kept = std::make_shared<EntryStore>(std::move(store));
  const auto key_of = [](const std::string& key) {
    return KeyMaker(kSavedKind).add(form_of(kSavedKind)).add(key).key();
  };
  return {[kept, key_of](const std::string& key) -> std::optional<std::string> {
            const auto entry = kept->load(kSavedKind, key_of(key));
            if (!entry) return std::nullopt;
            return std::string(as_text(entry->payload()));
          },
          [kept, key_of](const std::string& key, const std::string& text) {
            EntryHead head;
            head.label = label_of(key.substr(0, key.find('\n')));
            head.made = wall_clock() / 1'000'000'000;
            head.kind = kSavedKind;
            head.form = form_of(kSavedKind);
            head.key = key_of(key);
            kept->store(head, text);
          }};
}

std::optional<EntryStore> open_first(const std::vector<std::filesystem::path>& places,
                                     std::uint64_t max_bytes,
                                     std::vector<std::string>& complaints) {
  for (const std::filesystem::path& place : places) {
    auto store = EntryStore::open(place, max_bytes);
    if (store) return std::move(*store);
    complaints.push_back(store.error().message);
  }
  return std::nullopt;
}

namespace {

/// When the file that holds the layer was last hashed as it is now.
std::optional<std::int64_t> hashed_at(const EntryStore& store, const image::Image& image,
                                      std::size_t index) {
  const std::string key = file_key(image, index);
  if (key.empty()) return std::nullopt;
  const auto entry = store.load(kFileKind, key);
  if (!entry) return std::nullopt;
  return entry->head.made;
}

/// Whoever writes an image may name any layer's content beside any stored bytes.
bool is_proven(const EntryStore& store, const image::Layer& layer) {
  const std::string key = pair_key(layer);
  return key.empty() || store.load(kFileKind, key).has_value();
}

/// Blobs of pulled images lie beside the entries, and nobody changes them in place.
bool is_pulled(const EntryStore& store, const MappedFile& file) {
  return std::filesystem::path(file.name()).parent_path() ==
         store.directory().parent_path() / "images" / "blobs" / "sha256";
}

}  // namespace

std::optional<Cached<InventoryCache::Scan>> InventoryCache::load_scan(const image::Image& image,
                                                                      std::size_t layer,
                                                                      const Prune& prune,
                                                                      CacheTrust trust) const {
  if (image.entries() != nullptr || !has_digest(image.layers[layer])) return std::nullopt;
  std::optional<std::int64_t> hashed;
  if (!image.vouched_for) {
    if (trust == CacheTrust::kFile) {
      hashed = hashed_at(store_, image, layer);
      if (!hashed) return std::nullopt;
    } else if (!is_proven(store_, image.layers[layer])) {
      return std::nullopt;
    }
  }
  const auto entry = store_.load(kLayerKind, scan_key(image.layers[layer], prune));
  if (!entry) return std::nullopt;
  auto scan = decode_scan(entry->payload());
  if (!scan) {
    store_.remove(entry->head);
    return std::nullopt;
  }
  return Cached<Scan>{std::make_shared<const LayerScan>(std::move(*scan)),
                      hashed.value_or(entry->head.made)};
}

void InventoryCache::store_scan(const image::Image& image, std::size_t layer, const Prune& prune,
                                const LayerScan& scan, std::int64_t started) {
  const image::Layer& facts = image.layers[layer];
  if (image.entries() != nullptr || !has_digest(facts)) return;
  const MappedFile* file = image.layer_mapping(layer);
  if (file != nullptr && !file->unchanged()) return;
  constexpr std::int64_t kSecond = 1'000'000'000;
  EntryHead head;
  head.label = label_of(fmt::format(
      "{} of {}", facts.diff_id.empty() ? facts.blob.digest : facts.diff_id, image.name));
  head.made = started / kSecond;
  head.kind = kLayerKind;
  head.form = form_of(kLayerKind);
  head.key = scan_key(facts, prune);
  store_.store(head, encode_scan(scan));
  head.kind = kFileKind;
  head.form = form_of(kFileKind);
  head.key = pair_key(facts);
  if (!head.key.empty()) store_.store(head, {});
  if (file == nullptr || !file->identity()) return;
  const FileIdentity& identity = *file->identity();
  const bool young = started - std::max(identity.modified, identity.changed) < settle_;
  if (young && !is_pulled(store_, *file)) return;
  head.key = file_key(image, layer);
  if (head.key.empty()) return;
  head.label = label_of(file->name());
  store_.store(head, {});
}

std::optional<std::int64_t> InventoryCache::hashed_since(const image::Image& image) const {
  std::optional<std::int64_t> since;
  for (std::size_t i = 0; i < image.layers.size(); ++i) {
    const auto hashed = hashed_at(store_, image, i);
    if (!hashed) return std::nullopt;
    since = since ? std::min(*since, *hashed) : *hashed;
  }
  return since;
}

}  // namespace flense::inventory

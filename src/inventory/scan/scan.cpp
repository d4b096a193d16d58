#include "inventory/scan/scan.h"

#include <algorithm>
#include <functional>
#include <iterator>
#include <map>
#include <tuple>

#include "base/ascii.h"
#include "base/clock.h"
#include "base/parallel.h"
#include "base/path.h"
#include "codec/sha256.h"
#include "device/amd_bundle.h"
#include "elf/file.h"
#include "image/layers/layer_walk.h"
#include "inventory/names/jit_metadata.h"
#include "inventory/scan/begin_of.h"
#include "inventory/scan/compile_marks.h"
#include "inventory/scan/elf_facts.h"
#include "inventory/scan/elf_readers.h"
#include "inventory/scan/equal_hashes.h"
#include "inventory/scan/mentions.h"

namespace flense::inventory {

namespace {

/// Empty for nearly all.
std::string signature_of(const image::LayerEntry& entry) {
  for (const char* name : {"security.ima", "security.evm"})
    if (entry.member.xattrs.contains(name)) return name;
  return entry.verity ? "fs-verity" : "";
}

class LayerScanner {
 public:
  /// `mapped`: what stays in memory as long as the image; files that lie there are read beside the
  /// walk.
  LayerScanner(const ScanOptions& options, Bytes mapped)
      : prune_(options.prune),
        further_(options.further),
        mapped_(mapped),
        listing_(std::make_shared<image::LayerListing>()),
        scratch_(options.scratch_directory),
        readers_(options.workers, prune_ ? &*prune_ : nullptr, further_) {
    if (prune_) prune_->scratch_directory = options.scratch_directory;
    for (device::PruneOptions& one : further_) one.scratch_directory = options.scratch_directory;
  }

  Result<void> visit(const image::LayerEntry& entry, image::EntryContent* content, bool archived) {
    const auto index = static_cast<std::uint32_t>(listing_->size());
    TRY_DO(listing_->add(entry));
    if (entry.member.type != codec::MemberType::kFile) return {};
    if (std::string name = signature_of(entry); !name.empty())
      scan_.signatures.emplace(index, std::move(name));
    scan_.content_bytes += archived ? entry.member.stored_size : entry.member.size;
    if (archived && entry.member.stored_size != entry.member.size)
      scan_.stored.emplace(index, entry.member.stored_size);
    const bool whiteout = image::whiteout_kind(entry.path) != image::Whiteout::kNone;
    if (content == nullptr || entry.member.size == 0 || whiteout) return {};
    // Unpacking a layer again costs more than hashing all of it.
    const bool unpacked_once = archived && content->stream().direct().empty();
    return read_content(entry, *content, index, unpacked_once);
  }

  Result<LayerScan> finish(const image::WalkResult& walk) {
    scan_.unpacked_bytes = walk.unpacked_bytes;
    if (scan_.content_bytes > scan_.unpacked_bytes)
      return fail(Code::kInternal, "the members hold {} bytes, the archive only {}",
                  scan_.content_bytes, scan_.unpacked_bytes);
    scan_.listing = std::move(listing_);
    scan_.elf.merge(readers_.finish());
    return std::move(scan_);
  }
  const MembersSeen& seen() const { return seen_; }

 private:
  /// Hashes what is read through it.
  struct HashedContent final : Source {
    explicit HashedContent(Source& source) : from(source) {}
    Result<Bytes> next(std::size_t max) override {
      TRY(const Bytes out, from.next(max));
      hash.update(out);
      return out;
    }
    Source& from;
    codec::Sha256 hash;
  };

  Result<void> read_content(const image::LayerEntry& entry, image::EntryContent& content,
                            std::uint32_t index, bool hash) {
    const std::string& path = entry.path;
    const PackageFile package = package_file(path);
    if (package == PackageFile::kRpmDatabase) {
      scan_.packages[index];  // present, not readable
      return {};
    }
    if (package != PackageFile::kNone) {
      TRY(const std::string text, begin_of(content, package_file_limit(package)));
      scan_.packages[index] = parse_packages(package, text);
      return {};
    }
    if (wants_text(path)) {
      TRY(scan_.texts[index], begin_of(content, path == kLoaderCache ? kMaxLoaderCache : kMaxText));
      return {};
    }
    if (entry.member.size >= kMinCompared) {
      TRY(const Bytes first, content.peek(kHeadBytes));
      scan_.heads.emplace(index, fingerprint(first));
      if (!may_have_equals(entry)) return read_by_kind(entry, content, index);
      if (hash) return read_hashed(entry, content, index);
      if (const Bytes bytes = content.stream().direct(); bytes.size() == entry.member.size)
        if (stays(bytes)) seen_.bytes.emplace(index, bytes);
    }
    return read_by_kind(entry, content, index);
  }

  Result<void> read_hashed(const image::LayerEntry& entry, image::EntryContent& content,
                           std::uint32_t index) {
    HashedContent source(content.stream());
    image::EntryContent hashed(source, entry.member.size, scratch_);
    TRY_DO(read_by_kind(entry, hashed, index));
    while (true) {
      TRY(const Bytes rest, source.next(1U << 20));
      if (rest.empty()) break;
    }
    seen_.digests.emplace(index, source.hash.hex());
    return {};
  }

  Result<void> read_by_kind(const image::LayerEntry& entry, image::EntryContent& content,
                            std::uint32_t index) {
    const std::string& path = entry.path;
    TRY(const Bytes head, content.peek(4));
    if (!elf::looks_like_elf(head)) {
      if (as_text(head) == "__CL" || as_text(head) == "CCOB") return read_bundles(content, index);
      return read_other(entry, content, index);
    }
    TRY(const Bytes bytes, content.materialise());
    if (stays(bytes)) {
      readers_.add(index, bytes, path);
      return {};
    }
    std::optional<ElfFacts> facts =
        read_elf_facts(bytes, path, prune_ ? &*prune_ : nullptr, further_);
    if (!facts) return {};
    scan_.elf.emplace(index, std::move(*facts));
    return {};
  }

  bool stays(Bytes bytes) const {
    const std::less_equal<> not_behind;
    return !bytes.empty() && not_behind(mapped_.data(), bytes.data()) &&
           not_behind(bytes.data() + bytes.size(), mapped_.data() + mapped_.size());
  }

  /// Scripts, settings, models.
  Result<void> read_other(const image::LayerEntry& entry, image::EntryContent& content,
                          std::uint32_t index) {
    // The kernel looks at this many bytes of a script.
    TRY(const Bytes begin, content.peek(256));
    constexpr unsigned kAnyExecute = 0111;
    const bool script = (entry.member.mode & kAnyExecute) != 0 && as_text(begin).starts_with("#!");
    if (script) {
      const std::string_view line = as_text(begin).substr(2);
      scan_.scripts.emplace(index, line.substr(0, line.find('\n')));
    }
    if (const auto format = model_format(entry.path, begin)) {
      // Of what only its name and first bytes tell nothing more is read.
      const bool named = *format == ModelFormat::kOther || *format == ModelFormat::kTensorRt;
      const std::uint64_t wanted = named ? begin.size() : kMaxModelHeader;
      TRY(const std::string head, begin_of(content, wanted));
      scan_.models.emplace(index,
                           read_model_file(*format, as_bytes(head), entry.member.size, entry.path));
    } else if (entry.member.size <= kMaxMentioning && may_mention_libraries(entry.path, script)) {
      TRY(const std::string text, begin_of(content, kMaxMentioning));
      auto names = mentioned_libraries(text);
      std::ranges::move(mentioned_pickles(entry.path, text), std::back_inserter(names));
      if (!names.empty()) scan_.mentions.emplace(index, std::move(names));
      if (const std::uint8_t marks =
              entry.path.ends_with(".py") ? compile_marks_of_python(text) : 0;
          marks != 0)
        scan_.compiles.emplace(index, marks);
    }
    return {};
  }

  /// A stand-alone AMD code object file (.hsaco, .co); one that cannot be read is data.
  Result<void> read_bundles(image::EntryContent& content, std::uint32_t index) {
    constexpr std::size_t kMagic = 24;
    TRY(const Bytes head, content.peek(kMagic));
    if (!device::looks_like_amd_bundle(head)) return {};
    TRY(const Bytes bytes, content.materialise());
    if (auto code = read_bare_code(bytes)) scan_.bare_code.emplace(index, std::move(*code));
    return {};
  }

  std::optional<device::PruneOptions> prune_;
  std::vector<device::PruneOptions> further_;
  Bytes mapped_;
  std::shared_ptr<image::LayerListing> listing_;
  image::ContentScratch scratch_;
  MembersSeen seen_;
  LayerScan scan_;
  ElfReaders readers_;
};

Result<LayerScan> scan_layer(const image::Image& image, std::size_t index,
                             const ScanOptions& options) {
  image::WalkOptions walk;
  walk.scratch_directory = options.scratch_directory;
  walk.progress = options.progress;
  walk.verify_digests = options.verify_digests;
  walk.late_digests = options.late_digests;
  const MappedFile* file = image.layer_mapping(index);
  LayerScanner scanner(options, file != nullptr ? file->bytes() : Bytes());
  TRY(const image::WalkResult result,
      image::walk_layer(
          image, index, walk,
          [&](const image::LayerEntry& entry, image::EntryContent* content, codec::TarReader* raw) {
            return scanner.visit(entry, content, raw != nullptr);
          }));
  TRY(LayerScan scan, scanner.finish(result));
  TRY_DO(hash_equal_files(image, index, options, scanner.seen(), scan));
  return scan;
}

}  // namespace

std::uint64_t LayerScan::stored_bytes(std::uint32_t index) const {
  if (const auto at = stored.find(index); at != stored.end()) return at->second;
  const image::LayerListing::Entry entry = listing->at(index);
  return entry.type == codec::MemberType::kFile ? entry.size : 0;
}

bool wants_text(std::string_view path) {
  const std::string_view name = base_name(path);
  const std::string_view dir = parent_path(path);
  if (name == "os-release") return dir == "etc" || dir == "usr/lib";
  if (name == "version.py") return base_name(dir) == "torch";
  if (name == "pyvenv.cfg") return true;
  if (name == "version.json" || name == "version.txt")
    return base_name(dir).starts_with("cuda") && dir.starts_with("usr/local/cuda");
  if (name == "version") return base_name(dir) == ".info" && dir.starts_with("opt/rocm");
  if (is_jit_metadata(path)) return true;
  if (dir == "etc") return is_one_of(name, {"ld.so.conf", "ld.so.cache", "passwd"});
  if (dir == "etc/ld.so.conf.d") return name.ends_with(".conf");
  return path == "usr/share/flense/slim.json";
}

namespace {

/// For each layer the first one that is the same (the empty layer above all), which is read for
/// both. The same bytes and not only the same digests: what an archive holds need not be what it
/// claims.
std::vector<std::size_t> same_layers(const image::Image& image) {
  using Claim = std::tuple<std::string_view, std::string_view, std::filesystem::path,
                           const std::byte*, std::size_t>;
  std::vector<std::size_t> out(image.layers.size());
  std::map<Claim, std::size_t> known;
  for (std::size_t i = 0; i < out.size(); ++i) {
    const image::Layer& layer = image.layers[i];
    out[i] = i;
    Bytes bytes;
    // Where the digests are known to be right they tell, and nothing need be opened.
    if (!image.vouched_for)
      if (const auto stored = image.open_layer(i)) bytes = (*stored)->direct();
    if (layer.blob.digest.empty() || (bytes.empty() && !image.vouched_for)) continue;
    // A file of its own is mapped once for each layer.
    const auto file = image.layer_file(i);
    const Claim claim{layer.blob.digest, layer.diff_id, file.value_or(""),
                      file ? nullptr : bytes.data(), bytes.size()};
    out[i] = known.try_emplace(claim, i).first->second;
  }
  return out;
}

/// Of a directory there is no digest.
std::string layer_name(const image::Image& image, std::size_t index) {
  const std::string& digest = image.layers[index].blob.digest;
  return fmt::format("layer {}{}", index + 1, digest.empty() ? "" : fmt::format(" ({})", digest));
}

}  // namespace

Result<LayerScans> scan_layers(const image::Image& image, const ScanOptions& options) {
  const std::size_t count = image.layers.size();
  InventoryCache* const cache = options.further.empty() ? options.cache : nullptr;
  const std::vector<std::size_t> source = same_layers(image);
  std::vector<std::size_t> work;
  for (std::size_t i = 0; i < count; ++i)
    if (source[i] == i) work.push_back(i);
  // The largest first: the last one to finish decides.
  std::stable_sort(work.begin(), work.end(), [&](std::size_t a, std::size_t b) {
    return image.layers[a].blob.size > image.layers[b].blob.size;
  });

  LayerScans out;
  out.scans.resize(count);
  std::vector<std::int64_t> since(count, -1);
  TRY_DO(parallel_for(work.size(), options.workers, [&](std::size_t at) -> Result<void> {
    const std::size_t index = work[at];
    if (cache != nullptr) {
      if (auto known = cache->load_scan(image, index, options.prune, options.trust)) {
        out.scans[index] = std::move(known->value);
        since[index] = known->since;
        if (options.progress != nullptr)
          TRY_DO(options.progress->add(image.layers[index].blob.size));
        return {};
      }
    }
    const std::int64_t started = wall_clock();
    TRY(LayerScan scan,
        with_context(scan_layer(image, index, options), "reading {}", layer_name(image, index)));
    if (cache != nullptr && options.verify_digests && !options.late_digests)
      cache->store_scan(image, index, options.prune, scan, started);
    out.scans[index] = std::make_shared<const LayerScan>(std::move(scan));
    return {};
  }));
  for (std::size_t i = 0; i < count; ++i) {
    out.scans[i] = out.scans[source[i]];
    const std::int64_t when = since[source[i]];
    if (when < 0) {
      out.origin.hashed &= options.verify_digests;
      continue;
    }
    out.origin.since = out.origin.cached == 0 ? when : std::min(out.origin.since, when);
    ++out.origin.cached;
    out.origin.same_files &= options.trust == CacheTrust::kFile;
  }
  return out;
}

}  // namespace flense::inventory

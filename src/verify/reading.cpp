#include "verify/reading.h"

#include <sys/statvfs.h>

#include <algorithm>
#include <map>

#include "base/format.h"
#include "base/parallel.h"
#include "codec/sha256.h"

namespace flense::verify {

namespace {

/// Each walk has threads of its own for unpacking and hashing.
constexpr unsigned kWalksAtOnce = 2;

Result<void> hash_content(image::EntryContent& content, MemberFacts& facts) {
  codec::Sha256 hash;
  TRY(const Bytes head, content.peek(facts.head.size()));
  std::ranges::copy(as_text(head).substr(0, facts.head.size()), facts.head.begin());
  Source& from = content.stream();
  while (true) {
    TRY(const Bytes chunk, from.next(1U << 20));
    if (chunk.empty()) break;
    hash.update(chunk);
  }
  const std::string hex = hash.hex();
  std::ranges::copy(hex, facts.sha256.begin());
  return {};
}

Result<std::shared_ptr<const LayerReading>> read_layer(const image::Image& image, std::size_t index,
                                                       const image::WalkOptions& options) {
  auto out = std::make_shared<LayerReading>();
  std::map<std::map<std::string, std::string>, std::uint32_t> known;
  std::map<std::string, std::uint32_t> known_names;
  TRY(const image::WalkResult walked,
      image::walk_layer(image, index, options,
                        [&](const image::LayerEntry& entry, image::EntryContent* content,
                            codec::TarReader*) -> Result<void> {
                          TRY_DO(out->listing->add(entry));
                          MemberFacts facts;
                          facts.nanoseconds = entry.member.mtime_nanos;
                          facts.device_major = entry.member.device_major;
                          facts.device_minor = entry.member.device_minor;
                          if (!entry.member.xattrs.empty()) {
                            const auto [at, fresh] = known.try_emplace(
                                entry.member.xattrs,
                                static_cast<std::uint32_t>(out->attributes.size()));
                            if (fresh) out->attributes.push_back(entry.member.xattrs);
                            facts.attributes = at->second;
                          }
                          if (!entry.member.user.empty() || !entry.member.group.empty()) {
                            std::string names = entry.member.user + ":" + entry.member.group;
                            const auto [at, fresh] = known_names.try_emplace(
                                names, static_cast<std::uint32_t>(out->names.size()));
                            if (fresh) out->names.push_back(std::move(names));
                            facts.names = at->second;
                          }
                          if (content != nullptr) TRY_DO(hash_content(*content, facts));
                          out->facts.push_back(facts);
                          return {};
                        }));
  out->diff_id = walked.diff_id;
  return out;
}

Result<void> build_tree(Reading& reading) {
  std::vector<std::shared_ptr<const image::LayerListing>> listings;
  for (const auto& layer : reading.layers) listings.push_back(layer->listing);
  TRY(reading.tree, image::MergedTree::build(std::move(listings)));
  return {};
}

}  // namespace

Result<Reading> read_one(const image::Image& image, const std::filesystem::path& scratch,
                         Progress* progress) {
  Reading out;
  out.image = &image;
  out.layers.resize(image.layers.size());
  const image::WalkOptions options{.scratch_directory = scratch, .progress = progress};
  TRY_DO(parallel_for(out.layers.size(), std::min(processor_count(), kWalksAtOnce),
                      [&](std::size_t layer) -> Result<void> {
                        TRY(out.layers[layer], read_layer(image, layer, options));
                        return {};
                      }));
  return out;
}

Result<BothReadings> read_both(const image::Image& before, const image::Image& after,
                               const std::filesystem::path& scratch, Progress* progress) {
  BothReadings out;
  out.before.image = &before;
  out.after.image = &after;
  out.before.layers.resize(before.layers.size());
  out.after.layers.resize(after.layers.size());
  struct Turn {
    Reading* reading;
    std::size_t layer;
  };
  std::vector<Turn> turns;
  for (std::size_t i = 0; i < after.layers.size(); ++i) turns.push_back({&out.after, i});
  std::vector<std::optional<std::size_t>> same(before.layers.size());
  for (std::size_t i = 0; i < before.layers.size(); ++i) {
    const auto found =
        std::ranges::find(after.layers, before.layers[i].diff_id, &image::Layer::diff_id);
    if (!before.layers[i].diff_id.empty() && found != after.layers.end())
      same[i] = static_cast<std::size_t>(found - after.layers.begin());
    else
      turns.push_back({&out.before, i});
  }
  const image::WalkOptions options{.scratch_directory = scratch, .progress = progress};
  TRY_DO(parallel_for(turns.size(), std::min(processor_count(), kWalksAtOnce),
                      [&](std::size_t turn) -> Result<void> {
                        const auto [reading, layer] = turns[turn];
                        TRY(reading->layers[layer], read_layer(*reading->image, layer, options));
                        return {};
                      }));
  for (std::size_t i = 0; i < same.size(); ++i)
    if (same[i]) out.before.layers[i] = out.after.layers[*same[i]];
  TRY_DO(build_tree(out.before));
  TRY_DO(build_tree(out.after));
  return out;
}

Result<void> SetAside::check_room(const std::filesystem::path& directory, std::uint64_t bytes) {
  TRY(const UniqueFd file, open_scratch(directory));
  struct statvfs disk{};
  if (::fstatvfs(file.get(), &disk) != 0) return {};
  const std::uint64_t free = std::uint64_t{disk.f_bavail} * disk.f_frsize;
  if (bytes <= free) return {};
  return fail(Code::kEnvironment,
              "not enough scratch space: {} of changed files are set aside, and {} are free",
              human_bytes(bytes), human_bytes(free))
      .hint("choose a roomier directory with --tmpdir");
}

Result<SetAside> SetAside::create(const std::filesystem::path& directory) {
  SetAside out;
  TRY(out.file_, open_scratch(directory));
  return out;
}

Result<void> SetAside::add(Source& content) {
  FdSink to(file_.get(), "scratch file");
  TRY(const std::uint64_t size, copy_all(content, to));
  places_.emplace_back(size_, size);
  size_ += size;
  return {};
}

Result<void> SetAside::map() {
  if (size_ == 0) return {};
  TRY(mapped_, MappedFile::map(file_.get(), "scratch file"));
  return {};
}

Bytes SetAside::content(std::size_t number) const {
  const auto [offset, size] = places_.at(number);
  return mapped_ ? mapped_->bytes().subspan(offset, size) : Bytes{};
}

}  // namespace flense::verify

#include "device/recompress.h"

#include <elf.h>

#include <algorithm>

#include "base/checked.h"
#include "base/parallel.h"
#include "codec/packed_block.h"
#include "codec/sha256.h"
#include "device/entry_content.h"
#include "elf/file.h"

namespace flense::device {
namespace {

// Levels of zstd that fatbinary of CUDA 13.2 uses for its modes.
constexpr int kBalanceLevel = 5;
constexpr int kSizeLevel = 19;
/// What a zstd frame may be smaller than at kBalanceLevel and still count as packed at that level:
/// versions of libzstd differ by less.
constexpr std::uint64_t kSameLevelPercent = 97;
/// What the entries of one file may unpack to, in all.
constexpr std::uint64_t kMostContentOfFile = 64ULL << 30;
constexpr std::uint64_t kEntryPadding = 8;

/// Holds what comes as long as it is no more than `most` bytes.
class CappedSink final : public Sink {
 public:
  explicit CappedSink(std::uint64_t most) : most_(most) {}
  Result<void> write(Bytes bytes) override {
    size_ += bytes.size();
    if (size_ <= most_) bytes_.insert(bytes_.end(), bytes.begin(), bytes.end());
    return {};
  }
  std::uint64_t size() const { return size_; }
  bool full() const { return size_ > most_; }
  std::vector<std::byte>& bytes() { return bytes_; }

 private:
  std::uint64_t most_;
  std::uint64_t size_ = 0;
  std::vector<std::byte> bytes_;
};

Result<void> pack(Bytes content, int level, CappedSink& to) {
  const auto writer = codec::write_block(to, codec::BlockMethod::kZstd, level, content.size());
  TRY_DO(writer->write(content));
  return writer->finish();
}

/// The entry with its content recompressed; empty when that is not smaller.
Result<std::vector<std::byte>> pack_entry(Bytes entry_bytes, const Entry& entry, Bytes content,
                                          CodeCompression mode) {
  const Bytes header = entry_bytes.first(entry.header_size);
  const int level = mode == CodeCompression::kSize ? kSizeLevel : kBalanceLevel;
  if (entry.zstd()) {
    // Compressing at the high level takes fifty times as long, and most libraries are already at
    // it.
    CappedSink balanced(0);
    TRY_DO(pack(content, kBalanceLevel, balanced));
    if (entry.payload_size * 100 < balanced.size() * kSameLevelPercent) return {};
  }
  CappedSink packed(entry_bytes.size() - 1);
  TRY_DO(packed.write(header));
  TRY_DO(pack(content, level, packed));
  const std::uint64_t size = *align_up(packed.size() - header.size(), kEntryPadding);
  if (packed.full() || header.size() + size >= entry_bytes.size()) return {};
  std::vector<std::byte> out = std::move(packed.bytes());
  const auto front = zstd_entry_header(header, out.size() - header.size(), content.size());
  std::ranges::copy(front, out.begin());
  out.resize(header.size() + size);
  return out;
}

bool is_cubin(Bytes content) {
  constexpr std::size_t kMachine = 18;
  return elf::looks_like_elf(content) && content.size() >= kMachine + 2 &&
         load_le<std::uint16_t>(content, kMachine) == EM_CUDA;
}

/// Whether the mode packs what is stored like this.
bool is_wanted(const Entry& entry, const StoredForm& form, CodeCompression mode) {
  switch (form.packing) {
    case StoredForm::Packing::kRaw:
      return entry.kind == EntryKind::kCubin;
    case StoredForm::Packing::kLz4:
      return true;
    case StoredForm::Packing::kZstd:
      return mode == CodeCompression::kSize;
  }
  return false;
}

std::uint64_t memory_for(const Entry& entry, const StoredForm& form, CodeCompression mode) {
  const int level = mode == CodeCompression::kSize ? kSizeLevel : kBalanceLevel;
  const bool raw = form.packing == StoredForm::Packing::kRaw;
  return codec::zstd_memory(level, form.unpacked) +
         (raw ? 0 : codec::unpacked_memory(form.unpacked)) + entry.size();
}

/// One entry to pack.
struct Task {
  std::size_t place = 0;  ///< index into what was asked
  const Entry* entry = nullptr;
  Bytes bytes;
  StoredForm form;
};

std::vector<Task> tasks_of(Bytes file, const FileCode& code, const std::vector<EntryPlace>& places,
                           CodeCompression mode) {
  std::vector<Task> tasks;
  std::uint64_t unpacked = 0;
  for (std::size_t i = 0; i < places.size(); ++i) {
    const EntryPlace& place = places[i];
    const Region& region = code.sections[place.section].regions[place.region];
    const Entry& entry = region.entries[place.entry];
    const Bytes bytes = file.subspan(region.offset + entry.offset, entry.size());
    const std::optional<StoredForm> form = stored_form(bytes, entry);
    if (!form || !is_wanted(entry, *form, mode)) continue;
    if (form->unpacked > kMostContentOfFile - unpacked) continue;
    unpacked += form->unpacked;
    tasks.push_back({i, &entry, bytes, *form});
  }
  return tasks;
}

Result<FrameStore::Frame> run(const Task& task, const RecompressOptions& options,
                              FrameStore& store) {
  if (store.stopped()) return interrupted();
  codec::Sha256 hash;
  hash.update(as_bytes(to_string(options.mode)));
  hash.update(task.bytes);
  const std::string key = hash.hex();
  if (const auto known = store.find(key)) return *known;
  const MemoryBudget::Share share(store.memory(), memory_for(*task.entry, task.form, options.mode));
  std::vector<std::byte> packed;
  const auto outcome = with_entry_content(
      task.bytes, *task.entry, options.scratch_directory, [&](Bytes content) -> Result<void> {
        if (task.entry->kind == EntryKind::kCubin && !is_cubin(content)) return {};
        TRY(packed, pack_entry(task.bytes, *task.entry, content, options.mode));
        return {};
      });
  // What does not decompress stays as it is.
  if (!outcome && outcome.error().code != Code::kBadInput) return std::unexpected(outcome.error());
  return store.add(key, packed);
}

}  // namespace

std::string_view to_string(CodeCompression mode) {
  switch (mode) {
    case CodeCompression::kKeep:
      return "keep";
    case CodeCompression::kBalance:
      return "balance";
    case CodeCompression::kSize:
      break;
  }
  return "size";
}

Result<Recompressed> recompress(Bytes file, const FileCode& code,
                                const std::vector<EntryPlace>& places,
                                const RecompressOptions& options) {
  Recompressed out;
  out.entries.resize(places.size());
  if (options.mode == CodeCompression::kKeep) return out;
  const std::vector<Task> tasks = tasks_of(file, code, places, options.mode);
  if (tasks.empty()) return out;
  std::shared_ptr<FrameStore> store = options.store;
  if (!store) {
    TRY(store, FrameStore::create(options.scratch_directory));
  }

  // Largest first: otherwise the last thread would be left working on them alone.
  std::vector<std::size_t> order(tasks.size());
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::ranges::stable_sort(order, std::greater{},
                           [&](std::size_t i) { return tasks[i].form.unpacked; });
  std::vector<FrameStore::Frame> frames(tasks.size());
  TRY_DO(parallel_for(order.size(), processor_count(), [&](std::size_t i) -> Result<void> {
    TRY(frames[order[i]], run(tasks[order[i]], options, *store));
    return {};
  }));

  TRY(out.frames, store->map());
  for (std::size_t i = 0; i < tasks.size(); ++i) {
    if (frames[i].size == 0) continue;
    out.entries[tasks[i].place] = out.frames->bytes().subspan(frames[i].offset, frames[i].size);
    ++out.totals.entries;
    out.totals.before += tasks[i].bytes.size();
    out.totals.after += frames[i].size;
    if (tasks[i].form.packing != StoredForm::Packing::kZstd) ++out.totals.raised;
  }
  return out;
}

}  // namespace flense::device

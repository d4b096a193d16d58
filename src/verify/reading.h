// An image read for comparison: every member of every layer with its metadata and the digest of its
// content, and the tree that a container sees.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/file.h"
#include "base/progress.h"
#include "image/layers/merged_tree.h"

namespace flense::verify {

/// What a LayerListing does not hold.
struct MemberFacts {
  std::array<char, 64> sha256{};  ///< of a regular file's content
  std::array<char, 18> head{};    ///< its first bytes, those of ELF up to e_type
  std::uint32_t nanoseconds = 0;
  std::uint32_t device_major = 0, device_minor = 0;
  std::uint32_t attributes = 0;  ///< index into LayerReading::attributes
  std::uint32_t names = 0;       ///< index into LayerReading::names
};

struct LayerReading {
  std::shared_ptr<image::LayerListing> listing = std::make_shared<image::LayerListing>();
  std::vector<MemberFacts> facts;
  /// Extended attributes, "name=value" with zero bytes between; the first is empty.
  std::vector<std::map<std::string, std::string>> attributes = {{}};
  std::vector<std::string> names = {{}};  ///< "user:group" as archives say them
  std::string diff_id;
};

/// A member with all that is compared of it.
struct Member {
  image::LayerListing::Entry entry;
  const MemberFacts& facts;
  const std::map<std::string, std::string>& attributes;
  const std::string& names;
  std::string_view sha256() const { return {facts.sha256.data(), facts.sha256.size()}; }
  std::string_view head() const {
    return {facts.head.data(), std::min<std::size_t>(facts.head.size(), entry.size)};
  }
  bool is_elf() const { return head().starts_with("\x7f\x45LF"); }
  /// ET_REL, of little-endian ELF: what a linker takes and nothing loads.
  bool is_relocatable() const {
    return is_elf() && head().ends_with(std::string_view("\1\0", 2)) && head().size() == 18;
  }
};

struct Reading {
  const image::Image* image = nullptr;
  std::vector<std::shared_ptr<const LayerReading>> layers;
  std::optional<image::MergedTree> tree;

  Member member(image::EntryRef ref) const {
    const LayerReading& layer = *layers[ref.layer];
    const MemberFacts& facts = layer.facts[ref.index];
    return {layer.listing->at(ref.index), facts, layer.attributes[facts.attributes],
            layer.names[facts.names]};
  }
  /// The input has no layers of its own: a directory, a squashfs file.
  bool is_tree() const { return image->entries() != nullptr; }
  bool is_wheel() const { return image->form == image::Form::kWheel; }
};

struct BothReadings {
  Reading before, after;
};

/// Layers that both images have by diff id are read once, of the image after.
Result<BothReadings> read_both(const image::Image& before, const image::Image& after,
                               const std::filesystem::path& scratch, Progress* progress);

Result<Reading> read_one(const image::Image& image, const std::filesystem::path& scratch,
                         Progress* progress);

/// Contents of members set aside, in one scratch file.
class SetAside {
 public:
  /// An environment error where the directory has no room for so much, before any work.
  static Result<void> check_room(const std::filesystem::path& directory, std::uint64_t bytes);
  static Result<SetAside> create(const std::filesystem::path& directory);
  /// Adds what the source holds; contents have numbers from 0.
  Result<void> add(Source& content);
  Result<void> map();
  Bytes content(std::size_t number) const;

 private:
  UniqueFd file_;
  std::optional<MappedFile> mapped_;
  std::vector<std::pair<std::uint64_t, std::uint64_t>> places_;
  std::uint64_t size_ = 0;
};

}  // namespace flense::verify

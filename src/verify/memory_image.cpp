#include "verify/memory_image.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "base/checked.h"

namespace flense::verify {

namespace {

std::size_t first_nonzero(Bytes bytes) {
  static constexpr std::array<std::byte, 4096> kZeros{};
  std::size_t at = 0;
  while (at < bytes.size()) {
    const std::size_t size = std::min(kZeros.size(), bytes.size() - at);
    if (std::memcmp(bytes.data() + at, kZeros.data(), size) != 0) break;
    at += size;
  }
  while (at < bytes.size() && bytes[at] == std::byte{0}) ++at;
  return at;
}

std::size_t first_mismatch(Bytes a, Bytes b) {
  std::size_t at = 0;
  const std::size_t size = std::min(a.size(), b.size());
  while (at < size) {
    const std::size_t step = std::min<std::size_t>(4096, size - at);
    if (std::memcmp(a.data() + at, b.data() + at, step) != 0) break;
    at += step;
  }
  while (at < size && a[at] == b[at]) ++at;
  return at;
}

Bytes part(const MappedRun& run, std::uint64_t begin, std::uint64_t size) {
  return run.bytes.subspan(begin - run.addresses.begin, size);
}

}  // namespace

Result<MemoryImage> MemoryImage::of(const elf::File& file) {
  MemoryImage out;
  for (const elf::Segment& segment : file.segments()) {
    if (segment.type != PT_LOAD) continue;
    if (!range_fits(segment.offset, segment.file_size, file.bytes().size()) ||
        segment.memory_size < segment.file_size ||
        segment.address > UINT64_MAX - segment.memory_size)
      return bad_input("{}: a load segment at {:#x} does not fit", file.name(), segment.address);
    const std::uint64_t middle = segment.address + segment.file_size;
    if (segment.file_size > 0)
      out.runs_.push_back({{segment.address, middle},
                           segment.flags,
                           false,
                           file.bytes().subspan(segment.offset, segment.file_size)});
    if (segment.memory_size > segment.file_size)
      out.runs_.push_back(
          {{middle, segment.address + segment.memory_size}, segment.flags, true, {}});
  }
  std::ranges::sort(out.runs_, {}, [](const MappedRun& run) { return run.addresses.begin; });
  for (std::size_t i = 1; i < out.runs_.size(); ++i)
    if (out.runs_[i].addresses.begin < out.runs_[i - 1].addresses.end)
      return bad_input("{}: two load segments cover address {:#x}", file.name(),
                       out.runs_[i].addresses.begin);
  return out;
}

const MappedRun* MemoryImage::at(std::uint64_t address) const {
  const auto next = std::ranges::upper_bound(
      runs_, address, {}, [](const MappedRun& run) { return run.addresses.begin; });
  if (next == runs_.begin()) return nullptr;
  const MappedRun& run = *std::prev(next);
  return run.addresses.contains(address) ? &run : nullptr;
}

std::optional<std::uint64_t> MemoryImage::word(std::uint64_t address) const {
  const MappedRun* run = at(address);
  if (run == nullptr || run->addresses.end - address < 8) return std::nullopt;
  if (run->zero) return 0;
  return load_le<std::uint64_t>(run->bytes, address - run->addresses.begin);
}

Bytes MemoryImage::bytes_from(std::uint64_t address) const {
  const MappedRun* run = at(address);
  if (run == nullptr || run->zero) return {};
  return run->bytes.subspan(address - run->addresses.begin);
}

std::uint64_t MemoryImage::first_other_than_zero(elf::Range range) const {
  std::uint64_t at_address = range.begin;
  while (at_address < range.end) {
    const MappedRun* run = at(at_address);
    if (run == nullptr) return at_address;
    const std::uint64_t end = std::min(range.end, run->addresses.end);
    if (!run->zero) {
      const std::uint64_t found =
          at_address + first_nonzero(part(*run, at_address, end - at_address));
      if (found < end) return found;
    }
    at_address = end;
  }
  return range.end;
}

bool MemoryImage::is_zero(elf::Range range) const {
  return first_other_than_zero(range) >= range.end;
}

void compare_memory(const MemoryImage& before, const MemoryImage& after,
                    const std::function<std::uint64_t(const MemoryDifference&)>& visit) {
  using Kind = MemoryDifference::Kind;
  for (const MappedRun& was : before.runs()) {
    std::uint64_t at = was.addresses.begin;
    std::uint64_t flags_seen = at;
    while (at < was.addresses.end) {
      const MappedRun* is = after.at(at);
      if (is == nullptr) {
        std::uint64_t end = was.addresses.end;
        for (const MappedRun& run : after.runs())
          if (run.addresses.begin > at) end = std::min(end, run.addresses.begin);
        at = std::max(at + 1, visit({Kind::kUnmapped, at, end}));
        continue;
      }
      const std::uint64_t end = std::min(was.addresses.end, is->addresses.end);
      if (is->flags != was.flags && at >= flags_seen) {
        flags_seen = visit({Kind::kFlags, at, end});
      }
      std::uint64_t other = end;
      if (!was.zero && !is->zero) {
        other = at + first_mismatch(part(was, at, end - at), part(*is, at, end - at));
      } else if (was.zero != is->zero) {
        other = at + first_nonzero(part(was.zero ? *is : was, at, end - at));
      }
      at = other < end ? std::max(other + 1, visit({Kind::kByte, other, end})) : end;
    }
  }
}

}  // namespace flense::verify

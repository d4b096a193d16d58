#include "elf/code_scan.h"

#include <algorithm>
#include <array>
#include <bit>

namespace flense::elf {
namespace {

/// The range that holds `target`, or null.
const Range* find_range(const std::vector<Range>& ranges, std::uint64_t target) {
  const auto after = std::ranges::upper_bound(ranges, target, {}, &Range::begin);
  if (after == ranges.begin()) return nullptr;
  const Range& range = *std::prev(after);
  return range.contains(target) ? &range : nullptr;
}

/// One-byte opcodes that are followed by a ModRM byte (Intel SDM volume 2, table A-2).
constexpr std::array<bool, 256> one_byte_opcodes_with_modrm() {
  std::array<bool, 256> table{};
  for (std::size_t i = 0; i < 0x40; ++i) table[i] = (i & 7U) < 4;
  for (const std::size_t i :
       {0x63U, 0x69U, 0x6bU, 0xc0U, 0xc1U, 0xc6U, 0xc7U, 0xf6U, 0xf7U, 0xfeU, 0xffU})
    table[i] = true;
  for (std::size_t i = 0x80; i < 0x90; ++i) table[i] = true;
  for (std::size_t i = 0xd0; i < 0xd4; ++i) table[i] = true;
  for (std::size_t i = 0xd8; i < 0xe0; ++i) table[i] = true;
  return table;
}
constexpr auto kOneByteOpcodes = one_byte_opcodes_with_modrm();
constexpr std::uint8_t kLea = 0x8d;

/// Whether the byte before position `modrm` can be the opcode of an instruction with a ModRM byte:
/// a one-byte opcode, or any byte after 0F, 0F 38, 0F 3A, VEX, XOP or EVEX.
bool can_follow_opcode(const std::uint8_t* code, std::size_t modrm) {
  if (modrm == 0) return false;
  if (kOneByteOpcodes[code[modrm - 1]]) return true;
  if (modrm >= 2 && code[modrm - 2] == 0x0f) return true;
  if (modrm >= 3 && (code[modrm - 3] == 0x0f || code[modrm - 3] == 0xc5)) return true;
  if (modrm >= 4 && (code[modrm - 4] == 0xc4 || code[modrm - 4] == 0x8f)) return true;
  return modrm >= 5 && code[modrm - 5] == 0x62;
}

/// Of eight bytes of code, the highest bit of each that reads as a ModRM byte with mod 00, rm 101.
/// Most code has none in eight bytes.
constexpr std::uint64_t rip_relative(std::uint64_t eight) {
  constexpr std::uint64_t kEach = 0x0101010101010101, kLow = 0x7f * kEach;
  const std::uint64_t other = (eight & 0xc7 * kEach) ^ 0x05 * kEach;
  return ~(((other & kLow) + kLow) | other | kLow);
}

std::uint64_t sign_extend(std::uint64_t value, unsigned bits) {
  const std::uint64_t sign = std::uint64_t{1} << (bits - 1);
  return (value ^ sign) - sign;
}

}  // namespace

void scan_x86_64(Bytes code, std::uint64_t address, const std::vector<Range>& ranges,
                 const CodeHit& hit) {
  constexpr std::size_t kDisplacement = 4;
  if (ranges.empty() || code.size() < kDisplacement + 2) return;
  const auto* bytes = reinterpret_cast<const std::uint8_t*>(code.data());
  // The target is relative to the end of the instruction, which an immediate may move further.
  constexpr std::array<std::uint64_t, 4> kImmediates = {0, 1, 2, 4};
  const std::uint64_t lowest = ranges.front().begin - kImmediates.back();
  const std::uint64_t span = ranges.back().end - lowest;
  const auto judge = [&](std::size_t modrm) {
    // RIP-relative means no SIB byte: the displacement follows at once.
    const std::size_t at = modrm + 1;
    const std::uint64_t target =
        address + at + kDisplacement + sign_extend(load_le<std::uint32_t>(code, at), 32);
    if (target - lowest >= span || !can_follow_opcode(bytes, modrm)) return;
    const Range* reported = nullptr;
    for (const std::uint64_t immediate : kImmediates) {
      const Range* range = find_range(ranges, target + immediate);
      if (range != nullptr && range != reported) hit(address + at, target + immediate);
      if (range != nullptr) reported = range;
      if (bytes[modrm - 1] == kLea) break;
    }
  };
  // Behind the last of them there is no room for a displacement.
  const std::size_t end = code.size() - kDisplacement;
  for (std::size_t block = 0; block < end; block += 8) {
    std::uint64_t eight = 0;
    if (block + 8 <= code.size())
      eight = load_le<std::uint64_t>(code, block);
    else
      for (std::size_t i = block; i < end; ++i) eight |= std::uint64_t{bytes[i]} << 8 * (i - block);
    for (std::uint64_t left = rip_relative(eight); left != 0; left &= left - 1) {
      const std::size_t modrm = block + static_cast<std::size_t>(std::countr_zero(left)) / 8;
      if (modrm > 0 && modrm < end) judge(modrm);
    }
  }
}

void scan_absolute_32(Bytes code, std::uint64_t address, const std::vector<Range>& ranges,
                      const CodeHit& hit) {
  if (ranges.empty() || code.size() < sizeof(std::uint32_t)) return;
  const std::uint64_t lowest = ranges.front().begin;
  const std::uint64_t span = ranges.back().end - lowest;
  for (std::size_t at = 0; at + sizeof(std::uint32_t) <= code.size(); ++at) {
    const std::uint64_t value = load_le<std::uint32_t>(code, at);
    if (value - lowest < span && find_range(ranges, value) != nullptr) hit(address + at, value);
  }
}

void scan_aarch64(Bytes code, std::uint64_t address, const std::vector<Range>& ranges,
                  const CodeHit& hit) {
  if (ranges.empty()) return;
  constexpr std::uint64_t kPage = 4096;
  for (std::size_t at = 0; at + 4 <= code.size(); at += 4) {
    const auto word = load_le<std::uint32_t>(code, at);
    const std::uint64_t here = address + at;
    std::uint64_t target = 0;
    std::uint64_t width = 1;
    if ((word & 0x1f000000U) == 0x10000000U) {  // adr, adrp
      const std::uint64_t immediate =
          sign_extend((std::uint64_t{word >> 5} & 0x7ffffU) << 2 | ((word >> 29) & 3U), 21);
      const bool page = (word >> 31) != 0;
      target = page ? (here & ~(kPage - 1)) + (immediate << 12) : here + immediate;
      if (page) width = kPage;
    } else if ((word & 0x3b000000U) == 0x18000000U) {  // ldr, ldrsw, prfm (literal)
      target = here + (sign_extend((word >> 5) & 0x7ffffU, 19) << 2);
    } else {
      continue;
    }
    auto range = std::ranges::upper_bound(ranges, target, {}, &Range::end);
    for (; range != ranges.end() && range->begin < target + width; ++range)
      hit(here, std::max(range->begin, target));
  }
}

}  // namespace flense::elf

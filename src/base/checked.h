// Arithmetic on sizes that come from input: overflow is a value, never wrap-around.
#pragma once

#include <cstdint>
#include <optional>

namespace flense {

[[nodiscard]] inline std::optional<std::uint64_t> checked_add(std::uint64_t a, std::uint64_t b) {
  std::uint64_t out = 0;
  if (__builtin_add_overflow(a, b, &out)) return std::nullopt;
  return out;
}

[[nodiscard]] inline std::optional<std::uint64_t> checked_mul(std::uint64_t a, std::uint64_t b) {
  std::uint64_t out = 0;
  if (__builtin_mul_overflow(a, b, &out)) return std::nullopt;
  return out;
}

/// value * part / whole without overflow, rounded down; part <= whole, whole > 0.
[[nodiscard]] inline std::uint64_t share(std::uint64_t value, std::uint64_t part,
                                         std::uint64_t whole) {
  __extension__ using Wide = unsigned __int128;
  return static_cast<std::uint64_t>(Wide{value} * part / whole);
}

/// True when [offset, offset + size) lies within [0, limit).
[[nodiscard]] inline bool range_fits(std::uint64_t offset, std::uint64_t size,
                                     std::uint64_t limit) {
  return offset <= limit && size <= limit - offset;
}

/// Rounds up to a power-of-two alignment; nullopt on overflow.
[[nodiscard]] inline std::optional<std::uint64_t> align_up(std::uint64_t value,
                                                           std::uint64_t alignment) {
  auto sum = checked_add(value, alignment - 1);
  if (!sum) return std::nullopt;
  return *sum & ~(alignment - 1);
}

[[nodiscard]] constexpr std::uint64_t align_down(std::uint64_t value, std::uint64_t alignment) {
  return value & ~(alignment - 1);
}

}  // namespace flense

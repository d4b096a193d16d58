#include "codec/crc32.h"

#include <zlib.h>
#ifdef __x86_64__
#include <immintrin.h>
#endif

namespace flense::codec {

namespace {

std::uint32_t crc32_of_zlib(std::uint32_t sum, Bytes bytes) {
  return static_cast<std::uint32_t>(
      ::crc32_z(sum, reinterpret_cast<const Bytef*>(bytes.data()), bytes.size()));
}

#ifdef __x86_64__

constexpr std::size_t kLane = 16;
constexpr std::size_t kStep = 4 * kLane;

#define FLENSE_CLMUL __attribute__((target("sse4.1,pclmul")))

FLENSE_CLMUL __m128i load(Bytes bytes, std::size_t at) {
  return _mm_loadu_si128(reinterpret_cast<const __m128i*>(bytes.data() + at));
}

/// Moves `lane` forward by the distance of `powers` and adds what is there.
FLENSE_CLMUL __m128i fold(__m128i lane, __m128i powers, __m128i there) {
  const __m128i low = _mm_clmulepi64_si128(lane, powers, 0x00);
  const __m128i high = _mm_clmulepi64_si128(lane, powers, 0x11);
  return _mm_xor_si128(_mm_xor_si128(low, high), there);
}

/// V. Gopal and others, "Fast CRC Computation for Generic Polynomials Using PCLMULQDQ Instruction",
/// Intel 2009; the constants are those of its appendix for the reflected polynomial. Takes a
/// multiple of 16 bytes, at least 64, and the sum in its inner, inverted form.
FLENSE_CLMUL std::uint32_t crc32_by_folding(std::uint32_t sum, Bytes bytes) {
  const __m128i by_64_bytes = _mm_set_epi64x(0x1c6e41596, 0x154442bd4);
  const __m128i by_16_bytes = _mm_set_epi64x(0x0ccaa009e, 0x1751997d0);
  const __m128i by_8_bytes = _mm_set_epi64x(0, 0x163cd6124);
  const __m128i barrett = _mm_set_epi64x(0x1f7011641, 0x1db710641);
  const __m128i low_words = _mm_set_epi32(0, -1, 0, -1);

  __m128i a = _mm_xor_si128(load(bytes, 0), _mm_cvtsi32_si128(static_cast<int>(sum)));
  __m128i b = load(bytes, kLane), c = load(bytes, 2 * kLane), d = load(bytes, 3 * kLane);
  std::size_t at = kStep;
  for (; bytes.size() - at >= kStep; at += kStep) {
    a = fold(a, by_64_bytes, load(bytes, at));
    b = fold(b, by_64_bytes, load(bytes, at + kLane));
    c = fold(c, by_64_bytes, load(bytes, at + 2 * kLane));
    d = fold(d, by_64_bytes, load(bytes, at + 3 * kLane));
  }
  a = fold(fold(fold(a, by_16_bytes, b), by_16_bytes, c), by_16_bytes, d);
  for (; at < bytes.size(); at += kLane) a = fold(a, by_16_bytes, load(bytes, at));

  // 128 bits to 64, then to 32.
  a = _mm_xor_si128(_mm_clmulepi64_si128(a, by_16_bytes, 0x10), _mm_srli_si128(a, 8));
  a = _mm_xor_si128(_mm_clmulepi64_si128(_mm_and_si128(a, low_words), by_8_bytes, 0x00),
                    _mm_srli_si128(a, 4));
  __m128i quotient = _mm_clmulepi64_si128(_mm_and_si128(a, low_words), barrett, 0x10);
  quotient = _mm_clmulepi64_si128(_mm_and_si128(quotient, low_words), barrett, 0x00);
  return static_cast<std::uint32_t>(_mm_extract_epi32(_mm_xor_si128(a, quotient), 1));
}

#endif

}  // namespace

std::uint32_t crc32(std::uint32_t sum, Bytes bytes) {
  // For zlib no buffer at all means to begin anew.
  if (bytes.empty()) return sum;
#ifdef __x86_64__
  const std::size_t folded = bytes.size() - bytes.size() % kLane;
  if (folded >= kStep && __builtin_cpu_supports("pclmul") && __builtin_cpu_supports("sse4.1")) {
    sum = ~crc32_by_folding(~sum, bytes.first(folded));
    bytes = bytes.subspan(folded);
  }
#endif
  return crc32_of_zlib(sum, bytes);
}

}  // namespace flense::codec

// Serializes plain values to bytes and back: integers as LEB128 (signed ones zigzag), texts and
// lists prefixed with their length, maps in key order, an optional after a 0 or 1, structures
// member by member. Neither names nor types are written: `binary_signature` describes the layout of
// a type, and belongs in whatever distinguishes one version of a format from the next.
#pragma once

#include <concepts>
#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "base/bytes.h"

namespace flense {

/// The members of a plain structure as a tuple of references, so that code which handles "all of
/// them" cannot forget one. A structure S takes part by stating, in its own namespace,
///   constexpr std::size_t member_count(const S*) { return N; }
/// and a member more or less in S does not compile until N says so too.
template <class T>
concept HasMembers =
    requires { member_count(static_cast<const std::remove_cvref_t<T>*>(nullptr)); };

template <HasMembers T>
constexpr auto tie_members(T& value) {
  constexpr std::size_t kCount = member_count(static_cast<const std::remove_cvref_t<T>*>(nullptr));
  static_assert(kCount >= 1 && kCount <= 28, "another line below");
#define FLENSE_TIE_(count, ...)      \
  if constexpr (kCount == (count)) { \
    auto& [__VA_ARGS__] = value;     \
    return std::tie(__VA_ARGS__);    \
  }
  FLENSE_TIE_(1, a)
  FLENSE_TIE_(2, a, b)
  FLENSE_TIE_(3, a, b, c)
  FLENSE_TIE_(4, a, b, c, d)
  FLENSE_TIE_(5, a, b, c, d, e)
  FLENSE_TIE_(6, a, b, c, d, e, f)
  FLENSE_TIE_(7, a, b, c, d, e, f, g)
  FLENSE_TIE_(8, a, b, c, d, e, f, g, h)
  FLENSE_TIE_(9, a, b, c, d, e, f, g, h, i)
  FLENSE_TIE_(10, a, b, c, d, e, f, g, h, i, j)
  FLENSE_TIE_(11, a, b, c, d, e, f, g, h, i, j, k)
  FLENSE_TIE_(12, a, b, c, d, e, f, g, h, i, j, k, l)
  FLENSE_TIE_(13, a, b, c, d, e, f, g, h, i, j, k, l, m)
  FLENSE_TIE_(14, a, b, c, d, e, f, g, h, i, j, k, l, m, n)
  FLENSE_TIE_(15, a, b, c, d, e, f, g, h, i, j, k, l, m, n, o)
  FLENSE_TIE_(16, a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p)
  FLENSE_TIE_(17, a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q)
  FLENSE_TIE_(18, a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r)
  FLENSE_TIE_(19, a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s)
  FLENSE_TIE_(20, a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t)
  FLENSE_TIE_(21, a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u)
  FLENSE_TIE_(22, a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u, v)
  FLENSE_TIE_(23, a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u, v, w)
  FLENSE_TIE_(24, a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u, v, w, x)
  FLENSE_TIE_(25, a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u, v, w, x, y)
  FLENSE_TIE_(26, a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u, v, w, x, y, z)
  FLENSE_TIE_(27, a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u, v, w, x, y, z, aa)
  FLENSE_TIE_(28, a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u, v, w, x, y, z, aa,
              ab)
#undef FLENSE_TIE_
}

namespace binary_detail {

template <class T>
struct IsList : std::false_type {};
template <class T>
struct IsList<std::vector<T>> : std::true_type {};
template <class T>
struct IsMap : std::false_type {};
template <class K, class V>
struct IsMap<std::map<K, V>> : std::true_type {};
template <class T>
struct IsOptional : std::false_type {};
template <class T>
struct IsOptional<std::optional<T>> : std::true_type {};

}  // namespace binary_detail

class BinaryWriter {
 public:
  void number(std::uint64_t value) {
    while (value >= 0x80) {
      out_ += static_cast<char>(value | 0x80U);
      value >>= 7U;
    }
    out_ += static_cast<char>(value);
  }
  /// As they are, without a length.
  void raw(std::string_view bytes) { out_ += bytes; }

  template <class T>
  void put(const T& value) {
    if constexpr (std::is_enum_v<T>) {
      put(static_cast<std::underlying_type_t<T>>(value));
    } else if constexpr (std::unsigned_integral<T>) {
      number(value);
    } else if constexpr (std::signed_integral<T>) {
      const auto wide = static_cast<std::int64_t>(value);
      number((static_cast<std::uint64_t>(wide) << 1U) ^ static_cast<std::uint64_t>(wide >> 63));
    } else if constexpr (std::same_as<T, std::string>) {
      number(value.size());
      raw(value);
    } else if constexpr (binary_detail::IsList<T>::value) {
      number(value.size());
      for (const auto& item : value) put(item);
    } else if constexpr (binary_detail::IsMap<T>::value) {
      number(value.size());
      for (const auto& [key, item] : value) {
        put(key);
        put(item);
      }
    } else if constexpr (binary_detail::IsOptional<T>::value) {
      put(value.has_value());
      if (value) put(*value);
    } else {
      std::apply([&](const auto&... member) { (put(member), ...); }, tie_members(value));
    }
  }

  std::size_t size() const { return out_.size(); }
  std::string take() { return std::move(out_); }

 private:
  std::string out_;
};

/// Over hostile bytes. The first error (an end too early, a number out of range, keys
/// out of order) ends the reading: from there on good() is false and what is read means nothing.
class BinaryReader {
 public:
  explicit BinaryReader(Bytes bytes) : rest_(as_text(bytes)) {}

  bool good() const { return good_; }
  bool at_end() const { return rest_.empty(); }
  std::size_t remaining() const { return rest_.size(); }
  void fail() {
    good_ = false;
    rest_ = {};
  }

  std::uint64_t number() {
    std::uint64_t value = 0;
    for (unsigned shift = 0; shift < 64 && !rest_.empty(); shift += 7) {
      const auto byte = static_cast<unsigned char>(rest_.front());
      rest_.remove_prefix(1);
      // The tenth byte has room for one bit.
      if (shift == 63 && byte > 1) break;
      value |= static_cast<std::uint64_t>(byte & 0x7fU) << shift;
      if (byte < 0x80) return value;
    }
    fail();
    return 0;
  }
  /// A number of items that follow, each of at least one byte.
  std::size_t count() {
    const std::uint64_t value = number();
    if (value <= rest_.size()) return static_cast<std::size_t>(value);
    fail();
    return 0;
  }
  /// A view of the next bytes.
  std::string_view raw(std::uint64_t size) {
    if (size > rest_.size()) {
      fail();
      return {};
    }
    const std::string_view out = rest_.substr(0, static_cast<std::size_t>(size));
    rest_.remove_prefix(out.size());
    return out;
  }

  template <class T>
  void get(T& out) {
    if constexpr (std::same_as<T, bool>) {
      const std::uint64_t value = number();
      if (value > 1) fail();
      out = value == 1;
    } else if constexpr (std::is_enum_v<T>) {
      std::underlying_type_t<T> value{};
      get(value);
      out = static_cast<T>(value);
    } else if constexpr (std::unsigned_integral<T>) {
      const std::uint64_t value = number();
      if (value > std::numeric_limits<T>::max()) return fail();
      out = static_cast<T>(value);
    } else if constexpr (std::signed_integral<T>) {
      const std::uint64_t value = number();
      const auto wide = static_cast<std::int64_t>((value >> 1U) ^ (~(value & 1U) + 1));
      if (wide < std::numeric_limits<T>::min() || wide > std::numeric_limits<T>::max())
        return fail();
      out = static_cast<T>(wide);
    } else if constexpr (std::same_as<T, std::string>) {
      out = raw(number());
    } else if constexpr (binary_detail::IsList<T>::value) {
      for (std::size_t left = count(); left > 0 && good_; --left) get(out.emplace_back());
    } else if constexpr (binary_detail::IsMap<T>::value) {
      for (std::size_t left = count(); left > 0 && good_; --left) {
        typename T::key_type key{};
        get(key);
        if (!out.empty() && !(out.rbegin()->first < key)) return fail();
        get(out.emplace_hint(out.end(), std::move(key), typename T::mapped_type{})->second);
      }
    } else if constexpr (binary_detail::IsOptional<T>::value) {
      bool present = false;
      get(present);
      if (present) get(out.emplace());
    } else {
      std::apply([&](auto&... member) { (get(member), ...); }, tie_members(out));
    }
  }

 private:
  std::string_view rest_;
  bool good_ = true;
};

/// "{sv{u8u4}}": differs between types whose values are written differently.
template <class T>
void binary_signature(std::string& out) {
  if constexpr (std::is_enum_v<T>) {
    binary_signature<std::underlying_type_t<T>>(out);
  } else if constexpr (std::integral<T>) {
    out += std::same_as<T, bool> ? 'b' : std::is_signed_v<T> ? 'i' : 'u';
    out += static_cast<char>('0' + sizeof(T));
  } else if constexpr (std::same_as<T, std::string>) {
    out += 's';
  } else if constexpr (binary_detail::IsList<T>::value) {
    out += 'v';
    binary_signature<typename T::value_type>(out);
  } else if constexpr (binary_detail::IsMap<T>::value) {
    out += 'm';
    binary_signature<typename T::key_type>(out);
    binary_signature<typename T::mapped_type>(out);
  } else if constexpr (binary_detail::IsOptional<T>::value) {
    out += 'o';
    binary_signature<typename T::value_type>(out);
  } else {
    out += '{';
    T value{};
    std::apply(
        [&](const auto&... member) {
          (binary_signature<std::remove_cvref_t<decltype(member)>>(out), ...);
        },
        tie_members(value));
    out += '}';
  }
}

}  // namespace flense

// The members of a plain structure as a tuple of references, so that code which handles "all of
// them" cannot forget one. A structure S takes part by stating, in its own namespace,
//   constexpr std::size_t member_count(const S*) { return N; }
// and a member more or less in S does not compile until N says so too.
#pragma once

#include <cstddef>
#include <tuple>
#include <type_traits>

namespace flense {

template <class T>
concept HasMembers =
    requires { member_count(static_cast<const std::remove_cvref_t<T>*>(nullptr)); };

template <HasMembers T>
constexpr auto tie_members(T& value) {
  constexpr std::size_t kCount = member_count(static_cast<const std::remove_cvref_t<T>*>(nullptr));
  static_assert(kCount >= 1 && kCount <= 24, "another line below");
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
#undef FLENSE_TIE_
}

}  // namespace flense

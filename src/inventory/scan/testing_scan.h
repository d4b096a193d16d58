// Test helper: a LayerScan with something in every member, and comparing two in every member.
#pragma once

#include <concepts>
#include <string>
#include <tuple>

#include "base/binary_fields.h"
#include "inventory/scan/scan_members.h"

namespace flense::inventory::testing {

/// Gives each leaf a value of its own.
class Filler {
 public:
  template <class T>
  void fill(T& out) {
    if constexpr (std::same_as<T, std::shared_ptr<const image::LayerListing>>) {
      out = listing();
    } else if constexpr (std::same_as<T, bool>) {
      out = true;
    } else if constexpr (std::is_enum_v<T>) {
      out = static_cast<T>(1);
    } else if constexpr (std::integral<T>) {
      out = static_cast<T>(++next_);
    } else if constexpr (std::same_as<T, std::string>) {
      out = "text " + std::to_string(++next_);
    } else if constexpr (binary_detail::IsList<T>::value) {
      fill(out.emplace_back());
      fill(out.emplace_back());
    } else if constexpr (binary_detail::IsMap<T>::value) {
      typename T::key_type key{};
      // Keys are indices of members, of which the listing has enough.
      if constexpr (std::same_as<typename T::key_type, std::uint32_t>)
        key = 1 + index_++ % 6;
      else
        fill(key);
      fill(out[key]);
    } else if constexpr (binary_detail::IsOptional<T>::value) {
      fill(out.emplace());
    } else {
      std::apply([&](auto&... member) { (fill(member), ...); }, tie_members(out));
    }
  }

 private:
  std::shared_ptr<const image::LayerListing> listing() {
    auto out = std::make_shared<image::LayerListing>();
    using Type = codec::MemberType;
    const image::LayerListing::Entry entries[] = {
        {"", "", 0, 0, 0755, 0, 0, Type::kDirectory},
        {"usr", "", 0, -5, 01777, 1, 2, Type::kDirectory},
        {"usr/lib/libone.so", "", 1ull << 40, 1'700'000'000, 0644, 4'294'967'295, 9, Type::kFile},
        {"usr/lib/libone.so.1", "libone.so", 0, INT64_MIN, 0777, 0, 0, Type::kSymlink},
        {"usr/lib/libtwo.so", "usr/lib/libone.so", 0, INT64_MAX, 0644, 0, 0, Type::kHardLink},
        {"a\xff\n", "", UINT64_MAX, 0, 0, 0, 0, Type::kOther},
        {"", "", 0, 0, 0, 0, 0, Type::kDirectory},
        {"usr/lib/.wh.old", "", 0, 0, 0, 0, 0, Type::kFile}};
    for (const auto& entry : entries)
      if (!out->add(entry)) std::abort();
    return out;
  }
  int next_ = 0;
  std::uint32_t index_ = 0;
};

inline LayerScan full_scan() {
  LayerScan out;
  Filler().fill(out);
  out.unpacked_bytes += out.content_bytes;
  return out;
}

template <class T>
bool same(const T& a, const T& b) {
  if constexpr (std::same_as<T, std::shared_ptr<const image::LayerListing>>) {
    if (a->size() != b->size()) return false;
    for (std::size_t i = 0; i < a->size(); ++i) {
      const auto x = a->at(i), y = b->at(i);
      if (std::tie(x.path, x.link, x.size, x.mtime, x.mode, x.uid, x.gid, x.type) !=
          std::tie(y.path, y.link, y.size, y.mtime, y.mode, y.uid, y.gid, y.type))
        return false;
    }
    return true;
  } else if constexpr (binary_detail::IsList<T>::value) {
    return a.size() == b.size() &&
           std::equal(a.begin(), a.end(), b.begin(),
                      [](const auto& x, const auto& y) { return same(x, y); });
  } else if constexpr (binary_detail::IsMap<T>::value) {
    return a.size() == b.size() &&
           std::equal(a.begin(), a.end(), b.begin(), [](const auto& x, const auto& y) {
             return x.first == y.first && same(x.second, y.second);
           });
  } else if constexpr (binary_detail::IsOptional<T>::value) {
    return a.has_value() == b.has_value() && (!a || same(*a, *b));
  } else if constexpr (HasMembers<T>) {
    return [&]<std::size_t... I>(std::index_sequence<I...>) {
      const auto x = tie_members(a), y = tie_members(b);
      return (same(std::get<I>(x), std::get<I>(y)) && ...);
    }(std::make_index_sequence<std::tuple_size_v<decltype(tie_members(a))>>());
  } else {
    return a == b;
  }
}

}  // namespace flense::inventory::testing

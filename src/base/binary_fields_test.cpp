#include "base/binary_fields.h"

#include <gtest/gtest.h>

#include "base/clock.h"

namespace flense {
namespace {

enum class Colour : std::uint8_t { kRed, kBlue };

struct Inner {
  std::string name;
  std::optional<std::uint16_t> number;
  bool operator==(const Inner&) const = default;
};
struct Outer {
  bool flag = false;
  Colour colour = Colour::kRed;
  std::int64_t offset = 0;
  std::vector<Inner> list;
  std::map<std::string, std::uint64_t> map;
  bool operator==(const Outer&) const = default;
};
constexpr std::size_t member_count(const Inner*) {
  return 2;
}
constexpr std::size_t member_count(const Outer*) {
  return 5;
}

template <class T>
std::string written(const T& value) {
  BinaryWriter out;
  out.put(value);
  return out.take();
}

template <class T>
std::optional<T> read(const std::string& bytes) {
  BinaryReader in(as_bytes(bytes));
  T out{};
  in.get(out);
  if (!in.good() || !in.at_end()) return std::nullopt;
  return out;
}

TEST(BinaryFields, ValuesComeBack) {
  for (const std::uint64_t value : {std::uint64_t{0}, std::uint64_t{127}, std::uint64_t{128},
                                    std::uint64_t{UINT32_MAX}, std::uint64_t{UINT64_MAX}})
    EXPECT_EQ(read<std::uint64_t>(written(value)), value);
  for (const std::int64_t value :
       {std::int64_t{0}, std::int64_t{-1}, std::int64_t{INT64_MIN}, std::int64_t{INT64_MAX}})
    EXPECT_EQ(read<std::int64_t>(written(value)), value);
  const Outer outer{true,
                    Colour::kBlue,
                    -77,
                    {{"a", 65535}, {std::string(300, 'b'), {}}},
                    {{"", 1}, {"z", UINT64_MAX}}};
  EXPECT_EQ(read<Outer>(written(outer)), outer);
  // The form is what it says it is.
  EXPECT_EQ(written(Inner{"ab", 300}), std::string("\x02"
                                                   "ab\x01\xac\x02"));
  EXPECT_EQ(written(std::int64_t{-1}), "\x01");
}

TEST(BinaryFields, WhatIsNoValueIsRefused) {
  EXPECT_FALSE(read<std::uint16_t>(written(std::uint64_t{65536})));
  EXPECT_FALSE(read<std::int32_t>(written(std::int64_t{INT64_MIN})));
  EXPECT_FALSE(read<bool>("\x02"));
  EXPECT_FALSE(read<std::uint64_t>(std::string(10, '\xff')));
  EXPECT_FALSE(read<std::uint64_t>(std::string(9, '\xff') + "\x02"));
  EXPECT_TRUE(read<std::uint64_t>(std::string(9, '\xff') + "\x01"));
  // A count larger than the bytes left allocates nothing.
  EXPECT_FALSE(read<std::vector<std::string>>(written(std::uint64_t{1} << 60) + "abc"));
  EXPECT_FALSE(read<std::string>(written(std::uint64_t{1} << 60)));
  // Duplicate keys, or keys out of order.
  EXPECT_FALSE(
      (read<std::map<std::string, std::uint64_t>>("\x02\x01"
                                                  "b\x01\x01"
                                                  "b\x01")));
  EXPECT_FALSE(
      (read<std::map<std::string, std::uint64_t>>("\x02\x01"
                                                  "b\x01\x01"
                                                  "a\x01")));
  const std::string whole = written(Outer{true, Colour::kBlue, 5, {{"x", 1}}, {{"k", 2}}});
  for (std::size_t size = 0; size < whole.size(); ++size)
    EXPECT_FALSE(read<Outer>(whole.substr(0, size))) << size;
}

TEST(BinaryFields, SignatureNamesTheForm) {
  std::string out;
  binary_signature<Outer>(out);
  EXPECT_EQ(out, "{b1u1i8v{sou2}msu8}");
}

TEST(Clock, UtcTime) {
  EXPECT_EQ(utc_time(0), "1970-01-01T00:00:00Z");
  EXPECT_EQ(utc_time(1'795'262'853), "2026-11-21T12:07:33Z");
  EXPECT_GT(wall_clock() / 1'000'000'000, 1'700'000'000);
}

}  // namespace
}  // namespace flense

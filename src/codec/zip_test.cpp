#include "codec/zip.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "base/file.h"
#include "codec/crc32.h"

namespace flense::codec {
namespace {

using testing::HasSubstr;

/// An archive as Python's zipfile writes it, with every field in reach of a test.
struct Builder {
  struct Member {
    std::string name, content;
    std::string local_name = name;
    std::uint16_t flags = 0, method = 0;
    std::uint32_t claimed = static_cast<std::uint32_t>(content.size());
    std::int64_t offset = -1;  ///< claimed; negative: where it is
  };
  std::vector<Member> members;
  std::string comment = {}, prefix = {};
  std::uint16_t extra_count = 0;

  static void put(std::string& out, std::uint64_t value, int size) {
    for (int i = 0; i < size; ++i) out += static_cast<char>(value >> 8 * i & 0xff);
  }

  std::string bytes() const {
    std::string out = prefix, directory;
    for (const Member& one : members) {
      const std::uint64_t at = one.offset < 0 ? out.size() : static_cast<std::uint64_t>(one.offset);
      const std::uint32_t crc = crc32(0, as_bytes(one.content));
      const auto common = [&](std::string& to) {
        for (const std::uint16_t field : {std::uint16_t{20}, one.flags, one.method,
                                          std::uint16_t{0x6000}, std::uint16_t{0x58d3}})
          put(to, field, 2);
        put(to, crc, 4);
        put(to, one.content.size(), 4);
        put(to, one.claimed, 4);
        put(to, one.name.size(), 2);
        put(to, 0, 2);
      };
      put(out, 0x04034b50, 4);
      common(out);
      out += one.local_name + one.content;
      put(directory, 0x02014b50, 4);
      put(directory, 0x0314, 2);
      common(directory);
      for (const int size : {2, 2, 2}) put(directory, 0, size);
      put(directory, 0100644U << 16, 4);
      put(directory, at, 4);
      directory += one.name;
    }
    const std::uint64_t begin = out.size(), count = members.size() + extra_count;
    out += directory;
    put(out, 0x06054b50, 4);
    for (const std::uint64_t field : {std::uint64_t{0}, std::uint64_t{0}, count, count})
      put(out, field, 2);
    put(out, directory.size(), 4);
    put(out, begin, 4);
    put(out, comment.size(), 2);
    return out + comment;
  }
};

std::string refusal(const Builder& builder) {
  const std::string bytes = builder.bytes();
  const auto archive = read_zip(as_bytes(bytes), "x.whl");
  return archive ? "read" : archive.error().message;
}

TEST(Zip, NamesThatLeadOutsideAreRefused) {
  for (const char* name :
       {"/etc/passwd", "../x", "a/../../x", "a\\..\\x", "./a", "a//b", "", "/", ".."})
    EXPECT_THAT(refusal({{{name, "x"}}}), HasSubstr("leads outside or is no plain path")) << name;
  EXPECT_EQ(refusal({{{"a/b..c", "x"}, {"a/", ""}}}), "read");
}

TEST(Zip, WhatCouldBeReadInTwoWaysIsRefused) {
  EXPECT_THAT(refusal({{{"a", "1"}, {"a", "2"}}}), HasSubstr("two members are named a"));
  EXPECT_THAT(refusal({{{"a/", ""}, {"a", "2"}}}), HasSubstr("two members are named a"));
  EXPECT_THAT(refusal({{{"a", "1"}, {"a/b", "2"}}}), HasSubstr("a/b lies below a file"));
  EXPECT_THAT(refusal({{{"a/", "data"}}}), HasSubstr("directory a/ has 4 bytes"));
  EXPECT_THAT(refusal({{{"a", "1", "b"}}}), HasSubstr("central directory differ"));
  EXPECT_THAT(refusal({{{"a", "1", "a", 1}}}), HasSubstr("encrypted"));
  EXPECT_THAT(refusal({{{"a", "1", "a", 0, 12}}}), HasSubstr("method 12"));
  EXPECT_THAT(refusal({.members = {{"a", "1"}}, .prefix = "#!"}), HasSubstr("behind other bytes"));
  EXPECT_THAT(refusal({.members = {{"a", "1"}}, .extra_count = 1}), HasSubstr("0 are left"));
}

TEST(Zip, MembersOverEachOtherAreRefused) {
  // The second claims the header and content of the first.
  const std::string bytes = Builder{{{"a", "12345"}, {"a", "12345", "a", 0, 0, 5, 0}}}.bytes();
  EXPECT_FALSE(read_zip(as_bytes(bytes), "x.whl"));
  // One within the content of another.
  const std::string inner = Builder{{{"b", "deep"}}}.bytes().substr(0, 30 + 1 + 4);
  EXPECT_THAT(refusal({{{"a", inner}, {"b", "deep", "b", 0, 0, 4, 30 + 1}}}),
              HasSubstr("a and b lie over each other"));
}

TEST(Zip, ClaimsOfSizeAreHeldToTheContent) {
  EXPECT_THAT(refusal({{{"a", "12345", "a", 0, 0, 6}}}), HasSubstr("cannot have 6 bytes"));
  EXPECT_THAT(refusal({{{"a", "12345", "a", 0, 8, 1'000'000}}}), HasSubstr("cannot have 1000000"));
  const std::string bytes = Builder{{{"a", "no deflate", "a", 0, 8, 100}}}.bytes();
  const auto archive = read_zip(as_bytes(bytes), "x.whl");
  ASSERT_TRUE(archive);
  const auto source = open_zip_member(archive->members[0]);
  ASSERT_TRUE(source);
  EXPECT_FALSE(read_all(**source, 1000, "a"));
}

struct ZipFile {
  UniqueFd fd = open_scratch(std::filesystem::temp_directory_path()).value();
  std::string text() const {
    return std::string(as_text(MappedFile::map(fd.get(), "written").value().bytes()));
  }
};

TEST(Zip, WhatIsKeptIsByteForByteTheSame) {
  const std::string bytes =
      Builder{{{"pkg/", ""}, {"pkg/a", "one"}, {"b", "two"}}, "comment"}.bytes();
  const ZipArchive archive = read_zip(as_bytes(bytes), "x.whl").value();
  const ZipFile file;
  ZipWriter writer(file.fd.get(), "out");
  for (const ZipMember& member : archive.members) ASSERT_TRUE(writer.copy(member));
  ASSERT_TRUE(writer.finish(archive.comment));
  EXPECT_EQ(file.text(), bytes);
}

TEST(Zip, OtherContentIsTheSameForAnyNumberOfThreads) {
  std::string content;
  for (int i = 0; i < 400'000; ++i) content += static_cast<char>('a' + i % 701 * (i % 701) % 23);
  std::string first;
  for (const unsigned threads : {1U, 2U, 5U}) {
    ZipMember like;
    like.name = "a";
    like.method = ZipMethod::kDeflated;
    like.time = 0x6000;
    const ZipFile file;
    ZipWriter writer(file.fd.get(), "out");
    ASSERT_TRUE(writer.write(like, as_bytes(content), threads));
    ASSERT_TRUE(writer.finish(""));
    const std::string bytes = file.text();
    if (first.empty()) first = bytes;
    EXPECT_EQ(bytes, first) << threads;
    const ZipArchive archive = read_zip(as_bytes(bytes), "x.whl").value();
    ASSERT_EQ(archive.members.size(), 1U);
    EXPECT_EQ(archive.members[0].time, 0x6000);
    EXPECT_LT(archive.members[0].packed.size(), content.size() / 4);
    const auto source = open_zip_member(archive.members[0]).value();
    EXPECT_EQ(read_all(*source, content.size(), "a").value(), content);
  }
}

}  // namespace
}  // namespace flense::codec

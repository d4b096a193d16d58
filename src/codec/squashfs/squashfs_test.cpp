#include "codec/squashfs/squashfs.h"

#include <gtest/gtest.h>
#include <sys/xattr.h>

#include <map>
#include <set>

#include "base/file.h"
#include "codec/testing_support.h"

namespace flense::codec {
namespace {

using testing::run;
using testing::run_shell;
using testing::sample;
using testing::ScratchDirectory;
using testing::write_text;

struct Seen {
  TarMember member;
  std::string content;
};

Result<std::vector<Seen>> walk(Bytes image, const SquashfsReader::Limits& limits = {}) {
  TRY(auto reader, SquashfsReader::open(image, "image.sqsh", limits));
  std::vector<Seen> out;
  while (true) {
    TRY(auto member, reader->next());
    if (!member) return out;
    TRY(std::string content, read_all(reader->content(), 1u << 30, "content"));
    out.push_back({std::move(*member), std::move(content)});
  }
}

const Seen* find(const std::vector<Seen>& all, std::string_view name) {
  for (const Seen& seen : all)
    if (seen.member.name == name) return &seen;
  return nullptr;
}

/// Small and large files, links of both kinds, a device, a FIFO, a hole, many entries.
void fill(const ScratchDirectory& dir) {
  write_text(dir / "root/etc/hostname", "flense\n");
  write_text(dir / "root/empty", "");
  write_text(dir / "root/exact", sample(131072 * 2, 3));
  write_text(dir / "root/usr/lib/large", sample(131072 * 3 + 777, 2));
  write_text(dir / "root/usr/lib/zeros", std::string(131072 * 4 + 5, '\0'));
  for (int i = 0; i < 700; ++i)
    write_text(dir / fmt::format("root/many/file-{:04}", i), fmt::format("content of {}", i));
  run_shell("cd '" + dir.string() +
            "/root' && ln -s ../etc/hostname usr/link && ln etc/hostname usr/hard && "
            "ln etc/hostname aaa && mkfifo fifo && chmod 4711 usr/lib/large && "
            "chmod 1777 usr && touch -d @1234567890 etc/hostname && chmod 0600 empty");
}

class SquashfsKinds : public ::testing::TestWithParam<const char*> {
 protected:
  static void SetUpTestSuite() {
    tree = std::make_unique<ScratchDirectory>();
    fill(*tree);
  }
  static void TearDownTestSuite() { tree.reset(); }
  static std::unique_ptr<ScratchDirectory> tree;
};
std::unique_ptr<ScratchDirectory> SquashfsKinds::tree;

TEST_P(SquashfsKinds, ReadsWhatMksquashfsWrites) {
  if (!find_program("mksquashfs")) GTEST_SKIP() << "mksquashfs is not on PATH";
  const ScratchDirectory dir;
  fill(dir);
  run_shell(
      "cd '" + dir.string() +
      "' && mksquashfs root image.sqsh -no-progress -quiet -processors 1 "
      "-force-uid 1000 -force-gid 100 -p 'null c 666 0 0 1 3' -p 'disk b 640 0 6 259 70000' " +
      GetParam());
  auto file = MappedFile::open(dir / "image.sqsh");
  ASSERT_TRUE(file);
  ASSERT_TRUE(is_squashfs(file->bytes()));
  const auto all = walk(file->bytes());
  ASSERT_TRUE(all) << all.error().message;

  std::vector<std::string> names;
  for (const Seen& seen : *all) names.push_back(seen.member.name);
  EXPECT_EQ(names.front(), ".");
  EXPECT_EQ(std::set(names.begin(), names.end()).size(), names.size());
  // The 700 files, 14 other paths of the tree, and two devices made by mksquashfs.
  EXPECT_EQ(all->size(), 716U);
  for (std::size_t i = 1; i < names.size(); ++i) {
    const auto slash = names[i].rfind('/');
    if (slash == std::string::npos) continue;
    EXPECT_NE(std::find(names.begin(), names.begin() + static_cast<std::ptrdiff_t>(i),
                        names[i].substr(0, slash)),
              names.begin() + static_cast<std::ptrdiff_t>(i))
        << names[i] << " before its parent";
  }

  for (const char* name : {"exact", "usr/lib/large", "usr/lib/zeros", "many/file-0699"}) {
    const Seen* seen = find(*all, name);
    ASSERT_NE(seen, nullptr) << name;
    EXPECT_EQ(seen->content, testing::read_text(dir / ("root/" + std::string(name)))) << name;
    EXPECT_EQ(seen->member.size, seen->content.size());
  }
  EXPECT_EQ(find(*all, "empty")->content, "");
  EXPECT_EQ(find(*all, "empty")->member.mode, 0600U);
  EXPECT_EQ(find(*all, "usr/lib/large")->member.mode, 04711U);
  EXPECT_EQ(find(*all, "usr")->member.mode, 01777U);
  EXPECT_EQ(find(*all, "usr/lib/large")->member.uid, 1000U);
  EXPECT_EQ(find(*all, "usr/lib/large")->member.gid, 100U);

  const Seen* first = find(*all, "aaa");
  EXPECT_EQ(first->member.type, MemberType::kFile);
  EXPECT_EQ(first->content, "flense\n");
  EXPECT_EQ(first->member.mtime, 1234567890);
  for (const char* later : {"etc/hostname", "usr/hard"}) {
    EXPECT_EQ(find(*all, later)->member.type, MemberType::kHardLink);
    EXPECT_EQ(find(*all, later)->member.link, "aaa");
    EXPECT_EQ(find(*all, later)->content, "");
  }
  EXPECT_EQ(find(*all, "usr/link")->member.type, MemberType::kSymlink);
  EXPECT_EQ(find(*all, "usr/link")->member.link, "../etc/hostname");
  EXPECT_EQ(find(*all, "fifo")->member.type, MemberType::kFifo);
  EXPECT_EQ(find(*all, "null")->member.type, MemberType::kCharDevice);
  EXPECT_EQ(find(*all, "null")->member.device_major, 1U);
  EXPECT_EQ(find(*all, "null")->member.device_minor, 3U);
  EXPECT_EQ(find(*all, "disk")->member.type, MemberType::kBlockDevice);
  EXPECT_EQ(find(*all, "disk")->member.device_major, 259U);
  EXPECT_EQ(find(*all, "disk")->member.device_minor, 70000U);
}

INSTANTIATE_TEST_SUITE_P(Options, SquashfsKinds,
                         ::testing::Values("-comp gzip", "-comp xz", "-comp lz4", "-comp zstd",
                                           "-comp lzma", "-noI -noD -noF", "-no-fragments",
                                           "-comp zstd -b 1M -always-use-fragments"));

std::string small_image(const ScratchDirectory& dir, const std::string& options) {
  write_text(dir / "root/etc/hostname", sample(300));
  write_text(dir / "root/usr/big", sample(6000));
  run_shell("cd '" + dir.string() +
            "/root' && ln etc/hostname hard && ln -s x link && cd .. && "
            "mksquashfs root image.sqsh -no-progress -quiet -processors 1 -nopad -b 4096 " +
            options);
  return testing::read_text(dir / "image.sqsh");
}

TEST(Squashfs, ReadsExtendedAttributes) {
  if (!find_program("mksquashfs")) GTEST_SKIP() << "mksquashfs is not on PATH";
  const ScratchDirectory dir;
  const std::string long_value = sample(3000);
  write_text(dir / "root/a", "a");
  write_text(dir / "root/b", "b");
  const auto set = [&](const char* file, const char* name, const std::string& value) {
    return ::setxattr((dir / "root" / file).c_str(), name, value.data(), value.size(), 0) == 0;
  };
  if (!set("a", "user.small", "x") || !set("a", "user.long", long_value) ||
      !set("b", "user.long", long_value))
    GTEST_SKIP() << "the file system has no extended attributes";
  run_shell("cd '" + dir.string() +
            "' && mksquashfs root image.sqsh -no-progress -quiet -processors 1 -xattrs");
  const std::string image = testing::read_text(dir / "image.sqsh");
  const auto all = walk(as_bytes(image));
  ASSERT_TRUE(all) << all.error().message;
  const std::map<std::string, std::string> expected = {{"user.small", "x"},
                                                       {"user.long", long_value}};
  EXPECT_EQ(find(*all, "a")->member.xattrs, expected);
  EXPECT_EQ(find(*all, "b")->member.xattrs.at("user.long"), long_value);
}

TEST(Squashfs, TruncationAndForeignBytesAreErrors) {
  if (!find_program("mksquashfs")) GTEST_SKIP() << "mksquashfs is not on PATH";
  const ScratchDirectory dir;
  const std::string image = small_image(dir, "-comp gzip");
  ASSERT_TRUE(walk(as_bytes(image)));
  for (std::size_t size = 0; size < image.size(); size += 7) {
    const auto all = walk(as_bytes(image).first(size));
    ASSERT_FALSE(all) << size;
    EXPECT_EQ(all.error().code, Code::kBadInput);
    EXPECT_TRUE(all.error().message.starts_with("image.sqsh: ")) << all.error().message;
  }
  EXPECT_FALSE(walk(as_bytes(std::string(4096, 'x'))));
}

TEST(Squashfs, EveryFlippedByteEndsInAnErrorOrInAWalk) {
  if (!find_program("mksquashfs")) GTEST_SKIP() << "mksquashfs is not on PATH";
  for (const char* options : {"-comp gzip", "-noI -noD -noF", "-comp zstd"}) {
    const ScratchDirectory dir;
    const std::string image = small_image(dir, options);
    std::size_t refused = 0;
    for (std::size_t at = 0; at < image.size(); ++at) {
      for (const int bits : {0xff, 0x01, 0x80}) {
        std::string broken = image;
        broken[at] = static_cast<char>(broken[at] ^ bits);
        SquashfsReader::Limits limits;
        limits.max_total_bytes = 1u << 24;
        const auto all = walk(as_bytes(broken), limits);
        if (all) continue;
        ++refused;
        EXPECT_EQ(all.error().code, Code::kBadInput) << at;
      }
    }
    EXPECT_GT(refused, 100U) << options;
  }
}

TEST(Squashfs, LimitsHold) {
  if (!find_program("mksquashfs")) GTEST_SKIP() << "mksquashfs is not on PATH";
  const ScratchDirectory dir;
  std::string deep = "root";
  for (int i = 0; i < 20; ++i) deep += "/d";
  write_text(dir / (deep + "/file"), "x");
  const std::string image = small_image(dir, "");
  SquashfsReader::Limits limits;
  limits.max_depth = 10;
  auto all = walk(as_bytes(image), limits);
  ASSERT_FALSE(all);
  EXPECT_NE(all.error().message.find("more than 10 deep"), std::string::npos);
  limits = {};
  limits.max_members = 5;
  all = walk(as_bytes(image), limits);
  ASSERT_FALSE(all);
  EXPECT_NE(all.error().message.find("more than 5 members"), std::string::npos);
  limits = {};
  limits.max_total_bytes = 1000;
  all = walk(as_bytes(image), limits);
  ASSERT_FALSE(all);
  EXPECT_NE(all.error().message.find("more than 1000 bytes"), std::string::npos);
}

}  // namespace
}  // namespace flense::codec

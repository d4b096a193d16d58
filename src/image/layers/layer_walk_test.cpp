#include "image/layers/layer_walk.h"

#include <gmock/gmock.h>

#include <chrono>
#include <fstream>
#include <thread>

#include "image/layers/blob_walk.h"
#include "image/layers/testing_image.h"
#include "image/sources/stored_image.h"

namespace flense::image {
namespace {

using namespace fixture;
using ::testing::HasSubstr;

struct Opened {
  std::string bytes;  // the image's views lead here
  std::unique_ptr<const Image> image;
};

Opened open(const std::vector<TestLayer>& layers) {
  Opened out;
  Oci oci;
  oci.add_image(layers);
  out.bytes = tar_of(oci.all());
  out.image = must(open_archive_bytes(as_bytes(out.bytes), "t.tar", "", {}));
  return out;
}

/// A layer whose stored bytes need not fit its digests.
Result<WalkResult> walk_bytes(const std::string& stored, Compression compression,
                              const std::string& blob_digest, const std::string& diff_id,
                              const WalkOptions& options = {}) {
  LayerBlob blob;
  blob.raw = std::make_unique<MemorySource>(as_bytes(stored));
  blob.compression = compression;
  blob.name = "layer 1";
  blob.blob_digest = blob_digest;
  blob.diff_id = diff_id;
  return walk_blob(
      std::move(blob), options,
      [](const LayerEntry&, EntryContent*, codec::TarReader*) -> Result<void> { return {}; });
}

TEST(Whiteouts, Kinds) {
  EXPECT_EQ(whiteout_kind("a/.wh.b"), Whiteout::kFile);
  EXPECT_EQ(whiteout_target("a/.wh.b"), "a/b");
  EXPECT_EQ(whiteout_target(".wh.b"), "b");
  EXPECT_EQ(whiteout_of("a/b"), "a/.wh.b");
  EXPECT_EQ(whiteout_of("b"), ".wh.b");
  EXPECT_EQ(whiteout_kind("a/.wh..wh..opq"), Whiteout::kOpaque);
  EXPECT_EQ(whiteout_target("a/.wh..wh..opq"), "a");
  EXPECT_EQ(whiteout_kind("a/.wh..wh.plnk"), Whiteout::kNone);
  EXPECT_TRUE(is_aufs_metadata("a/.wh..wh.plnk"));
  // And what lies below, whatever its name.
  for (const char* path : {".wh..wh.plnk/1.2", ".wh..wh.plnk/.wh.x", "a/.wh..wh.orph/b/c",
                           ".wh..wh.plnk/.wh..wh..opq"}) {
    EXPECT_EQ(whiteout_kind(path), Whiteout::kNone) << path;
    EXPECT_TRUE(is_aufs_metadata(path)) << path;
  }
  EXPECT_FALSE(is_aufs_metadata("a/.wh..wh..opq"));
  EXPECT_FALSE(is_aufs_metadata("a.wh..wh.b/c"));
  EXPECT_TRUE(is_aufs_link_content(".wh..wh.plnk/1.2", MemberType::kFile));
  EXPECT_FALSE(is_aufs_link_content(".wh..wh.plnk/1.2", MemberType::kSymlink));
  EXPECT_FALSE(is_aufs_link_content(".wh..wh.plnkx/1.2", MemberType::kFile));
  EXPECT_FALSE(is_aufs_link_content("a/.wh..wh.plnk/1.2", MemberType::kFile));
  EXPECT_EQ(whiteout_kind("a/.wh."), Whiteout::kNone);
  EXPECT_EQ(whiteout_kind("a/.wh..."), Whiteout::kNone);
  EXPECT_EQ(whiteout_kind("a/b"), Whiteout::kNone);
  EXPECT_FALSE(is_aufs_metadata("a/b"));
}

TEST(Walk, AllTypesInOrder) {
  Tar tar;
  tar.dir("d").file("./d/f", "data").symlink("d/s", "../x").hardlink("d/h", "/d/f");
  tar.device("dev/null");
  for (const Compression compression :
       {Compression::kNone, Compression::kGzip, Compression::kZstd}) {
    Tar copy;
    copy.dir("d").file("./d/f", "data").symlink("d/s", "../x").hardlink("d/h", "/d/f");
    copy.device("dev/null").dir("./").file("d/.wh.gone", "");
    const Opened opened = open({{copy.bytes(), compression, ""}});
    const Seen seen = must(walk_all(*opened.image, 0));
    EXPECT_THAT(seen.lines, testing::ElementsAre("d d", "f d/f", "l d/s -> ../x", "h d/h = d/f",
                                                 "x dev/null", "d ", "f d/.wh.gone"));
    EXPECT_EQ(seen.content.at("d/f"), "data");
  }
}

TEST(Walk, EmptyLayerAndUnpackedSize) {
  const std::string tar = Tar().bytes();
  for (const Compression compression : {Compression::kNone, Compression::kGzip}) {
    const std::string stored = encode(tar, compression);
    const WalkResult result =
        must(walk_bytes(stored, compression, digest_of(stored), digest_of(tar)));
    EXPECT_EQ(result.unpacked_bytes, tar.size());
    EXPECT_EQ(result.diff_id, digest_of(tar));
  }
}

TEST(Walk, DigestMismatches) {
  const std::string tar = Tar().file("a", "b").bytes();
  const std::string wrong = digest_of("wrong");
  for (const Compression compression :
       {Compression::kNone, Compression::kGzip, Compression::kZstd}) {
    const std::string stored = encode(tar, compression);
    EXPECT_TRUE(walk_bytes(stored, compression, digest_of(stored), digest_of(tar)));
    const auto blob = walk_bytes(stored, compression, wrong, digest_of(tar));
    ASSERT_FALSE(blob);
    EXPECT_THAT(render(blob.error()), HasSubstr("the blob has digest"));
    const auto diff = walk_bytes(stored, compression, digest_of(stored), wrong);
    ASSERT_FALSE(diff);
    EXPECT_THAT(render(diff.error()), HasSubstr("the uncompressed tar has digest"));
    WalkOptions options;
    options.verify_digests = false;
    EXPECT_TRUE(walk_bytes(stored, compression, wrong, wrong, options));
  }
}

TEST(Walk, ALayerOfAFileAtRestIsHashedOnce) {
  const std::string tar = Tar().file("a", std::string(5000, 'x')).bytes();
  const TempDir dir;
  Oci oci;
  oci.add_image({{tar, Compression::kNone, ""}});
  write_files(dir.path(), oci.all());
  const auto image = must(open_image(dir.path().string(), {}));
  // Just written: a change within the clock's grain would not show.
  EXPECT_TRUE(walk_all(*image, 0));
  EXPECT_FALSE(image->verified->contains(0));
  std::this_thread::sleep_for(std::chrono::milliseconds(2100));
  EXPECT_TRUE(walk_all(*image, 0));
  EXPECT_TRUE(image->verified->contains(0));
  EXPECT_TRUE(walk_all(*image, 0));

  const auto blob = dir.path() / "blobs/sha256" / digest_of(tar).substr(7);
  std::fstream(blob, std::ios::binary | std::ios::in | std::ios::out).seekp(600) << "y";
  const auto changed = walk_all(*image, 0);
  ASSERT_FALSE(changed);
  EXPECT_THAT(render(changed.error()), HasSubstr("has digest"));
}

TEST(Walk, LateDigestsAreSettled) {
  const std::string tar = Tar().file("a", std::string(5000, 'x')).bytes();
  const TempDir dir;
  Oci oci;
  oci.add_image({{tar, Compression::kNone, ""}});
  write_files(dir.path(), oci.all());
  const auto blob = dir.path() / "blobs/sha256" / digest_of(tar).substr(7);
  WalkOptions options;
  options.late_digests = true;
  const auto walk = [&](const Image& image) {
    return walk_layer(image, 0, options, [](const auto&, auto*, auto*) { return Result<void>(); });
  };
  {
    const auto image = must(open_image(dir.path().string(), {}));
    ASSERT_TRUE(walk(*image)) << "just written: hashed at once, and not relied on";
    EXPECT_FALSE(image->verified->contains(0));
    std::this_thread::sleep_for(std::chrono::milliseconds(2100));
    ASSERT_TRUE(walk(*image));
    EXPECT_TRUE(image->verified->contains(0));
    EXPECT_TRUE(image->verified->settle());
    EXPECT_TRUE(image->verified->contains(0));
  }
  std::fstream(blob, std::ios::binary | std::ios::in | std::ios::out).seekp(600) << "y";
  const auto image = must(open_image(dir.path().string(), {}));
  ASSERT_FALSE(walk(*image)) << "just written";
  std::this_thread::sleep_for(std::chrono::milliseconds(2100));
  ASSERT_TRUE(walk(*image)) << "not hashed yet";
  const auto settled = image->verified->settle();
  ASSERT_FALSE(settled);
  EXPECT_THAT(render(settled.error()), HasSubstr("has digest"));
  EXPECT_FALSE(image->verified->contains(0));
}

TEST(Walk, LayersOutOfOrder) {
  Oci oci;
  oci.add_image({{Tar().file("a", "1").bytes(), Compression::kGzip, ""},
                 {Tar().file("b", "2").bytes(), Compression::kGzip, ""}});
  // The manifest lists the layers the other way round than the configuration.
  Json manifest = must(text::parse_json(oci.manifest_text, "m"));
  const Json layers = manifest["layers"];
  manifest.set("layers", Json::array().push(layers.items()[1]).push(layers.items()[0]));
  Oci other;
  other.files = oci.files;
  other.add(
      other.descriptor("application/vnd.oci.image.manifest.v1+json", text::dump_json(manifest)));
  const std::string bytes = tar_of(other.all());
  const auto image = must(open_archive_bytes(as_bytes(bytes), "t", "", {}));
  EXPECT_FALSE(walk_all(*image, 0));
}

TEST(Walk, MembersOutsideTheRootAreRefused) {
  for (const char* name : {"../x", "a/../../x", "a/.."}) {
    const std::string tar = Tar().file(name, "x").bytes();
    EXPECT_FALSE(walk_bytes(tar, Compression::kNone, "", "")) << name;
  }
  EXPECT_FALSE(
      walk_bytes(Tar().hardlink("a", "../../etc/passwd").bytes(), Compression::kNone, "", ""));
  // Absolute names are relative to the image's root.
  const Opened opened = open({{Tar().file("/etc/x", "x").bytes(), Compression::kNone, ""}});
  EXPECT_EQ(must(walk_all(*opened.image, 0)).lines, std::vector<std::string>{"f etc/x"});
}

TEST(Walk, BombsAndTruncation) {
  const std::string tar = Tar().file("big", std::string(8u << 20, '\0')).bytes();
  WalkOptions options;
  options.max_unpacked_bytes = 1u << 20;
  for (const Compression compression : {Compression::kGzip, Compression::kZstd}) {
    const std::string stored = encode(tar, compression);
    EXPECT_FALSE(walk_bytes(stored, compression, "", "", options));
    for (const std::size_t part : {1U, 2U, 3U}) {
      EXPECT_FALSE(walk_bytes(stored.substr(0, stored.size() * part / 4), compression, "", ""));
    }
  }
  EXPECT_FALSE(walk_bytes(tar.substr(0, tar.size() / 2), Compression::kNone, "", ""));
  EXPECT_FALSE(walk_bytes("not gzip at all", Compression::kGzip, "", ""));
}

TEST(Walk, VisitorErrorEndsTheWalk) {
  Tar tar;
  for (int i = 0; i < 100; ++i) tar.file(fmt::format("f{}", i), std::string(100000, 'x'));
  const std::string bytes = tar.bytes();
  for (const Compression compression :
       {Compression::kNone, Compression::kGzip, Compression::kZstd}) {
    const Opened opened = open({{bytes, compression, ""}});
    int count = 0;
    const auto result =
        walk_layer(*opened.image, 0, {},
                   [&](const LayerEntry&, EntryContent*, codec::TarReader*) -> Result<void> {
                     if (++count == 3) return bad_input("enough");
                     return {};
                   });
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().message, "enough");
    EXPECT_EQ(count, 3);
  }
}

TEST(Content, PeekThenStreamOrMaterialise) {
  std::string big(3u << 20, 'x');
  for (std::size_t i = 0; i < big.size(); ++i) big[i] = static_cast<char>('a' + i % 23);
  const std::string tar = Tar().file("s", "short").file("big", big).file("none", "").bytes();
  for (const Compression compression : {Compression::kNone, Compression::kGzip}) {
    const Opened opened = open({{tar, compression, ""}});
    std::map<std::string, std::string> got;
    must(walk_layer(
        *opened.image, 0, {},
        [&](const LayerEntry& entry, EntryContent* content, codec::TarReader*) -> Result<void> {
          TRY(const Bytes head, content->peek(1000));
          EXPECT_EQ(head.size(), std::min<std::uint64_t>(1000, content->size()));
          TRY(const Bytes again, content->peek(4));
          EXPECT_EQ(as_text(again), as_text(head).substr(0, std::min<std::size_t>(4, head.size())));
          if (entry.path == "s") {
            TRY(got[entry.path], read_all(content->stream(), 1u << 30, "content"));
          } else {
            TRY(const Bytes view, content->materialise());
            got[entry.path] = as_text(view);
          }
          return {};
        }));
    EXPECT_EQ(got["s"], "short");
    EXPECT_EQ(got["big"], big);
    EXPECT_EQ(got["none"], "");
  }
}

/// A source without direct(), as a decoder is.
class Streamed final : public Source {
 public:
  explicit Streamed(Bytes bytes) : from_(bytes) {}
  Result<Bytes> next(std::size_t max) override { return from_.next(max); }

 private:
  MemorySource from_;
};

TEST(Content, LargeMembersSpillToDiskAndSmallOnesFollow) {
  const TempDir dir;
  ContentScratch scratch(dir.path());
  unsigned number = 0;
  // Up, down and up again: what an earlier one left must not show.
  for (const std::size_t size : {65u << 20, 3u, 70u << 20, 1u << 20, 66u << 20, 0u}) {
    const std::string text(size, static_cast<char>('a' + number++));
    Streamed source(as_bytes(text));
    EntryContent content(source, text.size(), scratch);
    EXPECT_EQ(must(content.peek(4)).size(), std::min<std::size_t>(4, size));
    EXPECT_TRUE(as_text(must(content.materialise())) == text) << size;
    EXPECT_TRUE(std::filesystem::is_empty(dir.path()));
  }
}

TEST(Content, ShorterThanStated) {
  ContentScratch scratch("");
  MemorySource source(as_bytes("abc"));
  EntryContent content(source, 10, scratch);
  EXPECT_FALSE(content.materialise());
  Streamed large(as_bytes("abc"));
  EntryContent spilled(large, 65u << 20, scratch);
  EXPECT_FALSE(spilled.materialise());
}

}  // namespace
}  // namespace flense::image

#include "inventory/compare/compare.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <numeric>

#include "image/layers/testing_image.h"
#include "inventory/compare/saved.h"
#include "inventory/compare/size_reasons.h"
#include "inventory/scan/content_digests.h"

namespace flense::inventory {
namespace {

using image::fixture::must;
using image::fixture::Oci;
using image::fixture::Tar;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

/// An image in memory, read. Not movable: views lead into the bytes.
struct Read {
  explicit Read(const std::vector<std::string>& layers,
                const text::Json& container = text::Json::object()) {
    std::vector<image::fixture::TestLayer> list;
    for (const std::string& tar : layers)
      list.push_back({tar, codec::Compression::kNone, "RUN " + std::to_string(list.size())});
    Oci oci;
    if (!container.members().empty()) oci.container = container;
    oci.add_image(list);
    bytes = image::fixture::tar_of(oci.all());
    image = must(image::open_archive_bytes(as_bytes(bytes), "test.tar", "", {}));
    ScanOptions scan;
    scan.scratch_directory = std::filesystem::temp_directory_path();
    const Contents contents = must(Contents::read(*image, scan));
    snapshot = take_snapshot(*image, contents, must(describe(*image, contents, {})));
  }
  Read(const Read&) = delete;
  Read& operator=(const Read&) = delete;

  void digest(const std::set<ContentKey>& keys) {
    const auto digests =
        must(content_digests(*image, keys, std::filesystem::temp_directory_path(), nullptr));
    for (SnapshotFile& file : snapshot.files)
      if (const auto found = digests.find(key_of(file.content));
          file.type == codec::MemberType::kFile && found != digests.end())
        file.digest = found->second;
  }

  std::string bytes;
  std::unique_ptr<const image::Image> image;
  Snapshot snapshot;
};

std::uint64_t sum_after(const InventoryChanges& changes) {
  return std::accumulate(changes.reasons.begin(), changes.reasons.end(), std::uint64_t{0},
                         [](std::uint64_t sum, const SizeChange& one) { return sum + one.after; });
}

TEST(Compare, ContentsOfEqualSizeAreToldApartByReadingThem) {
  Read a({Tar().file("shared", "base").bytes(), Tar().file("x", "11111").file("y", "22").bytes()});
  Read b({Tar().file("shared", "base").bytes(), Tar().file("x", "11113").file("y", "22").bytes()});
  // What lies at the same place of the same layer needs no reading.
  const auto pairs = undecided(a.snapshot, b.snapshot);
  ASSERT_THAT(pairs, SizeIs(2));
  const InventoryChanges unread = compare(a.snapshot, b.snapshot);
  EXPECT_EQ(unread.files_unread, 2u);
  EXPECT_THAT(unread.files, IsEmpty());

  std::set<ContentKey> keys;
  for (const auto& [i, k] : pairs) keys.insert(key_of(a.snapshot.files[i].content));
  a.digest(keys);
  b.digest(keys);
  const InventoryChanges read = compare(a.snapshot, b.snapshot);
  EXPECT_EQ(read.files_unread, 0u);
  ASSERT_THAT(read.files, SizeIs(1));
  EXPECT_EQ(read.files[0].path, "x");
  EXPECT_THAT(read.files[0].what, ElementsAre("content"));
  EXPECT_FALSE(read.same_content());
  ASSERT_THAT(read.layers, SizeIs(2));
  EXPECT_EQ(read.layers[0].how, "shared");
  EXPECT_EQ(read.layers[1].how, "changed");
}

TEST(Compare, ReasonsAddUpToTheLayers) {
  const Read image(
      {Tar()
           .file("usr/share/doc/a/copyright", std::string(900, 'c'))
           .file("usr/share/doc/a/changelog", std::string(700, 'l'))
           .file("root/.cache/pip/http", std::string(3000, 'p'))
           .file("gone", std::string(400, 'g'))
           .bytes(),
       Tar().file(".wh.gone", "").hardlink("again", "usr/share/doc/a/changelog").bytes()});
  const InventoryChanges same = compare(image.snapshot, image.snapshot);
  EXPECT_EQ(sum_after(same), image.snapshot.inventory.unpacked_bytes);
  EXPECT_TRUE(same.same_content());
  EXPECT_EQ(image.snapshot.reasons.at("pip-cache"), 3000u);
  EXPECT_EQ(image.snapshot.reasons.at(kReasonShadowed), 400u);
  // An inventory alone tells fewer apart; the sum stays.
  const Snapshot saved = snapshot_of_saved(image.snapshot.inventory);
  const InventoryChanges with_saved = compare(saved, image.snapshot);
  EXPECT_EQ(sum_after(with_saved), image.snapshot.inventory.unpacked_bytes);
  for (const SizeChange& one : with_saved.reasons) EXPECT_EQ(one.before, one.after) << one.name;
  EXPECT_FALSE(with_saved.whole());
}

TEST(Compare, ConfigurationByMember) {
  using text::Json;
  const Json a = Json::object()
                     .set("User", "app")
                     .set("Env", Json::array().push("PATH=/bin").push("A=1").push("EMPTY="))
                     .set("Entrypoint", Json::array().push("/run"))
                     .set("Cmd", Json());
  const Json b = Json::object()
                     .set("Env", Json::array().push("A=2").push("PATH=/bin").push("EMPTY="))
                     .set("Labels", Json::object().set("x", "1"))
                     .set("Entrypoint", Json::array().push("/run"));
  const Read before({Tar().file("f", "1").bytes()}, a);
  const Read after({Tar().file("f", "1").bytes()}, b);
  std::vector<std::string> lines;
  for (const ConfigurationChange& one : compare(before.snapshot, after.snapshot).configuration)
    lines.push_back(
        fmt::format("{} {} {}", one.name, one.before.value_or("-"), one.after.value_or("-")));
  EXPECT_THAT(lines, ElementsAre("Env.A 1 2", "Labels.x - 1", "User app -"));
}

TEST(Compare, PackagesWithSeveralVersions) {
  Snapshot a, b;
  a.inventory.packages = {{{"pip", "numpy", "1.26"}, "a"},
                          {{"pip", "numpy", "2.0"}, "b"},
                          {{"deb", "curl", "7"}, "c"},
                          {{"pip", "same", "1"}, "d"}};
  b.inventory.packages = {{{"pip", "numpy", "2.0"}, "b"},
                          {{"pip", "torch", "2.9"}, "e"},
                          {{"pip", "same", "1"}, "elsewhere"}};
  std::vector<std::string> lines;
  for (const VersionChange& one : compare(a, b).packages)
    lines.push_back(
        fmt::format("{} {} {}: {} -> {}", one.type, one.name, one.how, one.before, one.after));
  EXPECT_THAT(lines, ElementsAre("deb curl removed: 7 -> ", "pip numpy changed: 1.26, 2.0 -> 2.0",
                                 "pip torch added:  -> 2.9"));
}

TEST(Compare, LayersKeepTheirOrder) {
  Snapshot a, b;
  const auto layer = [](const char* id, const char* instruction) {
    LayerFacts out;
    out.digest = out.diff_id = id;
    out.instruction = instruction;
    return out;
  };
  a.inventory.layers = {layer("1", "FROM"), layer("2", "RUN a"), layer("3", "RUN b"),
                        layer("4", "COPY")};
  b.inventory.layers = {layer("1", "FROM"), layer("5", "RUN b"), layer("6", "RUN c"),
                        layer("4", "COPY")};
  std::vector<std::string> lines;
  for (const LayerChange& one : compare(a, b).layers)
    lines.push_back(fmt::format("{} {}->{}", one.how, one.digest_before, one.digest_after));
  EXPECT_THAT(
      lines, ElementsAre("shared 1->1", "removed 2->", "changed 3->5", "added ->6", "shared 4->4"));
}

TEST(SavedInventory, RejectsWhatContradictsItself) {
  const auto parse = [](const std::string& rest) {
    return parse_inventory(R"({"schema": "flense/inventory/v1")" + rest + "}", "x.json");
  };
  EXPECT_TRUE(parse(""));
  const auto layer = [](const char* sizes) {
    return fmt::format(R"(, "layers": [{{"digest": "d", {}}}])", sizes);
  };
  EXPECT_TRUE(parse(layer(R"("unpacked_bytes": 9, "content_bytes": 5, "archive_bytes": 4)")));
  EXPECT_FALSE(parse(layer(R"("unpacked_bytes": 9, "content_bytes": 10, "archive_bytes": 4)")));
  EXPECT_FALSE(parse(layer(R"("unpacked_bytes": 9, "content_bytes": 5, "archive_bytes": 5)")));
  EXPECT_FALSE(parse(layer(R"("unpacked_bytes": -1)")));
  const std::string huge = R"({"size_bytes": 18446744073709551615})";
  EXPECT_FALSE(parse(R"(, "layers": [)" + huge + "," + huge + "]"));
  EXPECT_FALSE(parse(R"(, "packages": {})"));
  EXPECT_FALSE(parse_inventory(R"({"schema": "flense/plan/v1"})", "x.json"));
  EXPECT_TRUE(looks_like_json("\n {"));
  EXPECT_FALSE(
      looks_like_json("\x7f"
                      "ELF{"));
}

}  // namespace
}  // namespace flense::inventory

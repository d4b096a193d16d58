#include "image/layers/merged_tree.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <random>

#include "image/layers/extract.h"
#include "image/layers/testing_image.h"
#include "image/sources/directory_image.h"

namespace flense::image {
namespace {

using namespace fixture;
using ::testing::ElementsAre;
using Entries = std::vector<LayerListing::Entry>;

LayerListing::Entry file(std::string_view path, std::uint64_t size = 1) {
  LayerListing::Entry entry;
  entry.path = path;
  entry.size = size;
  return entry;
}
LayerListing::Entry typed(MemberType type, std::string_view path, std::string_view link = "") {
  LayerListing::Entry entry;
  entry.path = path;
  entry.link = link;
  entry.type = type;
  return entry;
}
LayerListing::Entry dir(std::string_view path) {
  return typed(MemberType::kDirectory, path);
}
LayerListing::Entry symlink(std::string_view path, std::string_view to) {
  return typed(MemberType::kSymlink, path, to);
}
LayerListing::Entry hardlink(std::string_view path, std::string_view to) {
  return typed(MemberType::kHardLink, path, to);
}

MergedTree merge(const std::vector<Entries>& layers) {
  std::vector<std::shared_ptr<const LayerListing>> listings;
  for (const Entries& entries : layers) {
    auto listing = std::make_shared<LayerListing>();
    for (const auto& entry : entries) must(listing->add(entry));
    listings.push_back(std::move(listing));
  }
  return must(MergedTree::build(std::move(listings)));
}

std::vector<std::string> paths(const MergedTree& tree) {
  std::vector<std::string> out;
  must(tree.for_each([&](const std::string& path, const MergedTree::Found&) -> Result<void> {
    out.push_back(path);
    return {};
  }));
  return out;
}

TEST(Merge, OverwriteAndDelete) {
  const MergedTree tree = merge({{dir("a"), file("a/x"), file("a/y"), file("z")},
                                 {file("a/x", 2), file("a/.wh.y"), file("w")}});
  EXPECT_THAT(paths(tree), ElementsAre("a", "a/x", "w", "z"));
  EXPECT_EQ(tree.live_count(), 4U);
  EXPECT_EQ(tree.find("a/x")->entry, (EntryRef{1, 0}));
  EXPECT_EQ(tree.shadow({0, 1}).state, EntryState::kOverwritten);
  EXPECT_EQ(tree.shadow({0, 1}).by_layer, 1U);
  EXPECT_EQ(tree.shadow({0, 2}).state, EntryState::kDeleted);
  EXPECT_EQ(tree.shadow({0, 2}).by_layer, 1U);
  EXPECT_EQ(tree.shadow({1, 1}).state, EntryState::kMarker);
  EXPECT_EQ(tree.shadow({0, 3}).state, EntryState::kLive);
  EXPECT_FALSE(tree.find("a/y"));
  EXPECT_FALSE(tree.find("a/.wh.y"));
}

TEST(Merge, OpaqueHidesLowerLayersOnly) {
  // The marker stands after the layer's own file: it must not hide that.
  const MergedTree tree = merge({{dir("d"), file("d/old"), file("d/sub/deep")},
                                 {dir("d"), file("d/new"), file("d/.wh..wh..opq")}});
  EXPECT_THAT(paths(tree), ElementsAre("d", "d/new"));
  EXPECT_EQ(tree.shadow({0, 2}).state, EntryState::kDeleted);
}

TEST(Merge, WhiteoutAndReplacementInOneLayer) {
  const MergedTree tree = merge({{file("f"), dir("d"), file("d/x")},
                                 {file("f", 9), file(".wh.f"), file(".wh.d"), file("d/y")}});
  EXPECT_THAT(paths(tree), ElementsAre("d", "d/y", "f"));
  EXPECT_EQ(tree.find("f")->entry, (EntryRef{1, 0}));
  EXPECT_EQ(tree.shadow({0, 0}).state, EntryState::kDeleted);
  EXPECT_FALSE(tree.find("d")->entry) << "the directory is implied by d/y";
}

TEST(Merge, TypeChanges) {
  const MergedTree tree = merge({{dir("a"), file("a/x"), file("b"), file("c")},
                                 {file("a"), dir("b"), file("b/y"), symlink("c", "b")}});
  EXPECT_THAT(paths(tree), ElementsAre("a", "b", "b/y", "c"));
  EXPECT_EQ(tree.shadow({0, 1}).state, EntryState::kDeleted);
  EXPECT_EQ(tree.resolve("c/y"), "b/y");
}

TEST(Merge, SameLayerTwice) {
  const MergedTree tree = merge({{file("a", 1), file("a", 2)}});
  EXPECT_EQ(tree.shadow({0, 0}).state, EntryState::kOverwritten);
  EXPECT_EQ(tree.shadow({0, 0}).by_layer, 0U);
  EXPECT_EQ(tree.find("a")->entry, (EntryRef{0, 1}));
}

TEST(Merge, ParentThatIsALinkIsFollowed) {
  const MergedTree tree =
      merge({{dir("usr"), dir("usr/lib"), symlink("lib", "usr/lib")}, {file("lib/x.so")}});
  EXPECT_THAT(paths(tree), ElementsAre("lib", "usr", "usr/lib", "usr/lib/x.so"));
  // An explicit directory entry replaces the link.
  const MergedTree replaced =
      merge({{dir("usr/lib"), symlink("lib", "usr/lib")}, {dir("lib"), file("lib/x.so")}});
  EXPECT_THAT(paths(replaced), ElementsAre("lib", "lib/x.so", "usr", "usr/lib"));
}

TEST(Merge, HardLinksKeepContentAlive) {
  const MergedTree tree = merge({{file("a", 5), hardlink("b", "a"), hardlink("c", "missing")},
                                 {file(".wh.a"), hardlink("d", "b")}});
  EXPECT_EQ(tree.shadow({0, 0}).state, EntryState::kDeleted);
  EXPECT_TRUE(tree.content_is_live({0, 0}));
  EXPECT_EQ(tree.find("b")->content, (EntryRef{0, 0}));
  EXPECT_EQ(tree.find("d")->content, (EntryRef{0, 0}));
  EXPECT_EQ(tree.find("b")->type, MemberType::kFile);
  EXPECT_FALSE(tree.find("c")->content);
  const MergedTree gone = merge({{file("a"), hardlink("b", "a")}, {file(".wh.a"), file("b")}});
  EXPECT_FALSE(gone.content_is_live({0, 0}));
}

TEST(Merge, HardLinksBeforeTheWhiteoutOfTheirTarget) {
  const MergedTree tree =
      merge({{file("a"), file("d/b"), file("c")},
             {hardlink("x", "a"), file(".wh.a"), hardlink("y", "x"), hardlink("z", "d/b"),
              file("d/.wh..wh..opq"), file(".wh.c"), hardlink("late", "c")}});
  EXPECT_EQ(tree.find("x")->content, (EntryRef{0, 0}));
  EXPECT_EQ(tree.find("y")->content, (EntryRef{0, 0}));
  EXPECT_EQ(tree.find("z")->content, (EntryRef{0, 1}));
  EXPECT_FALSE(tree.find("late")->content);
  EXPECT_TRUE(tree.content_is_live({0, 0}));
  EXPECT_FALSE(tree.find("a"));
}

TEST(Merge, HardLinkToASymbolicLink) {
  const MergedTree tree = merge({{file("f"), symlink("s", "f"), hardlink("h", "s")}});
  EXPECT_EQ(tree.find("h")->type, MemberType::kSymlink);
  EXPECT_EQ(tree.resolve("h"), "f");
}

TEST(Resolve, StaysInsideAndEnds) {
  const MergedTree tree =
      merge({{dir("a/b"), file("a/f"), symlink("up", "../../../a"), symlink("abs", "/a/b"),
              symlink("loop", "loop2"), symlink("loop2", "loop"), symlink("gone", "nowhere"),
              symlink("a/b/rel", "../f"), symlink("self/x", ".")}});
  EXPECT_EQ(tree.resolve("up/f"), "a/f");
  EXPECT_EQ(tree.resolve("abs/rel"), "a/f");
  EXPECT_EQ(tree.resolve("abs/rel", false), "a/b/rel");
  EXPECT_EQ(tree.resolve("self/x/x/x"), "self");
  EXPECT_EQ(tree.resolve(""), "");
  EXPECT_FALSE(tree.resolve("loop"));
  EXPECT_FALSE(tree.resolve("gone"));
  EXPECT_FALSE(tree.resolve("a/f/x"));
  EXPECT_EQ(tree.resolve("../../a/./b/.."), "a");
}

TEST(Merge, RootCannotBeReplaced) {
  auto listing = std::make_shared<LayerListing>();
  must(listing->add(symlink("", "/etc")));
  EXPECT_FALSE(MergedTree::build({listing}));
}

TEST(Merge, HardLinksIntoAufsBookkeeping) {
  const MergedTree tree =
      merge({{dir(".wh..wh.plnk"), file(".wh..wh.plnk/1.2", 9), hardlink("a", ".wh..wh.plnk/1.2")},
             {hardlink("b", ".wh..wh.plnk/1.2"), file("x/.wh..wh.plnk/y")}});
  EXPECT_THAT(tree.list(""), ElementsAre("a", "b"));
  const auto found = tree.find("a");
  ASSERT_TRUE(found && found->content);
  EXPECT_EQ(*found->content, (EntryRef{0, 1}));
  EXPECT_EQ(found->type, MemberType::kFile);
  EXPECT_TRUE(tree.content_is_live({0, 1}));
  EXPECT_EQ(tree.shadow({0, 1}).state, EntryState::kMarker);
  // Of one layer alone.
  EXPECT_FALSE(tree.find("b")->content);
}

TEST(Merge, Lists) {
  const MergedTree tree = merge({{file("d/b"), file("d/a"), file("d/c/x")}});
  EXPECT_THAT(tree.list("d"), ElementsAre("a", "b", "c"));
  EXPECT_TRUE(tree.list("nowhere").empty());
}

/// Random layers: the model and real extraction agree on every path and its type.
TEST(Merge, AgreesWithExtraction) {
  std::mt19937 random(7);
  const auto pick = [&](std::size_t n) { return static_cast<std::size_t>(random() % n); };
  const std::vector<std::string> names = {"a", "b", "c", "d"};
  const auto path = [&] {
    std::string out = names[pick(4)];
    for (std::size_t depth = pick(3); depth > 0; --depth) out += "/" + names[pick(4)];
    return out;
  };
  int compared = 0;
  for (int round = 0; round < 300; ++round) {
    const TempDir out;
    Extractor extractor = must(Extractor::create(out.path()));
    std::vector<std::shared_ptr<const LayerListing>> listings;
    bool valid = true;
    for (int layer = 0; layer < 3 && valid; ++layer) {
      std::vector<LayerEntry> entries;
      for (std::size_t i = 0; i < 8; ++i) {
        LayerEntry entry;
        entry.path = path();
        entry.member.mode = 0755;
        const std::string dir(entry.path.substr(0, entry.path.find_last_of('/') + 1));
        switch (pick(7)) {
          case 0:
            entry.member.type = MemberType::kDirectory;
            break;
          case 1:
            entry.member.type = MemberType::kSymlink;
            entry.link = (pick(2) == 0 ? "/" : "../") + path();
            break;
          case 2:
            entry.path = dir + ".wh." + names[pick(4)];
            break;
          case 3:
            entry.path = dir + ".wh..wh..opq";
            break;
          default:
            break;
        }
        entries.push_back(std::move(entry));
      }
      // Extraction is one pass: it sees a layer's whiteouts where they stand, the model first. For
      // links below them that differs, so here they come first.
      std::ranges::stable_partition(entries, [](const LayerEntry& entry) {
        return whiteout_kind(entry.path) != Whiteout::kNone;
      });
      auto listing = std::make_shared<LayerListing>();
      must(extractor.begin_layer());
      for (const LayerEntry& entry : entries) {
        must(listing->add(entry));
        MemorySource nothing{Bytes()};
        ContentScratch scratch("");
        EntryContent content(nothing, 0, scratch);
        const bool is_file = entry.member.type == MemberType::kFile;
        if (!extractor.add(entry, is_file ? &content : nullptr)) {
          valid = false;
          break;
        }
      }
      listings.push_back(std::move(listing));
    }
    if (!valid) continue;
    must(extractor.finish());
    const MergedTree tree = must(MergedTree::build(listings));
    std::vector<std::string> model;
    must(tree.for_each([&](const std::string& p, const MergedTree::Found& f) -> Result<void> {
      model.push_back(fmt::format("{} {}", static_cast<int>(f.type), p));
      return {};
    }));
    std::vector<std::string> real;
    const auto image = must(open_directory(out.path()));
    must(walk_layer(*image, 0, {},
                    [&](const LayerEntry& entry, EntryContent*, codec::TarReader*) -> Result<void> {
                      real.push_back(
                          fmt::format("{} {}", static_cast<int>(entry.member.type), entry.path));
                      return {};
                    }));
    ASSERT_EQ(model, real) << "round " << round;
    ++compared;
  }
  EXPECT_GT(compared, 200);
}

}  // namespace
}  // namespace flense::image

#include "slim/apply/changed_tree.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "slim/apply/testing_image.h"

namespace flense::slim {
namespace {

using ::testing::HasSubstr;
using testing::must;

std::string content_of(const std::filesystem::path& path) {
  return must(read_file(path, 1u << 20));
}

std::string message_of(const Result<ChangedTree>& opened) {
  return opened ? "no error" : render(opened.error());
}

class ChangedTrees : public ::testing::Test {
 protected:
  void SetUp() override {
    write("a", "old a");
    write("d/b", "old b");
    write("c", "old c");
  }
  void write(const std::string& name, const std::string& content) {
    image::fixture::write_file(at(name), content);
  }
  std::filesystem::path at(const std::string& name) const { return dir_ / "tree" / name; }
  std::filesystem::path work() const { return at(std::string(kInPlaceWork)); }
  /// What a run that was killed left: so many of its steps are done.
  void leave(const std::vector<TreeStep>& steps, std::size_t done, bool journal = true) {
    std::filesystem::create_directory(work());
    std::filesystem::permissions(work(), std::filesystem::perms::owner_all);
    for (std::size_t i = 0; i < steps.size(); ++i)
      if (!steps[i].removes) image::fixture::write_file(work() / std::to_string(i), "new");
    image::fixture::write_file(work() / (journal ? "journal" : "journal.new"), journal_of(steps));
    for (std::size_t i = 0; i < done; ++i) {
      if (steps[i].removes)
        std::filesystem::remove(at(steps[i].path));
      else
        std::filesystem::rename(work() / std::to_string(i), at(steps[i].path));
    }
  }

  image::fixture::TempDir dir_;
};

const std::vector<TreeStep> kSteps = {{"a", false}, {"d/b", false}, {"c", true}};

TEST_F(ChangedTrees, EveryMomentAfterTheJournalEndsTheSameWay) {
  for (std::size_t done = 0; done <= kSteps.size(); ++done) {
    SetUp();
    leave(kSteps, done);
    const ChangedTree tree = must(ChangedTree::open(dir_ / "tree"));
    EXPECT_THAT(tree.notice(), HasSubstr("3 changes were finished"));
    EXPECT_EQ(content_of(at("a")), "new");
    EXPECT_EQ(content_of(at("d/b")), "new");
    EXPECT_FALSE(std::filesystem::exists(at("c")));
    EXPECT_FALSE(std::filesystem::exists(work()));
  }
}

TEST_F(ChangedTrees, BeforeTheJournalEverythingIsTakenBack) {
  leave(kSteps, 0, false);
  const ChangedTree tree = must(ChangedTree::open(dir_ / "tree"));
  EXPECT_THAT(tree.notice(), HasSubstr("before it changed anything"));
  EXPECT_EQ(content_of(at("a")), "old a");
  EXPECT_EQ(content_of(at("c")), "old c");
  EXPECT_FALSE(std::filesystem::exists(work()));
}

TEST_F(ChangedTrees, WhoeverOnlyReadsIsToldOfUnfinishedWork) {
  EXPECT_TRUE(check_whole(dir_ / "tree"));
  leave(kSteps, 1);
  const auto result = check_whole(dir_ / "tree");
  ASSERT_FALSE(result);
  EXPECT_THAT(render(result.error()), HasSubstr("finishes or takes back"));
}

TEST_F(ChangedTrees, OneRunAtATime) {
  const ChangedTree first = must(ChangedTree::open(dir_ / "tree"));
  EXPECT_THAT(message_of(ChangedTree::open(dir_ / "tree")), HasSubstr("another slim --in-place"));
}

TEST_F(ChangedTrees, JournalsThatLeadOutOfTheTreeAreRefused) {
  image::fixture::write_file(dir_ / "outside", "mine");
  for (const char* path : {"../outside", "/etc/passwd", "d/../../outside", "", "a/", "./a",
                           ".flense-in-place/journal", "."}) {
    SCOPED_TRACE(path);
    std::filesystem::remove_all(work());
    leave({{"a", false}}, 0);
    image::fixture::write_file(work() / "journal", journal_of({{"a", false}, {path, true}}));
    EXPECT_THAT(message_of(ChangedTree::open(dir_ / "tree")), HasSubstr("no file of the tree"));
    EXPECT_EQ(content_of(at("a")), "old a");
    EXPECT_TRUE(std::filesystem::exists(dir_ / "outside"));
  }
}

TEST_F(ChangedTrees, DirectoriesSwappedForLinksLeadNowhere) {
  image::fixture::write_file(dir_ / "outside/b", "mine");
  leave(kSteps, 0);
  std::filesystem::remove_all(at("d"));
  std::filesystem::create_symlink(dir_ / "outside", at("d"));
  EXPECT_THAT(message_of(ChangedTree::open(dir_ / "tree")), HasSubstr("cannot open d"));
  EXPECT_EQ(content_of(dir_ / "outside/b"), "mine");
}

TEST_F(ChangedTrees, TamperedWorkIsRefused) {
  leave(kSteps, 0);
  const std::string whole = content_of(work() / "journal");
  for (const std::string& text : {std::string("junk"), whole.substr(0, whole.size() - 1),
                                  whole + "x", std::string(), whole.substr(0, 26)}) {
    image::fixture::write_file(work() / "journal", text);
    EXPECT_THAT(message_of(ChangedTree::open(dir_ / "tree")), HasSubstr("journal"));
  }
  std::filesystem::remove(work() / "journal");
  image::fixture::write_file(dir_ / "elsewhere", whole);
  std::filesystem::create_symlink(dir_ / "elsewhere", work() / "journal");
  EXPECT_THAT(message_of(ChangedTree::open(dir_ / "tree")), HasSubstr("cannot open"));
  std::filesystem::remove(work() / "journal");
  std::filesystem::permissions(work(), std::filesystem::perms::others_write,
                               std::filesystem::perm_options::add);
  EXPECT_THAT(message_of(ChangedTree::open(dir_ / "tree")), HasSubstr("not made by a run"));
  std::filesystem::remove_all(work());
  std::filesystem::create_symlink(dir_ / "elsewhere", work());
  EXPECT_THAT(message_of(ChangedTree::open(dir_ / "tree")), HasSubstr("cannot open"));
  EXPECT_EQ(content_of(at("a")), "old a");
}

TEST_F(ChangedTrees, LinksShareWhatIsNew) {
  {
    ChangedTree tree = must(ChangedTree::open(dir_ / "tree"));
    const Place place = must(tree.place_of("a"));
    ASSERT_TRUE(tree.stage("a", place, as_bytes("new a")));
    ASSERT_TRUE(tree.stage_link("d/b", "a"));
    ASSERT_TRUE(tree.stage_symlink("link", "d/b"));
    tree.stage_removal("c");
    EXPECT_EQ(content_of(at("a")), "old a");
    ASSERT_TRUE(tree.commit());
  }
  EXPECT_EQ(content_of(at("a")), "new a");
  EXPECT_TRUE(std::filesystem::equivalent(at("a"), at("d/b")));
  EXPECT_EQ(std::filesystem::hard_link_count(at("a")), 2U);
  EXPECT_EQ(std::filesystem::read_symlink(at("link")), "d/b");
  EXPECT_FALSE(std::filesystem::exists(at("c")));
  EXPECT_FALSE(std::filesystem::exists(work()));
}

}  // namespace
}  // namespace flense::slim

#include "slim/apply/in_place.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "slim/apply/records.h"
#include "slim/apply/testing_image.h"

namespace flense::slim {
namespace {

using ::testing::HasSubstr;
using testing::library_with_debug;
using testing::must;
using ::testing::Not;

struct stat status_of(const std::filesystem::path& path) {
  struct stat out{};
  EXPECT_EQ(::lstat(path.c_str(), &out), 0) << path;
  return out;
}

std::string text_of(const std::filesystem::path& path) {
  return must(read_file(path, 1u << 24));
}

class InPlace : public ::testing::Test {
 protected:
  void write(const std::string& name, const std::string& content) {
    image::fixture::write_file(dir_ / ("tree/" + name), content);
  }
  std::filesystem::path path(const std::string& name) const { return dir_ / ("tree/" + name); }
  LayerOutcome apply(std::vector<Edit> edits) {
    LayerPlan plan;
    for (Edit& edit : edits) plan.edits.emplace(plan.edits.size(), std::move(edit));
    ChangedTree tree = must(ChangedTree::open(dir_ / "tree"));
    return must(apply_in_place(tree, plan, testing::options_for_tests().cuts,
                               testing::workplace_for_tests()));
  }
  static Edit rewrite(const std::string& path) {
    return {Action::kRewrite, kDeviceCode, path, {}, 6000, 1000};
  }

  image::fixture::TempDir dir_;
  const std::string library_ = library_with_debug();
};

TEST_F(InPlace, ChangedFilesKeepModeTimesAndAttributes) {
  write("lib.so", library_);
  ASSERT_EQ(::chmod(path("lib.so").c_str(), 04751), 0);
  const bool attributes = ::setxattr(path("lib.so").c_str(), "user.note", "kept", 4, 0) == 0;
  const timespec times[2] = {{1'500'000'000, 5}, {1'600'000'000, 123'456'789}};
  ASSERT_EQ(::utimensat(AT_FDCWD, path("lib.so").c_str(), times, 0), 0);
  const struct stat before = status_of(path("lib.so"));
  const LayerOutcome outcome = apply({rewrite("lib.so")});
  const struct stat after = status_of(path("lib.so"));
  EXPECT_LT(after.st_size, before.st_size - 4000);
  EXPECT_EQ(after.st_mode, before.st_mode);
  EXPECT_EQ(after.st_uid, before.st_uid);
  EXPECT_EQ(after.st_gid, before.st_gid);
  EXPECT_EQ(after.st_mtim.tv_sec, 1'600'000'000);
  EXPECT_EQ(after.st_mtim.tv_nsec, 123'456'789);
  // A process that has the old file mapped keeps it: the name leads to a new file.
  EXPECT_NE(after.st_ino, before.st_ino);
  char value[8] = {};
  if (attributes) {
    EXPECT_EQ(::getxattr(path("lib.so").c_str(), "user.note", value, sizeof value), 4);
    EXPECT_STREQ(value, "kept");
  }
  EXPECT_EQ(outcome.bytes_by_pass.at(kDebugSections),
            static_cast<std::uint64_t>(before.st_size - after.st_size));
}

TEST_F(InPlace, OwnersStay) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root gives files away";
  write("lib.so", library_);
  ASSERT_EQ(::chown(path("lib.so").c_str(), 1234, 4321), 0);
  apply({rewrite("lib.so")});
  EXPECT_EQ(status_of(path("lib.so")).st_uid, 1234U);
  EXPECT_EQ(status_of(path("lib.so")).st_gid, 4321U);
}

TEST_F(InPlace, AllNamesInTheTreeGetTheNewContentOthersKeepTheOld) {
  write("a/lib.so", library_);
  write("site-packages/pkg-1.dist-info/RECORD", "pkg/lib.so,sha256=X,1\n");
  std::filesystem::create_directories(path("site-packages/pkg"));
  std::filesystem::create_hard_link(path("a/lib.so"), path("site-packages/pkg/lib.so"));
  std::filesystem::create_hard_link(path("a/lib.so"), dir_ / "cache.so");
  apply({rewrite("a/lib.so")});
  EXPECT_TRUE(std::filesystem::equivalent(path("a/lib.so"), path("site-packages/pkg/lib.so")));
  EXPECT_EQ(std::filesystem::hard_link_count(path("a/lib.so")), 2U);
  EXPECT_EQ(text_of(dir_ / "cache.so"), library_);
  EXPECT_THAT(text_of(path("site-packages/pkg-1.dist-info/RECORD")), Not(HasSubstr("sha256=X")));
}

TEST_F(InPlace, DroppedNamesOfAContentThatStaysGiveNothing) {
  write("a", "content");
  std::filesystem::create_hard_link(path("a"), path("b"));
  const LayerOutcome outcome =
      apply({{Action::kRename, testing::pass_of("apt-lists"), "a", "b", 7, 7},
             {Action::kMoved, testing::pass_of("apt-lists"), "b", {}, 0, 0}});
  EXPECT_FALSE(std::filesystem::exists(path("a")));
  EXPECT_EQ(text_of(path("b")), "content");
  EXPECT_FALSE(outcome.bytes_by_pass.contains(testing::pass_of("apt-lists")));
}

TEST_F(InPlace, ListsFollowAndStrangersStay) {
  write("doc", "gone");
  write("site-packages/doc", "gone");
  write("site-packages/pkg-1.dist-info/RECORD", "doc,sha256=X,4\nother,sha256=Y,1\n");
  std::filesystem::create_symlink(dir_ / "outside", path("link"));
  image::fixture::write_file(dir_ / "outside/x.dist-info/RECORD", "../../tree/doc,,\n");
  const LayerOutcome outcome = apply({testing::drop("site-packages/doc", 4)});
  EXPECT_EQ(text_of(path("site-packages/pkg-1.dist-info/RECORD")), "other,sha256=Y,1\n");
  EXPECT_EQ(text_of(dir_ / "outside/x.dist-info/RECORD"), "../../tree/doc,,\n");
  EXPECT_TRUE(std::filesystem::exists(path("doc")));
  EXPECT_EQ(outcome.bytes_by_pass.at(testing::pass_of("apt-lists")), 4U);
}

TEST_F(InPlace, AListOfAnotherListFollowsIt) {
  write("doc", "gone");
  write("pkg-1.dist-info/RECORD", "doc,sha256=X,4\nother,,\n");
  write("conda-meta/pkg-1.json",
        R"({"paths_data":{"paths":[{"_path":"pkg-1.dist-info/RECORD","size_in_bytes":23}]}})");
  apply({testing::drop("doc", 4)});
  EXPECT_THAT(text_of(path("conda-meta/pkg-1.json")),
              HasSubstr(fate_of(as_bytes("other,,\n")).digests.get().sha256_hex));
}

TEST_F(InPlace, APackageWithinAPackageIsListedByBoth) {
  write("pkg/_vendor/in/a", "gone");
  write("pkg/_vendor/in-1.dist-info/RECORD", "in/a,,\nin/b,,\n");
  write("pkg-1.dist-info/RECORD", "pkg/_vendor/in-1.dist-info/RECORD,sha256=X,14\n");
  apply({testing::drop("pkg/_vendor/in/a", 4)});
  EXPECT_THAT(text_of(path("pkg-1.dist-info/RECORD")),
              HasSubstr(fate_of(as_bytes("in/b,,\n")).digests.get().sha256_record));
}

TEST_F(InPlace, AFileThatIsNoElfStaysAndIsNamed) {
  write("lib.so", "junk");
  const struct stat before = status_of(path("lib.so"));
  const LayerOutcome outcome = apply({rewrite("lib.so")});
  EXPECT_EQ(status_of(path("lib.so")).st_ino, before.st_ino);
  ASSERT_EQ(outcome.left_alone.size(), 1U);
}

TEST_F(InPlace, ErrorsNameTheFileAsTheUserDoes) {
  write("d/lib.so", library_);
  LayerPlan plan;
  plan.edits.emplace(0, rewrite("d/gone.so"));
  ChangedTree tree = must(ChangedTree::open(dir_ / "tree"));
  const auto result =
      apply_in_place(tree, plan, testing::options_for_tests().cuts, testing::workplace_for_tests());
  ASSERT_FALSE(result);
  EXPECT_THAT(render(result.error()), HasSubstr(path("d/gone.so").string()));
  EXPECT_THAT(render(result.error()), Not(HasSubstr("/proc/self")));
}

TEST_F(InPlace, AFailureLeavesTheTreeAsItWas) {
  write("a.so", library_);
  write("gone", "content");
  LayerPlan plan;
  plan.edits.emplace(0, rewrite("a.so"));
  plan.edits.emplace(1, rewrite("missing.so"));
  plan.edits.emplace(2, testing::drop("gone", 7));
  {
    ChangedTree tree = must(ChangedTree::open(dir_ / "tree"));
    EXPECT_FALSE(apply_in_place(tree, plan, testing::options_for_tests().cuts,
                                testing::workplace_for_tests()));
  }
  EXPECT_EQ(text_of(path("a.so")), library_);
  EXPECT_EQ(text_of(path("gone")), "content");
  EXPECT_FALSE(std::filesystem::exists(path(std::string(kInPlaceWork))));
}

TEST_F(InPlace, SingleFiles) {
  write("lib.so", library_);
  const CutRules cuts = testing::options_for_tests().cuts;
  const Workplace workplace = testing::workplace_for_tests();
  const LayerOutcome outcome = must(slim_file(path("lib.so"), path("out.so"), cuts, workplace));
  EXPECT_EQ(text_of(path("lib.so")), library_);
  EXPECT_EQ(text_of(path("out.so")).size(), outcome.content_after);
  write("text", "no library");
  must(slim_file(path("text"), path("copy"), cuts, workplace));
  EXPECT_EQ(text_of(path("copy")), "no library");
  write("lib.so.1", library_);
  std::filesystem::create_symlink("lib.so.1", path("link.so"));
  must(slim_file(path("link.so"), path("link.so"), cuts, workplace));
  EXPECT_TRUE(std::filesystem::is_symlink(path("link.so")));
  EXPECT_EQ(text_of(path("lib.so.1")), text_of(path("out.so")));
  must(slim_file(path("lib.so"), path("lib.so"), cuts, workplace));
  EXPECT_EQ(text_of(path("lib.so")), text_of(path("out.so")));
}

}  // namespace
}  // namespace flense::slim

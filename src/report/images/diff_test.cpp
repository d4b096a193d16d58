#include "report/images/diff_text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "report/testing_schema.h"

namespace flense::report {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

/// One of everything, so that no member of the schema goes unseen.
ImageDiff full() {
  ImageDiff out;
  out.changes.before = {"a.tar", "sha256:a", "linux/amd64", false, 1000, 2000, 1500, 10, 2, true};
  out.changes.after = {"b.tar", "", "linux/arm64", true, 900, 1800, 1400, 12, 2, false};
  out.changes.reasons = {{"device-code", 900, 700}, {"other-files", 1100, 1100}};
  out.changes.packages = {{"pip", "torch", "changed", "2.5", "2.9"}};
  out.changes.runtimes = {{"runtime", "NCCL", "added", "", "2.30"}};
  out.changes.code = {{"nvidia", "cubin", "sm_80", 3, 0, 900, 0}};
  out.changes.code_files = {{"lib/x.so", 900, 700, {"sm_80"}, {"sm_120"}}};
  out.changes.file_totals = {{"removed", 1, 40, 0}, {"changed", 1, 5, 5}};
  out.changes.files = {{"gone", "removed", {}, 40, 0}, {"y|\n", "changed", {"content"}, 5, 5}};
  out.changes.files_unread = 3;
  out.changes.layers = {{"shared", "FROM", "sha256:1", "sha256:1", 5, 5, 6, 6},
                        {"removed", "RUN", "sha256:2", "", 5, 0, 6, 0}};
  out.changes.configuration = {{"User", "app", std::nullopt}};
  out.hosts.changes = {{"arch", compat::Direction::kNarrower, "sm_80 no longer served", "sm_80", "",
                        "device code", "device code"}};
  out.hosts.untold = {{"glibc", "not read"}};
  out.verdicts = {{"h100",
                   "docker",
                   compat::Verdict::kOk,
                   compat::Verdict::kFail,
                   {{"driver-cuda", "ok", "fail", "too old"}}}};
  out.gates = {{"arch", "failed", "sm_80 no longer served"}, {"size", "passed", ""}};
  out.notices = {"something to know"};
  return out;
}

TEST(DiffReport, JsonConformsToItsSchema) {
  const std::string path = std::string(FLENSE_SOURCE_DIR) + "/docs/schemas/diff-v1.json";
  const text::Json schema = text::parse_json(testing::read_whole(path), path).value();
  EXPECT_THAT(testing::SchemaChecker(schema).check(diff_json(full(), 100)), IsEmpty());
  const text::Json one = diff_json(full(), 1);
  EXPECT_EQ(one["files"]["largest"].items().size(), 1u);
  EXPECT_EQ(one["files"]["totals"].items().size(), 2u);
}

TEST(DiffReport, TextNamesWhatChangedAndNothingElse) {
  const std::string text = diff_text(full(), {}, false);
  for (const char* part :
       {"sm_80 no longer served", "-100 B", "torch", "NCCL", "1 removed (-40 B)", "User",
        "1 of 2 shared", "too old", "notice: something to know", "arch  failed"})
    EXPECT_THAT(text, HasSubstr(part)) << text;
  EXPECT_THAT(text, Not(HasSubstr("other-files")));
  EXPECT_THAT(text, Not(HasSubstr("size  passed")));
}

TEST(DiffReport, MarkdownCellsHold) {
  const std::string text = diff_markdown(full(), false);
  EXPECT_THAT(text, HasSubstr("y\\|\\\\x0a"));
  EXPECT_THAT(text, HasSubstr("| pip | torch | 2.5 | 2.9 |"));
}

TEST(DiffReport, NoDifferenceIsSaidPlainly) {
  ImageDiff diff;
  diff.changes.before.target = diff.changes.after.target = "a";
  EXPECT_EQ(diff_text(diff, {}, false), "a -> a\nno difference\n");
  diff.changes.files_unread = 2;
  EXPECT_THAT(no_difference(diff), HasSubstr("2 files of equal size were not read"));
  diff.changes.files_unread = 0;
  diff.changes.after.saved = true;
  EXPECT_THAT(no_difference(diff), HasSubstr("saved inventory"));
  diff.gates = {{"arch", "unknown", "not told"}};
  EXPECT_EQ(no_difference(diff), "");
}

}  // namespace
}  // namespace flense::report

#include "slim/closure.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

namespace flense::slim {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

Exists in(std::set<std::string> paths) {
  return [paths = std::move(paths)](const std::string& path) { return paths.contains(path); };
}

TEST(LibraryCandidates, LoaderOrder) {
  ClosureInput input;
  input.library_path = {"opt/lib"};
  input.system_directories = {"usr/lib"};
  LinkFacts file{"venv/torch/lib/a.so", {}, "", "$ORIGIN/../../nvidia/lib:${ORIGIN}", ""};
  EXPECT_THAT(
      library_candidates(file, "b.so", input),
      ElementsAre("opt/lib/b.so", "venv/nvidia/lib/b.so", "venv/torch/lib/b.so", "usr/lib/b.so"));
  file.rpath = "/old";
  EXPECT_EQ(library_candidates(file, "b.so", input).front(), "opt/lib/b.so") << "RUNPATH wins";
  file.runpath.clear();
  EXPECT_EQ(library_candidates(file, "b.so", input).front(), "old/b.so");
}

TEST(BrokenLinks, OnlyWhatResolvedBefore) {
  ClosureInput input;
  input.system_directories = {"usr/lib"};
  input.files = {{"bin/app", {"liba.so", "libgone.so"}, "", "", "/lib64/ld.so"}};
  input.must_exist = {"bin/app", "bin/start"};
  const auto before = in({"bin/app", "bin/start", "usr/lib/liba.so", "lib64/ld.so"});
  EXPECT_THAT(broken_links(input, before, before), IsEmpty());
  EXPECT_THAT(broken_links(input, before, in({"bin/app"})),
              ElementsAre("bin/app needs the interpreter /lib64/ld.so", "bin/app needs liba.so",
                          "the image starts with /bin/start"));
  EXPECT_THAT(broken_links(input, before, in({"bin/start", "usr/lib/liba.so"})),
              ElementsAre("the image starts with /bin/app"));
}

TEST(BrokenLinks, ASecondCopyElsewhereSuffices) {
  ClosureInput input;
  input.system_directories = {"usr/lib", "lib"};
  input.files = {{"bin/app", {"liba.so"}, "", "", ""}};
  EXPECT_THAT(broken_links(input, in({"bin/app", "usr/lib/liba.so", "lib/liba.so"}),
                           in({"bin/app", "lib/liba.so"})),
              IsEmpty());
}

}  // namespace
}  // namespace flense::slim

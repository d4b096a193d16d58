#include "slim/plan/broken_links.h"

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

TEST(BrokenLinks, OnlyWhatResolvedBefore) {
  ClosureInput input;
  input.libraries.system = {"usr/lib"};
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

TEST(BrokenLinks, Scripts) {
  ClosureInput input;
  input.program_path = {"usr/local/bin", "usr/bin"};
  input.scripts = {{"bin/direct", "/opt/venv/bin/python"},
                   {"bin/by-env", "/usr/bin/env python3"},
                   {"bin/never-ran", "/nowhere/perl"},
                   {"bin/dropped", "/opt/venv/bin/python"}};
  const std::set<std::string> all = {
      "bin/direct",  "bin/by-env",      "bin/never-ran",       "bin/dropped",
      "usr/bin/env", "usr/bin/python3", "opt/venv/bin/python", "usr/local/bin/python3"};
  const auto without = [&](const std::set<std::string>& gone) {
    std::set<std::string> rest = all;
    for (const std::string& path : gone) rest.erase(path);
    return in(rest);
  };
  EXPECT_THAT(broken_links(input, in(all), in(all)), IsEmpty());
  EXPECT_THAT(broken_links(input, in(all), without({"usr/bin/python3", "bin/dropped"})), IsEmpty())
      << "another one on PATH serves";
  EXPECT_THAT(broken_links(input, in(all),
                           without({"bin/dropped", "opt/venv/bin/python", "usr/bin/python3",
                                    "usr/local/bin/python3"})),
              ElementsAre("the script bin/direct needs /opt/venv/bin/python",
                          "the script bin/by-env needs python3"));
  EXPECT_THAT(broken_links(input, in(all), without({"usr/bin/env"})),
              ElementsAre("the script bin/by-env needs /usr/bin/env"));
}

TEST(BrokenLinks, ASecondCopyElsewhereSuffices) {
  ClosureInput input;
  input.libraries.system = {"usr/lib", "lib"};
  input.files = {{"bin/app", {"liba.so"}, "", "", ""}};
  EXPECT_THAT(broken_links(input, in({"bin/app", "usr/lib/liba.so", "lib/liba.so"}),
                           in({"bin/app", "lib/liba.so"})),
              IsEmpty());
}

}  // namespace
}  // namespace flense::slim

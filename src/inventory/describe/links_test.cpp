#include "inventory/describe/links.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace flense::inventory {
namespace {

using ::testing::ElementsAre;

TEST(LibraryCandidates, LoaderOrder) {
  LibraryPaths paths;
  paths.environment = {"opt/lib"};
  paths.system = {"usr/lib"};
  LinkFacts file{"venv/torch/lib/a.so", {}, "", "$ORIGIN/../../nvidia/lib:${ORIGIN}", ""};
  EXPECT_THAT(
      library_candidates(file, "b.so", paths),
      ElementsAre("opt/lib/b.so", "venv/nvidia/lib/b.so", "venv/torch/lib/b.so", "usr/lib/b.so"));
  file.rpath = "/old";
  EXPECT_EQ(library_candidates(file, "b.so", paths).front(), "opt/lib/b.so") << "RUNPATH wins";
  file.runpath.clear();
  EXPECT_EQ(library_candidates(file, "b.so", paths).front(), "old/b.so");
}

TEST(LibraryCandidates, HostileListsStaySmall) {
  LinkFacts file{std::string(200, 'd') + "/a.so", {}, "", "", ""};
  for (int i = 0; i < 9000; ++i) file.runpath += "$ORIGIN";
  EXPECT_THAT(library_candidates(file, "b.so", {}), ElementsAre()) << "longer than any path";
  file.runpath.clear();
  for (int i = 0; i < 9000; ++i) file.runpath += "/a:";
  EXPECT_EQ(library_candidates(file, "b.so", {}).size(), 1000U);
}

TEST(ParseInterpreter, AsKernelAndEnvDo) {
  const auto parse = [](std::string_view line) {
    const Interpreter out = parse_interpreter(line);
    return out.program.empty() ? out.path : out.path + " " + out.program;
  };
  EXPECT_EQ(parse("/opt/venv/bin/python"), "opt/venv/bin/python");
  EXPECT_EQ(parse("  /bin/sh -e"), "bin/sh");
  EXPECT_EQ(parse("/usr/bin/python3 -u\r"), "usr/bin/python3");
  EXPECT_EQ(parse("/usr/bin/env python3"), "usr/bin/env python3");
  EXPECT_EQ(parse("/usr/bin/env -S python3 -u"), "usr/bin/env python3");
  EXPECT_EQ(parse("/usr/bin/env -Spython3 -u"), "usr/bin/env python3");
  EXPECT_EQ(parse("/usr/bin/env -S --split-string=A=b -u HOME /opt/p"), "usr/bin/env /opt/p");
  EXPECT_EQ(parse("/usr/bin/env"), "usr/bin/env");
  EXPECT_EQ(parse("python3"), "") << "depends on where it is started";
  EXPECT_EQ(parse(""), "");
  EXPECT_EQ(parse(std::string_view("/bin/sh\0junk", 12)), "bin/sh");
}

}  // namespace
}  // namespace flense::inventory

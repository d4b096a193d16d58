// Runs of a workflow's matrix, and the values that reach its builds.
#include <gtest/gtest.h>

#include "base/format.h"
#include "lint/readers/testing_launch.h"

namespace flense::lint {
namespace {

std::vector<std::string> bases(const std::string& matrix) {
  const auto file = read_launch(
      read_workflow, ".github/workflows/x.yml",
      "on: push\njobs:\n  b:\n    runs-on: ubuntu-latest\n    strategy:\n      matrix:\n" + matrix +
          "    steps:\n      - uses: docker/build-push-action@v6\n        with:\n"
          "          build-args: |\n            BASE=nvidia/cuda:${{ matrix.cuda }}\n");
  std::vector<std::string> out;
  for (const BuildTarget& build : file->names.matrix_builds)
    for (const auto& arg : build.args) out.push_back(arg.second.text);
  return out;
}

using Bases = std::vector<std::string>;

TEST(WorkflowMatrix, AxesIncludeAndExclude) {
  EXPECT_EQ(bases("        cuda: [a, b]\n"), (Bases{"nvidia/cuda:a", "nvidia/cuda:b"}));
  EXPECT_EQ(bases("        cuda: [a, b]\n        exclude:\n          - cuda: a\n"),
            (Bases{"nvidia/cuda:b"}));
  EXPECT_EQ(bases("        include:\n          - cuda: c\n          - other: d\n"),
            (Bases{"nvidia/cuda:c"}));
  EXPECT_EQ(bases("        cuda: ${{ fromJSON(needs.a.outputs.b) }}\n"), Bases{});
}

TEST(WorkflowMatrix, LargerThanGitHubTakes) {
  std::string axes, entries = "        cuda: [a, b]\n        include:\n";
  for (int i = 0; i < 3'000; ++i) axes += fmt::format("        a{}: [x, y]\n", i);
  for (int i = 0; i < 3'000; ++i) entries += fmt::format("          - {{cuda: a, z{}: 1}}\n", i);
  EXPECT_EQ(bases("        cuda: [a]\n" + axes), Bases{});
  EXPECT_EQ(bases(entries), Bases{});
}

}  // namespace
}  // namespace flense::lint

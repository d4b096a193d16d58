#include "inventory/describe/largest.h"

#include <gtest/gtest.h>

namespace flense::inventory {
namespace {

std::vector<std::pair<std::string, std::uint64_t>> rows(std::vector<SizedPath> paths) {
  std::vector<std::pair<std::string, std::uint64_t>> out;
  for (const SizedPath& path : paths) out.emplace_back(path.path, path.bytes);
  return out;
}

using Rows = std::vector<std::pair<std::string, std::uint64_t>>;

TEST(Largest, KeepsTheLargest) {
  TopList top(2);
  top.offer("a", 5, 0);
  top.offer("b", 1, 0);
  top.offer("c", 9, 0);
  top.offer("d", 0, 0);
  top.offer("e", 5, 0);
  EXPECT_EQ(rows(top.take()), (Rows{{"c", 9}, {"a", 5}}));
  TopList none(0);
  none.offer("a", 5, 0);
  EXPECT_TRUE(none.take().empty());
}

TEST(Largest, SumsDirectories) {
  DirectorySizes sizes(10);
  sizes.add("a/b/one", 10);
  sizes.add("a/b.x", 10);
  sizes.add("a/c/two", 20);
  sizes.add("ab/three", 5);
  sizes.add("root-file", 100);
  EXPECT_EQ(rows(sizes.take()), (Rows{{"a", 40}, {"a/c", 20}, {"a/b", 10}, {"ab", 5}}));
}

TEST(Largest, WrappersGiveWay) {
  DirectorySizes sizes(10);
  sizes.add("usr/lib/torch/a", 1000);
  sizes.add("usr/lib/x", 1);
  EXPECT_EQ(rows(sizes.take()), (Rows{{"usr/lib/torch", 1000}}));
}

}  // namespace
}  // namespace flense::inventory

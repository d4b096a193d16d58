#include "inventory/scan/own_build.h"

#include <gtest/gtest.h>

#include "base/file.h"
#include "elf/file.h"

namespace flense::inventory {
namespace {

TEST(OwnBuild, IsWhatTheProgramsFileSays) {
  const auto file = MappedFile::open("/proc/self/exe");
  ASSERT_TRUE(file);
  const auto parsed = elf::File::parse(file->bytes(), "this test");
  ASSERT_TRUE(parsed);
  EXPECT_FALSE(parsed->build_id().empty());
  EXPECT_EQ(own_build(), parsed->build_id());
}

}  // namespace
}  // namespace flense::inventory

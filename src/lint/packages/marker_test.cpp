#include "lint/packages/marker.h"

#include <gtest/gtest.h>

#include <vector>

namespace flense::lint {

namespace {

TEST(Marker, Linux) {
  const MarkerPlace place;
  EXPECT_TRUE(may_hold("", place));
  EXPECT_TRUE(may_hold("sys_platform == 'linux'", place));
  EXPECT_FALSE(may_hold("sys_platform == 'darwin' and platform_machine == 'arm64'", place));
  EXPECT_FALSE(may_hold("(sys_platform == 'win32' or sys_platform == 'darwin')", place));
  EXPECT_TRUE(may_hold("sys_platform == 'win32' or platform_machine == 'x86_64'", place));
  EXPECT_FALSE(may_hold("platform_machine == 'x86_64' and (sys_platform != 'linux')", place));
  EXPECT_TRUE(may_hold("platform_machine not in 'x86_64, aarch64'", place));
  EXPECT_FALSE(may_hold("'darwin' == sys_platform", place));
  EXPECT_TRUE(may_hold("'darwin' != sys_platform", place));
  EXPECT_FALSE(may_hold("sys_platform in 'darwin win32'", place));
  EXPECT_TRUE(may_hold("sys_platform not in 'darwin win32'", place));
}

TEST(Marker, Python) {
  const MarkerPlace place{"3.13", {}, false};
  EXPECT_FALSE(may_hold("python_full_version < '3.13'", place));
  EXPECT_TRUE(may_hold("python_full_version < '3.13.2'", place));
  EXPECT_TRUE(may_hold("python_version >= '3.11' and python_version < '3.14'", place));
  EXPECT_FALSE(may_hold("python_version == '3.12'", place));
  EXPECT_TRUE(may_hold("python_version < '3.12'", {}));
}

TEST(Marker, Extras) {
  const std::vector<std::string> extras{"cu124"};
  const MarkerPlace place{{}, extras, true};
  EXPECT_TRUE(may_hold("extra == 'extra-3-app-cu124'", place));
  EXPECT_FALSE(may_hold("extra == 'extra-3-app-cpu'", place));
  EXPECT_FALSE(may_hold("extra != 'extra-3-app-cu124'", place));
  EXPECT_TRUE(may_hold("extra == 'extra-3-app-cpu'", {}));
}

TEST(Marker, WhatIsNoMarkerHolds) {
  for (const char* text : {"sys_platform ==", "(sys_platform == 'darwin'", "= 'x'", "and",
                           "'a' 'b'", "'3.12' > python_version"})
    EXPECT_TRUE(may_hold(text, {})) << text;
  EXPECT_TRUE(may_hold(std::string(100, '('), {}));
}

}  // namespace

}  // namespace flense::lint

// Test helper: a machine made of files in a scratch folder.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>

#include "host/tree.h"

namespace flense::host::testing {

class ScratchTree {
 public:
  ScratchTree() {
    const auto* test = ::testing::UnitTest::GetInstance()->current_test_info();
    top_ = std::filesystem::path(::testing::TempDir()) /
           (std::string("flense-host-") + test->test_suite_name() + "-" + test->name());
    std::filesystem::remove_all(top_);
    std::filesystem::create_directories(top_);
  }
  ScratchTree(const ScratchTree&) = delete;
  ScratchTree& operator=(const ScratchTree&) = delete;
  ~ScratchTree() { std::filesystem::remove_all(top_); }

  void file(const std::string& path, std::string_view text) const {
    std::filesystem::create_directories((top_ / path).parent_path());
    std::ofstream(top_ / path, std::ios::binary) << text;
  }
  void link(const std::string& path, const std::string& target) const {
    std::filesystem::create_directories((top_ / path).parent_path());
    std::filesystem::create_symlink(target, top_ / path);
  }
  const std::filesystem::path& top() const { return top_; }
  Machine machine() const { return Machine(Places{top_, {}, {}, {}}); }

 private:
  std::filesystem::path top_;
};

}  // namespace flense::host::testing

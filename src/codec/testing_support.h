// Shared by the tests of this folder: a scratch directory and external tools.
#pragma once

#include <gtest/gtest.h>
#include <stdlib.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <random>
#include <string>
#include <vector>

#include "base/process.h"
#include "base/stream.h"

namespace flense::codec::testing {

class ScratchDirectory {
 public:
  ScratchDirectory() {
    std::string name = (std::filesystem::temp_directory_path() / "flense-codec-XXXXXX").string();
    if (::mkdtemp(name.data()) != nullptr) path_ = name;
  }
  ScratchDirectory(const ScratchDirectory&) = delete;
  ScratchDirectory& operator=(const ScratchDirectory&) = delete;
  ~ScratchDirectory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  std::filesystem::path operator/(std::string_view name) const { return path_ / name; }
  std::string string() const { return path_.string(); }

 private:
  std::filesystem::path path_;
};

inline void write_text(const std::filesystem::path& path, std::string_view text) {
  std::filesystem::create_directories(path.parent_path());
  std::ofstream(path, std::ios::binary)
      .write(text.data(), static_cast<std::streamsize>(text.size()));
}

inline std::string read_text(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

/// Runs a tool, which must succeed.
inline std::string run(const std::vector<std::string>& argv) {
  const Result<ProcessOutput> output = run_process(argv, 1u << 30);
  EXPECT_TRUE(output.has_value());
  if (!output) return {};
  EXPECT_EQ(output->status, 0) << argv[0] << ": " << output->err;
  return output->out;
}

inline std::string run_shell(const std::string& script) {
  return run({"/bin/sh", "-ec", script});
}

/// Text-like bytes: compressible, and never the same twice within.
inline std::string sample(std::size_t size, unsigned seed = 1) {
  std::mt19937 random(seed);
  std::string out;
  out.reserve(size + 16);
  while (out.size() < size) out += std::to_string(random() % 100'000) + (random() % 7 ? " " : "\n");
  out.resize(size);
  return out;
}

/// Hands the bytes out in views of at most `step`, and never as one: a pipe in a test.
class TrickleSource final : public Source {
 public:
  TrickleSource(std::string bytes, std::size_t step) : bytes_(std::move(bytes)), step_(step) {}
  Result<Bytes> next(std::size_t max) override {
    const std::size_t count = std::min({max, step_, bytes_.size() - at_});
    const Bytes out = as_bytes(bytes_).subspan(at_, count);
    at_ += count;
    return out;
  }

 private:
  std::string bytes_;
  std::size_t step_;
  std::size_t at_ = 0;
};

inline std::string text_of(Source& source) {
  Result<std::string> text = read_all(source, 1ull << 32, "test data");
  EXPECT_TRUE(text.has_value()) << (text ? "" : text.error().message);
  return text ? *text : std::string();
}

}  // namespace flense::codec::testing

#include "launch/bench/io.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "launch/bench/io_measure.h"

namespace flense::launch {
namespace {

class BenchIo : public ::testing::Test {
 protected:
  BenchIo() {
    const auto* test = ::testing::UnitTest::GetInstance()->current_test_info();
    top_ =
        std::filesystem::path(::testing::TempDir()) / (std::string("flense-bench-") + test->name());
    std::filesystem::remove_all(top_);
    for (const char* folder : {"image/usr/lib", "own"})
      std::filesystem::create_directories(top_ / folder);
  }
  ~BenchIo() override { std::filesystem::remove_all(top_); }
  void file(const std::string& path, std::size_t bytes) const {
    std::ofstream(top_ / path, std::ios::binary) << std::string(bytes, 'x');
  }
  IoBenchOptions options(std::uint64_t bytes = 4U << 20) const {
    return {top_ / "image", top_ / "own", bytes, {}};
  }
  std::filesystem::path top_;
};

TEST_F(BenchIo, MeasuresAndLeavesNothing) {
  file("image/usr/lib/large", 3U << 20);
  file("image/usr/lib/small", 10);
  std::filesystem::create_symlink("large", top_ / "image/usr/lib/link");
  const auto report = bench_io(options());
  ASSERT_TRUE(report) << report.error().message;
  EXPECT_EQ(report->file, "/usr/lib/large");
  EXPECT_EQ(report->bytes, 3U << 20);
  EXPECT_EQ(report->entries, 5U);  // usr, lib, three in it
  EXPECT_GT(report->mount.sequential_bytes_per_second.value(), 0);
  EXPECT_GT(report->mount.random_microseconds.value(), 0);
  EXPECT_GT(report->mount.first_write_milliseconds.value(), 0);
  EXPECT_GT(report->mount.create_microseconds.value(), 0);
  EXPECT_GT(report->mount.stat_microseconds.value(), 0);
  EXPECT_GT(report->image.sequential_bytes_per_second.value(), 0);
  EXPECT_FALSE(report->image.first_write_milliseconds) << "the image is never written to";
  // Where no overlay can be mounted the report says why.
  EXPECT_EQ(report->overlay.first_write_milliseconds.has_value(), report->overlay.problem.empty())
      << report->overlay.problem;
  EXPECT_TRUE(std::filesystem::is_empty(top_ / "own"));
  EXPECT_EQ(std::filesystem::file_size(top_ / "image/usr/lib/large"), 3U << 20);
}

TEST_F(BenchIo, TheFileIsTheLargestWithinTheSize) {
  file("image/a", 2U << 20);
  file("image/b", 5U << 20);
  file("image/c", 9U << 20);
  EXPECT_EQ(find_file(top_ / "image", 6U << 20)->path, top_ / "image/b");
  EXPECT_EQ(find_file(top_ / "image", 1U << 20)->path, top_ / "image/a");
  EXPECT_EQ(find_file(top_ / "image", 100U << 20)->path, top_ / "image/c");
}

TEST_F(BenchIo, WithoutALargeFileThereIsNothingToMeasure) {
  file("image/small", 1000);
  std::filesystem::create_symlink("/bin/sh", top_ / "image/link");
  const auto report = bench_io(options());
  ASSERT_FALSE(report);
  EXPECT_EQ(report.error().code, Code::kBadInput);
}

TEST_F(BenchIo, AStopTidiesUp) {
  file("image/large", 3U << 20);
  std::stop_source stop;
  stop.request_stop();
  IoBenchOptions stopped = options();
  stopped.stop = stop.get_token();
  const auto report = bench_io(stopped);
  ASSERT_FALSE(report);
  EXPECT_EQ(report.error().code, Code::kInterrupted);
  EXPECT_TRUE(std::filesystem::is_empty(top_ / "own"));
}

TEST_F(BenchIo, ADirectoryThatIsNotThere) {
  file("image/large", 3U << 20);
  IoBenchOptions elsewhere = options();
  elsewhere.directory = top_ / "nowhere";
  const auto report = bench_io(elsewhere);
  ASSERT_FALSE(report);
  EXPECT_EQ(report.error().code, Code::kEnvironment);
}

}  // namespace
}  // namespace flense::launch

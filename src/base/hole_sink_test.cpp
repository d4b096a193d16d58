// A sparse file reads back as what was written, and takes only the space of its non-zero parts.
#include "base/hole_sink.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <random>

#include "base/file.h"

namespace flense {
namespace {

std::string read_back(int fd) {
  struct stat status{};
  EXPECT_EQ(::fstat(fd, &status), 0);
  std::string out(static_cast<std::size_t>(status.st_size), '?');
  EXPECT_EQ(::pread(fd, out.data(), out.size(), 0), static_cast<ssize_t>(out.size()));
  return out;
}

std::uint64_t room_of(int fd) {
  struct stat status{};
  EXPECT_EQ(::fstat(fd, &status), 0);
  return static_cast<std::uint64_t>(status.st_blocks) * 512;
}

std::uint64_t write_in_pieces(int fd, const std::string& text, std::size_t piece) {
  HoleSink sink(fd, "x");
  for (std::size_t at = 0; at < text.size(); at += piece)
    EXPECT_TRUE(sink.write(as_bytes(text).subspan(at, std::min(piece, text.size() - at))));
  EXPECT_TRUE(sink.finish());
  return room_of(fd);
}

TEST(HoleSink, ZerosTakeNoRoomWhereverTheyAre) {
  const std::string zeros(1u << 20, '\0');
  for (const std::string& text :
       {zeros, "a" + zeros, zeros + "z", "a" + zeros + "m" + zeros + "z", zeros + zeros}) {
    const UniqueFd fd = open_scratch("/tmp").value();
    EXPECT_LE(write_in_pieces(fd.get(), text, 100'000), 3 * (64u << 10));
    EXPECT_EQ(read_back(fd.get()), text);
  }
}

TEST(HoleSink, EveryCutGivesTheSameFile) {
  std::mt19937 random(5);
  std::string text;
  for (int i = 0; i < 40; ++i)
    text += std::string(random() % 100'000, i % 2 == 0 ? '\0' : static_cast<char>('a' + i % 26));
  for (const std::size_t piece : {std::size_t{1000}, std::size_t{65536}, std::size_t{300'001}}) {
    const UniqueFd fd = open_scratch("/tmp").value();
    write_in_pieces(fd.get(), text, piece);
    EXPECT_EQ(read_back(fd.get()), text);
  }
}

TEST(HoleSink, ZerosReplaceWhatWasThere) {
  const UniqueFd fd = open_scratch("/tmp").value();
  write_in_pieces(fd.get(), std::string(1'000'000, 'x'), 65536);
  const std::string text = std::string(500'000, '\0') + "y" + std::string(200'000, '\0');
  write_in_pieces(fd.get(), text, 65536);
  EXPECT_EQ(read_back(fd.get()).substr(0, text.size()), text);
}

TEST(HoleSink, AFailureNamesTheFile) {
  const auto readonly = open_read("/proc/self/exe");
  ASSERT_TRUE(readonly);
  HoleSink sink(readonly->get(), "the file");
  const auto written = sink.write(as_bytes(std::string_view("text")));
  ASSERT_FALSE(written);
  EXPECT_TRUE(written.error().message.starts_with("cannot write the file: "));
}

}  // namespace
}  // namespace flense

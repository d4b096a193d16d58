#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <filesystem>
#include <fstream>
#include <new>

#include "base/bytes.h"
#include "base/file.h"
#include "base/glob.h"
#include "base/parallel.h"
#include "base/path.h"
#include "base/process.h"
#include "base/staging.h"

namespace flense {
namespace {

namespace fs = std::filesystem;

class Scratch : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string name = (fs::temp_directory_path() / "flense-base-XXXXXX").string();
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    dir_ = name;
  }
  void TearDown() override { fs::remove_all(dir_); }
  fs::path dir_;
};

std::string message(const auto& result) {
  return result ? std::string() : result.error().message;
}

TEST(Checked, WrapIsAValue) {
  EXPECT_EQ(checked_add(UINT64_MAX, 1), std::nullopt);
  EXPECT_EQ(checked_mul(1ull << 33, 1ull << 33), std::nullopt);
  EXPECT_FALSE(range_fits(10, UINT64_MAX, 20));
  EXPECT_TRUE(range_fits(20, 0, 20));
  EXPECT_EQ(align_up(UINT64_MAX, 8), std::nullopt);
  EXPECT_EQ(align_up(9, 8), 16u);
}

TEST(Format, HumanBytesNeverPrintsAThousand) {
  EXPECT_EQ(human_bytes(999), "999 B");
  EXPECT_EQ(human_bytes(1000), "1.0 kB");
  EXPECT_EQ(human_bytes(999'960), "1.0 MB");
  EXPECT_EQ(human_bytes(541'600'000), "541.6 MB");
  EXPECT_EQ(grouped(1234567), "1,234,567");
  EXPECT_EQ(grouped(12), "12");
}

TEST(ByteReader, ErrorsNameFileOffsetAndField) {
  const std::string data = "\x01\x02\x03";
  ByteReader reader(as_bytes(data), "x.so: ELF header", 0x40);
  ASSERT_EQ(reader.read<std::uint16_t>("type").value(), 0x0201);
  EXPECT_EQ(message(reader.read<std::uint32_t>("entry")),
            "x.so: ELF header: entry at offset 0x42 needs 4 bytes, 1 are left");
}

TEST(Error, RendersCauseContextAndHint) {
  Error error{Code::kBadInput, "layer is truncated", {"reading app.tar"}, "save it again", {}};
  EXPECT_EQ(render({Code::kUsage, "no 'a\nhint: b'", {"c\nd"}, "", {}}),
            "error: no 'a\n    hint: b'\n  while c\n    d\n");
  EXPECT_EQ(render(error),
            "error: layer is truncated\n  while reading app.tar\nhint: save it again\n");
}

TEST(MemberPath, EscapesAreRefused) {
  EXPECT_EQ(normalise_member_path("./usr//lib/"), "usr/lib");
  EXPECT_EQ(normalise_member_path("/etc/passwd"), "etc/passwd");
  EXPECT_EQ(normalise_member_path("./"), "");
  EXPECT_FALSE(normalise_member_path("a/../../b"));
  EXPECT_FALSE(normalise_member_path(std::string_view("a\0b", 3)));
  EXPECT_EQ(normalise_member_path("a..b/..c"), "a..b/..c");
}

TEST(LinkText, StaysInRoot) {
  EXPECT_EQ(resolve_link_text("usr/lib", "../lib64/x"), "usr/lib64/x");
  EXPECT_EQ(resolve_link_text("usr", "../../../etc"), "etc");
  EXPECT_EQ(resolve_link_text("usr", "/bin/./sh"), "bin/sh");
}

TEST(Glob, Table) {
  EXPECT_TRUE(glob_match("usr/*/x.so", "usr/lib/x.so"));
  EXPECT_FALSE(glob_match("usr/*/x.so", "usr/lib/y/x.so"));
  EXPECT_TRUE(glob_match("**/x.so", "x.so"));
  EXPECT_TRUE(glob_match("**/x.so", "a/b/x.so"));
  EXPECT_FALSE(glob_match("**/x.so", "a/bx.so"));
  EXPECT_TRUE(glob_match("/opt/**", "opt/a/b"));
  EXPECT_TRUE(glob_match("lib[a-c]?.so", "libb1.so"));
  EXPECT_FALSE(glob_match("lib[!a-c]?.so", "libb1.so"));
  EXPECT_FALSE(glob_match("[", "["));
  EXPECT_TRUE(glob_match("a\\*b", "a*b"));
  EXPECT_FALSE(glob_match("a\\*b", "axb"));
  EXPECT_TRUE(glob_match("**/tests/**", "usr/lib/numpy/tests/test_a.py"));
  EXPECT_FALSE(glob_match("*", "a/b"));
}

/// glob_match() said in another way: by trying everything.
bool matches_slowly(std::string_view pattern, std::string_view path) {
  if (pattern.empty()) return path.empty();
  const auto after = [&](std::size_t p, std::size_t n) {
    return n <= path.size() && matches_slowly(pattern.substr(p), path.substr(n));
  };
  if (pattern.starts_with("**/")) {
    if (after(3, 0)) return true;
    for (std::size_t n = 1; n <= path.size(); ++n)
      if (path[n - 1] == '/' && after(3, n)) return true;
    return false;
  }
  if (pattern.front() == '*') {
    const bool any = pattern.starts_with("**");
    for (std::size_t n = 0; n <= path.size(); ++n) {
      if (after(any ? 2 : 1, n)) return true;
      if (n < path.size() && path[n] == '/' && !any) return false;
    }
    return false;
  }
  if (path.empty()) return false;
  const bool hit = pattern.front() == '?' ? path.front() != '/' : pattern.front() == path.front();
  return hit && after(1, 1);
}

/// All texts of up to `length` of these characters that do not begin with a slash.
std::vector<std::string> texts_of(std::string_view characters, std::size_t length) {
  std::vector<std::string> out = {""};
  for (std::size_t at = 0; at < out.size(); ++at) {
    if (out[at].size() == length) break;
    for (const char c : characters)
      if (!out[at].empty() || c != '/') out.push_back(out[at] + c);
  }
  return out;
}

TEST(Glob, CoversWhatLiesBelow) {
  for (const char* glob : {"srv/m", "/srv/m", "srv/m/", "srv/*", "srv", "**/m", "srv/m/**"})
    EXPECT_TRUE(glob_covers(glob, "srv/m/a/b")) << glob;
  EXPECT_TRUE(glob_covers("srv/m", "srv/m"));
  for (const char* glob : {"srv/mm", "m", "srv/m/a/b/c", "", "/"})
    EXPECT_FALSE(glob_covers(glob, "srv/m/a/b")) << glob;
}

TEST(Glob, EveryShortPatternAndPath) {
  const std::vector<std::string> paths = texts_of("ab/", 5);
  for (const std::string& pattern : texts_of("ab/*?", 5)) {
    for (const std::string& path : paths)
      ASSERT_EQ(glob_match(pattern, path), matches_slowly(pattern, path)) << pattern << ' ' << path;
  }
}

TEST(Glob, EveryFewComponents) {
  const std::vector<std::string_view> parts = {"a", "**", "*b", "a*b*", "?", ""};
  std::vector<std::string> patterns;
  for (const std::string_view first : parts) {
    patterns.emplace_back(first);
    for (const std::string_view second : parts)
      for (const std::string_view third : parts) {
        patterns.push_back(fmt::format("{}/{}/{}", first, second, third));
        for (const std::string_view fourth : parts)
          patterns.push_back(fmt::format("{}/{}/{}/{}", first, second, third, fourth));
      }
  }
  const std::vector<std::string> paths = texts_of("ab/", 6);
  for (const std::string& pattern : patterns) {
    const std::string_view plain = std::string_view(pattern).substr(pattern.starts_with('/'));
    for (const std::string& path : paths)
      ASSERT_EQ(glob_match(pattern, path), matches_slowly(plain, path)) << pattern << ' ' << path;
  }
}

TEST_F(Scratch, AtomicFileAppearsOnCommitOnly) {
  const fs::path path = dir_ / "out";
  {
    auto file = AtomicFile::create(path);
    ASSERT_TRUE(file);
    ASSERT_TRUE(write_fully(file->fd(), as_bytes("abc"), "out"));
    EXPECT_FALSE(fs::exists(path));
  }
  EXPECT_TRUE(fs::is_empty(dir_));
  auto file = AtomicFile::create(path);
  ASSERT_TRUE(file);
  ASSERT_TRUE(write_fully(file->fd(), as_bytes("abc"), "out"));
  ASSERT_TRUE(file->commit());
  EXPECT_EQ(read_file(path, 10).value(), "abc");
  EXPECT_EQ(std::distance(fs::directory_iterator(dir_), {}), 1);
  EXPECT_FALSE(read_file(path, 2));
}

TEST_F(Scratch, WhatTheUserNamedIsWrittenThroughLinksAndIntoPipes) {
  std::ofstream(dir_ / "file") << "old";
  fs::permissions(dir_ / "file", fs::perms::owner_read | fs::perms::owner_write);
  fs::create_symlink("file", dir_ / "link");
  fs::create_symlink("new", dir_ / "dangling");
  ASSERT_TRUE(save_named(dir_ / "link", "abc"));
  ASSERT_TRUE(save_named(dir_ / "dangling", "def"));
  EXPECT_TRUE(fs::is_symlink(dir_ / "link"));
  EXPECT_EQ(read_file(dir_ / "file", 10).value(), "abc");
  EXPECT_EQ(read_file(dir_ / "new", 10).value(), "def");
  EXPECT_EQ(fs::status(dir_ / "file").permissions(),
            fs::perms::owner_read | fs::perms::owner_write);

  const fs::path pipe = dir_ / "pipe";
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  const UniqueFd reader(::open(pipe.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
  ASSERT_TRUE(save_named(pipe, "xyz"));
  std::array<char, 8> text{};
  EXPECT_EQ(::read(reader.get(), text.data(), text.size()), 3);
  EXPECT_TRUE(fs::is_fifo(pipe));
  EXPECT_TRUE(save_named("/dev/null", "x"));
  EXPECT_TRUE(fs::is_character_file("/dev/null"));
}

TEST_F(Scratch, AtomicDirectoryRefusesToReplace) {
  const fs::path path = dir_ / "out";
  {
    auto tree = AtomicDirectory::create(path);
    ASSERT_TRUE(tree);
    std::ofstream(tree->staging() / "f") << "x";
    ASSERT_TRUE(tree->commit());
  }
  EXPECT_TRUE(fs::exists(path / "f"));
  EXPECT_THAT(message(AtomicDirectory::create(path)), ::testing::HasSubstr("already exists"));
  EXPECT_THAT(message(AtomicDirectory::create(path / "")), ::testing::HasSubstr("already exists"));
}

TEST_F(Scratch, StagingOfADeadProcessGoesAndThatOfALiveOneStays) {
  const fs::path path = dir_ / "out";
  auto live = AtomicDirectory::create(path);
  ASSERT_TRUE(live);
  fs::create_directory(dir_ / ".out.flense-abcdef");
  std::ofstream(dir_ / ".out.flense-ghijkl") << "x";
  fs::create_directory(dir_ / ".out.flense-longer-name");
  fs::create_directory(dir_ / ".other.flense-abcdef");
  remove_stale_staging(path);
  EXPECT_TRUE(fs::exists(dir_ / ".out.flense-abcdef")) << "too young to be sure";
  remove_stale_staging(path, std::time(nullptr) + 3600);
  EXPECT_FALSE(fs::exists(dir_ / ".out.flense-abcdef"));
  EXPECT_FALSE(fs::exists(dir_ / ".out.flense-ghijkl"));
  EXPECT_TRUE(fs::exists(dir_ / ".out.flense-longer-name"));
  EXPECT_TRUE(fs::exists(dir_ / ".other.flense-abcdef"));
  EXPECT_TRUE(live->commit());
}

TEST_F(Scratch, MappedFileAndScratch) {
  auto scratch = open_scratch(dir_);
  ASSERT_TRUE(scratch);
  ASSERT_TRUE(write_fully(scratch->get(), as_bytes("hello"), "scratch"));
  auto map = MappedFile::map(scratch->get(), "scratch");
  ASSERT_TRUE(map);
  EXPECT_EQ(as_text(map->bytes()), "hello");
  EXPECT_TRUE(fs::is_empty(dir_));
  EXPECT_FALSE(MappedFile::open(dir_));
}

TEST(Parallel, FirstErrorWinsAndStops) {
  std::atomic<int> calls = 0;
  auto outcome = parallel_for(1000, 2, [&](std::size_t i) -> Result<void> {
    ++calls;
    if (i == 3) return bad_input("three");
    return {};
  });
  ASSERT_FALSE(outcome);
  EXPECT_EQ(outcome.error().message, "three");
  EXPECT_LT(calls, 1000);
}

TEST(Parallel, WhatIsThrownReachesTheCaller) {
  const auto throwing = [](std::size_t i) {
    if (i == 7) throw std::bad_alloc();
  };
  EXPECT_THROW(parallel_for(100, throwing), std::bad_alloc);
}

TEST(Process, DirectoriesAreNoPrograms) {
  EXPECT_FALSE(find_program(""));
  EXPECT_FALSE(find_program("../../usr"));
  EXPECT_TRUE(find_program("sh"));
}

TEST(Process, CapturesBothStreamsAndStatus) {
  auto result = run_process({"sh", "-c", "echo out; echo err >&2; exit 3"});
  ASSERT_TRUE(result);
  EXPECT_EQ(result->out, "out\n");
  EXPECT_EQ(result->err, "err\n");
  EXPECT_EQ(result->status, 3);
  EXPECT_FALSE(run_process({"no-such-program-of-flense"}));
  EXPECT_TRUE(find_program("sh"));
  EXPECT_FALSE(find_program("no-such-program-of-flense"));
}

TEST(Process, PipesBothWays) {
  auto child = ChildProcess::start({"cat"}, {.pipe_stdin = true, .pipe_stdout = true});
  ASSERT_TRUE(child);
  ASSERT_TRUE(write_fully((*child)->stdin_fd(), as_bytes("through"), "cat"));
  (*child)->close_stdin();
  FdSource source((*child)->stdout_fd(), "cat");
  EXPECT_EQ(read_all(source, 100, "cat").value(), "through");
  EXPECT_EQ((*child)->wait().value(), 0);
}

TEST(Process, KeepsWhatAChildSaysFromTheTerminal) {
  auto child = ChildProcess::start({"sh", "-c", "echo out; printf '\\033[2Jerr\\n' >&2"}, {});
  ASSERT_TRUE(child);
  EXPECT_EQ((*child)->wait().value(), 0);
  EXPECT_EQ((*child)->said(), "out\n\x1b[2Jerr");
}

}  // namespace
}  // namespace flense

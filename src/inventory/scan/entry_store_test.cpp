#include "inventory/scan/entry_store.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <ctime>
#include <set>
#include <thread>

#include "image/layers/testing_image.h"

namespace flense::inventory {
namespace {

using image::fixture::must;
using image::fixture::TempDir;
using image::fixture::write_file;

std::string key(char digit) {
  return std::string(64, digit);
}

EntryHead head(char digit, const std::string& kind = "layer") {
  return {kind, key(digit), "form", "label", 1'700'000'000};
}

class EntryStoreTest : public ::testing::Test {
 protected:
  EntryStore open(std::uint64_t most = EntryStore::kDefaultBytes) {
    return must(EntryStore::open(place(), most));
  }
  std::filesystem::path place() const { return dir_ / "a/b/inventories"; }
  std::filesystem::path file(char digit) const { return place() / (key(digit) + ".layer"); }
  void set_age(char digit, std::int64_t seconds) const {
    const std::array<timespec, 2> times = {timespec{std::time(nullptr) - seconds, 0},
                                           timespec{std::time(nullptr) - seconds, 0}};
    ASSERT_EQ(::utimensat(AT_FDCWD, file(digit).c_str(), times.data(), 0), 0);
  }
  TempDir dir_;
};

TEST_F(EntryStoreTest, KeepsAndFinds) {
  EntryStore store = open();
  EXPECT_FALSE(store.load("layer", key('a')));
  const std::string payload("with\0zeros", 10);
  EXPECT_TRUE(store.store(head('a'), payload));
  EXPECT_TRUE(store.store(head('a', "needs"), ""));
  const auto entry = open().load("layer", key('a'));
  ASSERT_TRUE(entry);
  EXPECT_EQ(entry->head, head('a'));
  EXPECT_EQ(as_text(entry->payload()), payload);
  EXPECT_EQ(store.load("needs", key('a'))->payload().size(), 0U);
  EXPECT_FALSE(store.load("file", key('a')));
  EXPECT_EQ(store.list().size(), 2U);
  EXPECT_EQ(store.complaint(), "");
  // For this user alone.
  struct stat status{};
  ASSERT_EQ(::stat(place().c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777U, 0700U);
  ASSERT_EQ(::stat(file('a').c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777U, 0600U);
}

TEST_F(EntryStoreTest, AnyDamageIsAMissAndTheFileGoes) {
  EntryStore store = open();
  const std::string whole = encode_entry(head('a'), "payload");
  for (std::size_t size = 0; size < whole.size(); ++size) {
    write_file(file('a'), whole.substr(0, size));
    ASSERT_FALSE(store.load("layer", key('a'))) << size;
    ASSERT_FALSE(std::filesystem::exists(file('a')));
  }
  for (std::size_t at = 0; at < whole.size(); ++at) {
    std::string damaged = whole;
    damaged[at] = static_cast<char>(damaged[at] ^ 4);
    write_file(file('a'), damaged);
    ASSERT_FALSE(store.load("layer", key('a'))) << at;
    ASSERT_FALSE(std::filesystem::exists(file('a')));
  }
  write_file(file('a'), whole);
  EXPECT_TRUE(store.load("layer", key('a')));
  // A sound entry under the name of another.
  write_file(file('b'), whole);
  EXPECT_FALSE(store.load("layer", key('b')));
  EXPECT_FALSE(std::filesystem::exists(file('b')));
}

TEST_F(EntryStoreTest, LeastRecentlyUsedGoFirst) {
  const std::string payload(EntryStore::kBlock, 'x');  // two blocks with its head
  EntryStore store = open(8 * EntryStore::kBlock);
  for (const char digit : {'1', '2', '3', '4'}) EXPECT_TRUE(store.store(head(digit), payload));
  EXPECT_EQ(store.list().size(), 4U);
  for (int i = 1; i <= 4; ++i) set_age(static_cast<char>('0' + i), 1'000'000 - i);
  EXPECT_TRUE(store.load("layer", key('1')));  // used: now the youngest
  EXPECT_TRUE(store.store(head('5'), payload));
  std::set<char> left;
  for (const ListedEntry& entry : store.list()) left.insert(entry.key[0]);
  EXPECT_EQ(left, (std::set<char>{'1', '4', '5'}));
  // What would not fit at all is not kept.
  EXPECT_FALSE(store.store(head('6'), std::string(8 * EntryStore::kBlock, 'x')));
  EXPECT_EQ(store.shrink(2 * EntryStore::kBlock), 2 * EntryStore::kBlock);
  EXPECT_EQ(store.shrink(0), 0U);
  EXPECT_TRUE(store.list().empty());
}

TEST_F(EntryStoreTest, AUseIsNotedOnceAnHour) {
  EntryStore store = open();
  store.store(head('1'), "x");
  set_age('1', 3000);
  const std::int64_t before = store.list()[0].used;
  store.load("layer", key('1'));
  EXPECT_EQ(store.list()[0].used, before);
  set_age('1', 4000);
  static_cast<void>(store.peek(store.list()[0]));  // looking is no use
  EXPECT_LE(store.list()[0].used, std::time(nullptr) - 4000);
  store.load("layer", key('1'));
  EXPECT_GT(store.list()[0].used, std::time(nullptr) - 100);
}

TEST_F(EntryStoreTest, OnlyEntriesAreTouched) {
  EntryStore store = open(4 * EntryStore::kBlock);
  const std::string old = ".new-1-0123456789abcdef", fresh = ".new-2-0123456789abcdef";
  for (const std::string& name :
       {std::string("README"), key('A') + ".layer", key('a'), key('a') + ".layer.bak", old, fresh})
    write_file(place() / name, std::string(100'000, 'x'));
  const std::array<timespec, 2> times = {timespec{1, 0}, timespec{1, 0}};
  ASSERT_EQ(::utimensat(AT_FDCWD, (place() / old).c_str(), times.data(), 0), 0);
  EXPECT_TRUE(store.store(head('1'), "x"));
  EXPECT_EQ(store.list().size(), 1U);
  store.shrink(0);
  EXPECT_TRUE(store.list().empty());
  EXPECT_FALSE(std::filesystem::exists(place() / old));  // its writer died long ago
  EXPECT_TRUE(std::filesystem::exists(place() / fresh));
  EXPECT_TRUE(std::filesystem::exists(place() / "README"));
  EXPECT_TRUE(std::filesystem::exists(place() / (key('A') + ".layer")));
}

TEST_F(EntryStoreTest, HostilePlacesAreNotUsed) {
  open();
  const auto refused = [](const std::filesystem::path& path) {
    const auto store = EntryStore::open(path, 1000);
    return store ? std::string() : store.error().message;
  };
  EXPECT_EQ(refused(place()), "");
  std::filesystem::create_directory_symlink(place(), dir_ / "link");
  EXPECT_NE(refused(dir_ / "link"), "");
  write_file(dir_ / "file", "x");
  EXPECT_NE(refused(dir_ / "file"), "");
  EXPECT_NE(refused(dir_ / "file/below"), "");
  ASSERT_EQ(::chmod(place().c_str(), 0777), 0);
  EXPECT_NE(refused(place()).find("others may write"), std::string::npos);
  ASSERT_EQ(::chmod(place().c_str(), 0720), 0);
  EXPECT_NE(refused(place()).find("others may write"), std::string::npos);
  ASSERT_EQ(::chmod(place().c_str(), 0755), 0);
  EXPECT_EQ(refused(place()), "");
  if (::geteuid() != 0) GTEST_SKIP() << "only root can give files away";
  ASSERT_EQ(::chown(place().c_str(), 12345, 12345), 0);
  EXPECT_NE(refused(place()).find("another user"), std::string::npos);
  ASSERT_EQ(::chown((dir_ / "a").c_str(), 12345, 12345), 0);
  EXPECT_NE(refused(dir_ / "a/new/inventories").find("another user"), std::string::npos);
  EXPECT_FALSE(std::filesystem::exists(dir_ / "a/new"));
}

TEST_F(EntryStoreTest, ForeignFilesAndLinksAreMisses) {
  EntryStore store = open();
  write_file(dir_ / "elsewhere", encode_entry(head('a'), "x"));
  std::filesystem::create_symlink(dir_ / "elsewhere", file('a'));
  EXPECT_FALSE(store.load("layer", key('a')));
  EXPECT_TRUE(store.list().empty());
  ASSERT_EQ(::mkfifo(file('b').c_str(), 0600), 0);
  EXPECT_FALSE(store.load("layer", key('b')));
  EXPECT_TRUE(store.store(head('a'), "mine"));
  EXPECT_TRUE(store.load("layer", key('a')));
  EXPECT_EQ(must(read_file(dir_ / "elsewhere", 10'000)), encode_entry(head('a'), "x"));
  if (::geteuid() != 0) GTEST_SKIP() << "only root can give files away";
  ASSERT_EQ(::chown(file('a').c_str(), 12345, 12345), 0);
  EXPECT_FALSE(store.load("layer", key('a')));
}

TEST_F(EntryStoreTest, WhatCannotBeWrittenIsNotKept) {
  EntryStore store = open();
  EXPECT_TRUE(store.store(head('a'), "x"));
  // Also for root: the directory is gone, its descriptor is not.
  std::filesystem::remove_all(place());
  EXPECT_FALSE(store.store(head('b'), "x"));
  EXPECT_NE(store.complaint().find("cannot create"), std::string::npos);
  EXPECT_FALSE(store.load("layer", key('a')));
}

TEST_F(EntryStoreTest, ManyWritersOneDirectory) {
  constexpr int kThreads = 8, kRounds = 60;
  std::atomic<int> wrong = 0, found = 0;
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < kThreads; ++t)
      threads.emplace_back([&, t] {
        // Small enough that they evict each other's entries all the time.
        EntryStore store = open(12 * EntryStore::kBlock);
        for (int i = 0; i < kRounds; ++i) {
          const char digit = static_cast<char>('0' + (i + t) % 10);
          const std::string payload(static_cast<std::size_t>(digit) * 100, digit);
          store.store(head(digit), payload);
          const auto entry = store.load("layer", key(digit));
          if (!entry) continue;
          ++found;
          if (as_text(entry->payload()) != payload) ++wrong;
        }
      });
  }
  EXPECT_EQ(wrong, 0);
  EXPECT_GT(found, 0);
  std::uint64_t total = 0;
  for (const auto& item : std::filesystem::directory_iterator(place())) {
    EXPECT_FALSE(item.path().filename().string().starts_with(".new-"));
    total += item.file_size();
  }
  EXPECT_GT(total, 0U);
  EXPECT_LE(open(12 * EntryStore::kBlock).shrink(12 * EntryStore::kBlock), 12 * EntryStore::kBlock);
}

}  // namespace
}  // namespace flense::inventory

#include "device/recompress.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <csignal>
#include <random>

#include "device/entry_content.h"
#include "support/code_builder.h"

namespace flense::device {
namespace {

using namespace flense::testing;
using ::testing::HasSubstr;

/// A stand-alone fat binary and what recompress() makes of all of it.
struct Subject {
  explicit Subject(std::string entries) : bytes(region_of(entries)) {
    code = find_standalone_fatbin(as_bytes(bytes)).value();
    for (std::size_t i = 0; i < region().entries.size(); ++i) places.push_back({0, 0, i});
  }
  const Region& region() const { return code.sections[0].regions[0]; }
  Bytes entry(std::size_t i) const {
    return as_bytes(bytes).subspan(region().entries[i].offset, region().entries[i].size());
  }
  Recompressed packed(CodeCompression mode, std::shared_ptr<FrameStore> store = {}) const {
    auto out = recompress(as_bytes(bytes), code, places,
                          {mode, std::move(store), std::filesystem::temp_directory_path()});
    EXPECT_TRUE(out) << out.error().message;
    return std::move(*out);
  }

  std::string bytes;
  FileCode code;
  std::vector<EntryPlace> places;
};

/// The one entry of `bytes` as parse_region() reads it.
Entry parsed(Bytes bytes) {
  const std::string alone = region_of(std::string(as_text(bytes)));
  return parse_region(as_bytes(alone), 0).value().entries.at(0);
}

std::string content_of(Bytes bytes) {
  std::string out;
  const auto read = with_entry_content(bytes, parsed(bytes), std::filesystem::temp_directory_path(),
                                       [&](Bytes content) -> Result<void> {
                                         out = as_text(content);
                                         return {};
                                       });
  EXPECT_TRUE(read) << read.error().message;
  return out;
}

std::string noise(std::size_t size) {
  std::mt19937 random(7);
  std::string out;
  while (out.size() < size) out += static_cast<char>(random());
  return out;
}

TEST(Recompress, RawAndLz4BecomeZstd) {
  const std::string cubin = cubin_of(machine_code(50'001));
  const std::string ptx = machine_code(30'003);
  const Subject subject(raw_entry("sm90a:0", cubin) + lz4_entry("sm80:0", cubin) +
                        lz4_entry("ptx80:0", ptx));
  for (const auto mode : {CodeCompression::kBalance, CodeCompression::kSize}) {
    const Recompressed out = subject.packed(mode);
    ASSERT_EQ(out.entries.size(), 3U);
    for (std::size_t i = 0; i < 3; ++i) {
      const Bytes after = out.entries[i];
      ASSERT_FALSE(after.empty()) << i;
      EXPECT_LT(after.size(), subject.entry(i).size());
      EXPECT_EQ(after.size() % 8, 0U);
      const Entry entry = parsed(after);
      EXPECT_TRUE(entry.zstd());
      EXPECT_EQ(entry.flags & kLz4, 0U);
      EXPECT_EQ(entry.arch, subject.region().entries[i].arch);
      EXPECT_EQ(entry.uncompressed_size, i == 2 ? ptx.size() : cubin.size());
      EXPECT_EQ(content_of(after), i == 2 ? ptx : cubin);
      EXPECT_TRUE(same_entry(subject.entry(i), subject.region().entries[i], after, entry, "/tmp"));
    }
    EXPECT_EQ(out.totals.entries, 3U);
    EXPECT_EQ(out.totals.raised, 3U);
    EXPECT_EQ(out.totals.before, subject.region().size - kRegionHeaderSize);
    EXPECT_EQ(out.totals.after,
              out.entries[0].size() + out.entries[1].size() + out.entries[2].size());
  }
  EXPECT_EQ(subject.packed(CodeCompression::kKeep).totals.entries, 0U);
}

TEST(Recompress, HeadersKeepNamesAndOptions) {
  EntrySpec spec = entry_spec("sm100f:0");
  spec.header_size = 112;
  const std::string cubin = cubin_of(machine_code(20'000));
  std::string entry = stored_entry(spec, 0, cubin, 0);
  for (std::size_t at = 64; at < 112; ++at) entry[at] = static_cast<char>(at);
  const Subject subject(entry);
  const Recompressed out = subject.packed(CodeCompression::kSize);
  ASSERT_FALSE(out.entries[0].empty());
  std::string expected = entry.substr(0, 112);
  const Entry after = parsed(out.entries[0]);
  put(expected, 8, after.payload_size);
  put(expected, 16, load_le<std::uint32_t>(out.entries[0], 16));
  put(expected, 40, spec.flags | kZstd);
  put(expected, 56, std::uint64_t{cubin.size()});
  EXPECT_EQ(as_text(out.entries[0].first(112)), expected);
}

TEST(Recompress, ZstdIsPackedAgainAtSizeAloneAndWhereItWasPackedLessHard) {
  const std::string cubin = cubin_of(machine_code(400'000));
  const Subject subject(zstd_entry("sm90:0", cubin, 1) + zstd_entry("sm80:0", cubin, 5) +
                        zstd_entry("sm86:0", cubin, 19));
  EXPECT_EQ(subject.packed(CodeCompression::kBalance).totals.entries, 0U);
  const Recompressed out = subject.packed(CodeCompression::kSize);
  EXPECT_FALSE(out.entries[0].empty());
  EXPECT_FALSE(out.entries[1].empty());
  EXPECT_TRUE(out.entries[2].empty());
  EXPECT_EQ(out.totals.raised, 0U) << "drivers that read it before read it now";
  EXPECT_EQ(content_of(out.entries[1]), cubin);
}

TEST(Recompress, WhatIsNotSureStays) {
  const std::string cubin = cubin_of(machine_code(20'000));
  const std::string lz4 = lz4_block(cubin);
  EntrySpec plain = entry_spec("sm90:0");
  EntrySpec enciphered = plain;
  enciphered.flags |= 0x10000;
  std::string keyed = raw_entry("sm90:0", cubin);
  put(keyed, 48, std::uint64_t{1});
  std::size_t size = 20'000;
  while (lz4_block(cubin_of(machine_code(size))).size() % 8 == 0) size += 256;
  std::string dirty = lz4_entry("sm90:0", cubin_of(machine_code(size)));
  dirty.back() = 'x';
  std::string dense = noise(4'000);
  dense.replace(0, 7, cubin, 0, 7);
  dense.replace(16, 4, cubin, 16, 4);
  std::string stated = raw_entry("sm90:0", cubin);
  put(stated, 56, std::uint64_t{cubin.size()});
  const std::vector<std::pair<const char*, std::string>> cases = {
      {"does not shrink", raw_entry("sm90:0", dense)},
      {"no cubin", raw_entry("sm90:0", machine_code(20'000))},
      {"LZ4 that holds no cubin", lz4_entry("sm90:0", machine_code(20'000))},
      {"PTX of unstated length", raw_entry("ptx90:0", machine_code(20'000))},
      {"link-time IR", raw_entry("lto90:0", cubin)},
      {"unknown kind", raw_entry("kind16/90:0", cubin)},
      {"enciphered", stored_entry(enciphered, 0, cubin, 0)},
      {"with a key", keyed},
      {"both compressions", stored_entry(plain, kLz4 | kZstd, lz4, cubin.size())},
      {"LZ4 of fewer bytes", stored_entry(plain, kLz4, lz4, cubin.size() + 8)},
      {"LZ4 of more bytes", stored_entry(plain, kLz4, lz4, cubin.size() - 8)},
      {"LZ4 cut short", stored_entry(plain, kLz4, lz4.substr(0, 9'000), cubin.size())},
      {"zstd that is none", stored_entry(plain, kZstd, lz4, cubin.size())},
      {"zstd with something behind it",
       stored_entry(plain, kZstd, zstd_frame(cubin, 1) + "12345678", cubin.size())},
      {"a bomb", stored_entry(plain, kZstd, zstd_frame(std::string(1u << 20, 'x'), 1), 1u << 20)},
      {"padding that is none", dirty},
      {"raw of a stated size", stated},
      {"empty", raw_entry("sm90:0", "")},
  };
  for (const auto& [what, entry] : cases) {
    const Subject subject(entry);
    for (const auto mode : {CodeCompression::kBalance, CodeCompression::kSize})
      EXPECT_EQ(subject.packed(mode).totals.entries, 0U) << what;
  }
}

TEST(Recompress, IsTheSameWithAndWithoutAStoreAndPackedOnce) {
  std::string entries;
  for (unsigned i = 0; i < 12; ++i)
    entries += raw_entry("sm90:0", cubin_of(machine_code(3'000 * (i + 1), i % 3)));
  entries += raw_entry("sm90:0", cubin_of(noise(4'000)));
  const Subject subject(entries);
  const auto text_of = [](const Recompressed& out) {
    std::vector<std::string> texts;
    for (const Bytes entry : out.entries) texts.emplace_back(as_text(entry));
    return texts;
  };
  const auto store = FrameStore::create(std::filesystem::temp_directory_path()).value();
  const Recompressed alone = subject.packed(CodeCompression::kSize);
  const Recompressed first = subject.packed(CodeCompression::kSize, store);
  const std::size_t filled = first.frames->bytes().size();
  const Recompressed second = subject.packed(CodeCompression::kSize, store);
  EXPECT_EQ(text_of(alone), text_of(first));
  EXPECT_EQ(text_of(first), text_of(second));
  EXPECT_EQ(second.frames->bytes().size(), filled) << "nothing was packed again";
  const Recompressed other = subject.packed(CodeCompression::kBalance, store);
  EXPECT_GT(other.frames->bytes().size(), filled) << "another mode is another result";
}

TEST(FrameStore, AWriteThatFailsLeavesTheOthersRight) {
  const auto store = FrameStore::create(std::filesystem::temp_directory_path()).value();
  const std::string large(2U << 20, 'l'), small = "a small frame";
  const auto handler = ::signal(SIGXFSZ, SIG_IGN);
  struct rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  const struct rlimit less{1U << 20, before.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &less), 0);
  const auto failed = store->add("large", as_bytes(large));
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &before), 0);
  ::signal(SIGXFSZ, handler);
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().code, Code::kEnvironment);
  const FrameStore::Frame frame = store->add("small", as_bytes(small)).value();
  const auto all = store->map().value();
  EXPECT_EQ(as_text(all->bytes().subspan(frame.offset, frame.size)), small);
}

TEST(SameEntry, NamesTheDifference) {
  const std::string cubin = cubin_of(machine_code(20'000));
  std::string changed = cubin;
  changed[10'000] ^= 1;
  const auto compare = [](const std::string& a, const std::string& b) {
    const auto same =
        same_entry(as_bytes(a), parsed(as_bytes(a)), as_bytes(b), parsed(as_bytes(b)), "/tmp");
    return same ? std::string() : same.error().message;
  };
  const std::string raw = raw_entry("sm90:0", cubin);
  EXPECT_EQ(compare(raw, zstd_entry("sm90:0", cubin, 5)), "");
  EXPECT_THAT(compare(raw, zstd_entry("sm90:0", changed, 5)), HasSubstr("contents differ"));
  EXPECT_THAT(compare(raw, zstd_entry("sm90a:0", cubin, 5)), HasSubstr("headers differ"));
  EXPECT_THAT(compare(raw, zstd_entry("sm90:0", cubin + "12345678", 5)),
              HasSubstr("contents differ"));
}

TEST(Recompress, EndsWhenItIsStopped) {
  std::stop_source source;
  const auto store =
      FrameStore::create(std::filesystem::temp_directory_path(), source.get_token()).value();
  const Subject subject(raw_entry("sm90:0", cubin_of(machine_code(20'000))));
  source.request_stop();
  const auto out = recompress(as_bytes(subject.bytes), subject.code, subject.places,
                              {CodeCompression::kSize, store, "/tmp"});
  ASSERT_FALSE(out);
  EXPECT_EQ(out.error().code, Code::kInterrupted);
}

TEST(FrameStore, NeedsAPlace) {
  const auto store = FrameStore::create("/dev/null/below");
  ASSERT_FALSE(store);
  EXPECT_EQ(store.error().code, Code::kEnvironment);
}

}  // namespace
}  // namespace flense::device

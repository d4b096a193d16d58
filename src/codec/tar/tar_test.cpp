#include "codec/tar/tar.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <tuple>

#include "codec/testing_support.h"

namespace flense::codec {
namespace {

using testing::sample;
using testing::TrickleSource;

struct Seen {
  TarMember member;
  std::string content;
  std::string raw_header;
};

Result<std::vector<Seen>> read(Source& source, const TarReader::Limits& limits = {}) {
  TarReader reader(source, "a.tar", limits);
  std::vector<Seen> out;
  while (true) {
    TRY(auto member, reader.next());
    if (!member) return out;
    std::string header(as_text(reader.raw_header()));
    TRY(std::string content, read_all(reader.content(), 1u << 30, "content"));
    out.push_back({std::move(*member), std::move(content), std::move(header)});
  }
}

/// From memory and in pieces; both must say the same.
Result<std::vector<Seen>> read(const std::string& archive, const TarReader::Limits& limits = {}) {
  MemorySource memory(as_bytes(archive));
  auto mapped = read(memory, limits);
  for (const std::size_t step : {std::size_t{100}, std::size_t{1} << 20}) {
    TrickleSource pieces(archive, step);
    const auto streamed = read(pieces, limits);
    EXPECT_EQ(mapped.has_value(), streamed.has_value());
    if (!mapped || !streamed) continue;
    EXPECT_EQ(mapped->size(), streamed->size());
    for (std::size_t i = 0; i < std::min(mapped->size(), streamed->size()); ++i) {
      EXPECT_EQ((*mapped)[i].content, (*streamed)[i].content);
      EXPECT_EQ((*mapped)[i].raw_header, (*streamed)[i].raw_header);
      EXPECT_EQ((*mapped)[i].member.name, (*streamed)[i].member.name);
    }
  }
  return mapped;
}

TarMember file(std::string name, std::uint64_t size = 0) {
  TarMember member;
  member.name = std::move(name);
  member.mode = 0644;
  member.size = size;
  return member;
}

void add(TarWriter& writer, const TarMember& member, std::string_view content = {}) {
  const auto begun = writer.begin(member);
  ASSERT_TRUE(begun) << begun.error().message;
  if (!content.empty()) {
    ASSERT_TRUE(writer.write_content(as_bytes(content)));
  }
  ASSERT_TRUE(writer.end());
}

std::string archive_of(const std::vector<std::pair<TarMember, std::string>>& members) {
  StringSink sink;
  TarWriter writer(sink);
  for (const auto& [member, content] : members) add(writer, member, content);
  EXPECT_TRUE(writer.finish());
  EXPECT_EQ(writer.position(), sink.text().size());
  return sink.take();
}

/// A header block made by hand, for what no sane writer makes.
struct Header {
  std::string block = std::string(512, '\0');
  Header(std::string_view name, char flag, std::string_view size = "00000000000") {
    put(0, name);
    put(100, "0000644");
    put(108, "0000000");
    put(116, "0000000");
    put(124, size);
    put(136, "00000000000");
    block[156] = flag;
    put(257, std::string_view("ustar\00000", 8));
  }
  Header& put(std::size_t at, std::string_view text) {
    block.replace(at, text.size(), text);
    return *this;
  }
  std::string sealed(bool with_sign = false) {
    put(148, "        ");
    int sum = 0;
    for (const char c : block)
      sum += with_sign ? int{static_cast<signed char>(c)} : int{static_cast<unsigned char>(c)};
    put(148, fmt::format("{:06o}", sum)).block[154] = '\0';
    return block;
  }
};

std::string padded(std::string text) {
  text.resize((text.size() + 511) / 512 * 512, '\0');
  return text;
}

std::string octal(std::uint64_t value) {
  return fmt::format("{:011o}", value);
}

std::string pax(char flag, const std::string& records) {
  return Header("PaxHeaders", flag, octal(records.size())).sealed() + padded(records);
}

std::string record(const std::string& key, const std::string& value) {
  for (std::size_t length = key.size() + value.size() + 3;; ++length) {
    std::string text = fmt::format("{} {}={}\n", length, key, value);
    if (text.size() == length) return text;
  }
}

const std::string kEnd(1024, '\0');

void expect_refused(const std::string& archive, std::string_view why,
                    const TarReader::Limits& limits = {}) {
  const auto all = read(archive, limits);
  ASSERT_FALSE(all) << why;
  EXPECT_EQ(all.error().code, Code::kBadInput);
  EXPECT_TRUE(all.error().message.starts_with("a.tar: ")) << all.error().message;
  EXPECT_NE(all.error().message.find(", at offset 0x"), std::string::npos) << all.error().message;
  EXPECT_NE(all.error().message.find(why), std::string::npos) << all.error().message;
}
TEST(Tar, EmptyArchives) {
  for (const std::string& archive :
       {std::string(), std::string(512, '\0'), kEnd, std::string(10240, '\0')}) {
    const auto all = read(archive);
    ASSERT_TRUE(all);
    EXPECT_TRUE(all->empty());
  }
}
TEST(Tar, EveryKindOfMemberComesBack) {
  TarMember link = file("link");
  link.type = MemberType::kSymlink;
  link.link = "../target";
  TarMember hard = file("hard");
  hard.type = MemberType::kHardLink;
  hard.link = "a/file";
  TarMember device = file("dev/null");
  device.type = MemberType::kCharDevice;
  device.device_major = 1;
  device.device_minor = 3;
  TarMember disk = file("dev/disk");
  disk.type = MemberType::kBlockDevice;
  disk.device_major = 3'000'000;
  TarMember dir = file("a/");
  dir.type = MemberType::kDirectory;
  TarMember fifo = file("fifo");
  fifo.type = MemberType::kFifo;
  TarMember rich = file("a/file", 5);
  rich.mode = 06755;
  rich.uid = 1000;
  rich.gid = 3'000'000'000;
  rich.user = "user";
  rich.group = std::string(40, 'g');
  rich.mtime = 1'700'000'000;
  rich.mtime_nanos = 120'000'000;
  rich.xattrs = {{"security.capability", std::string("\1\0\0\2", 4)}, {"user.empty", ""}};
  rich.pax = {{"comment", "hello"}, {"size", "999"}};
  const auto all = read(archive_of(
      {{dir, ""}, {rich, "12345"}, {link, ""}, {hard, ""}, {device, ""}, {disk, ""}, {fifo, ""}}));
  ASSERT_TRUE(all) << all.error().message;
  ASSERT_EQ(all->size(), 7U);
  EXPECT_EQ((*all)[0].member.type, MemberType::kDirectory);
  const TarMember& back = (*all)[1].member;
  EXPECT_EQ((*all)[1].content, "12345");
  EXPECT_EQ(back.mode, 06755U);
  EXPECT_EQ(back.uid, 1000U);
  EXPECT_EQ(back.gid, 3'000'000'000U);
  EXPECT_EQ(back.user, "user");
  EXPECT_EQ(back.group, rich.group);
  EXPECT_EQ(back.mtime, rich.mtime);
  EXPECT_EQ(back.mtime_nanos, rich.mtime_nanos);
  EXPECT_EQ(back.xattrs, rich.xattrs);
  EXPECT_EQ(back.pax, (std::map<std::string, std::string>{{"comment", "hello"}}));
  EXPECT_EQ((*all)[2].member.type, MemberType::kSymlink);
  EXPECT_EQ((*all)[2].member.link, "../target");
  EXPECT_EQ((*all)[3].member.type, MemberType::kHardLink);
  EXPECT_EQ((*all)[3].member.link, "a/file");
  EXPECT_EQ((*all)[4].member.type, MemberType::kCharDevice);
  EXPECT_EQ((*all)[4].member.device_minor, 3U);
  EXPECT_EQ((*all)[5].member.device_major, 3'000'000U);
  EXPECT_EQ((*all)[6].member.type, MemberType::kFifo);
}
TEST(Tar, NamesOfEveryLengthComeBack) {
  std::vector<std::pair<TarMember, std::string>> members;
  for (std::size_t size = 1; size < 300; ++size) {
    std::string name(size, 'n');
    members.emplace_back(file(name), "");
    for (std::size_t at = 37; at + 1 < size; at += 50) name[at] = '/';
    TarMember link = file(name + "/");
    link.type = MemberType::kSymlink;
    link.link = name;
    members.emplace_back(link, "");
  }
  const auto all = read(archive_of(members));
  ASSERT_TRUE(all) << all.error().message;
  ASSERT_EQ(all->size(), members.size());
  for (std::size_t i = 0; i < members.size(); ++i) {
    EXPECT_EQ((*all)[i].member.name, members[i].first.name);
    EXPECT_EQ((*all)[i].member.link, members[i].first.link);
  }
}
TEST(Tar, ShortNamesTakeNoExtendedHeader) {
  EXPECT_EQ(archive_of({{file(std::string(100, 'n')), ""}}).size(), 512U + 1024);
  EXPECT_EQ(archive_of({{file(std::string(155, 'p') + "/" + std::string(100, 'n')), ""}}).size(),
            512U + 1024);
  EXPECT_GT(archive_of({{file(std::string(156, 'p') + "/" + std::string(100, 'n')), ""}}).size(),
            512U + 1024);
}
TEST(Tar, TheWriterRefusesWhatATarCannotSay) {
  StringSink sink;
  TarWriter writer(sink);
  TarMember other = file("socket");
  other.type = MemberType::kOther;
  TarMember strange = file("x");
  strange.xattrs["user.a=b"] = "v";
  for (const TarMember& member : {other, file(""), file(std::string("a\0b", 3)), strange}) {
    const auto begun = writer.begin(member);
    ASSERT_FALSE(begun);
    EXPECT_EQ(begun.error().code, Code::kBadInput);
  }
  EXPECT_EQ(sink.text(), "");
}
TEST(Tar, TheWriterHoldsCallersToTheAnnouncedSize) {
  StringSink sink;
  TarWriter writer(sink);
  ASSERT_TRUE(writer.begin(file("f", 4)));
  ASSERT_TRUE(writer.write_content(as_bytes("abc")));
  EXPECT_FALSE(writer.end());
  EXPECT_FALSE(writer.begin(file("g")));
  EXPECT_FALSE(writer.finish());
  EXPECT_FALSE(writer.write_content(as_bytes("de")));
  ASSERT_TRUE(writer.write_content(as_bytes("d")));
  EXPECT_TRUE(writer.end());
}
TEST(Tar, AMappedArchiveIsNeitherCopiedNorTouched) {
  const std::string content = sample(100'000);
  const std::string archive =
      archive_of({{file("a", content.size()), content}, {file("b", content.size()), content}});
  MemorySource source(as_bytes(archive));
  TarReader reader(source, "a.tar", {});
  ASSERT_TRUE(reader.next().value().has_value());
  EXPECT_EQ(reader.content().direct().data(), as_bytes(archive).data() + 512);
  EXPECT_EQ(reader.content().direct().size(), content.size());
  ASSERT_EQ(reader.content().next(1000)->size(), 1000U);
  EXPECT_EQ(reader.content().direct().data(), as_bytes(archive).data() + 1512);
  EXPECT_EQ(reader.content_offset(), 512U);
  ASSERT_TRUE(reader.next().value().has_value());
  EXPECT_EQ(as_text(reader.content().direct()), content);
  EXPECT_FALSE(reader.next().value().has_value());
  EXPECT_TRUE(reader.content().direct().empty());
}

std::string copy(Source& source, std::size_t take_first) {
  TarReader reader(source, "a.tar", {});
  StringSink sink;
  TarWriter writer(sink);
  while (true) {
    const auto member = reader.next();
    EXPECT_TRUE(member) << member.error().message;
    if (!member || !*member) break;
    if (take_first > 0) {
      EXPECT_TRUE(reader.content().next(take_first));
    }
    const auto copied = writer.copy_raw(reader);
    EXPECT_TRUE(copied) << copied.error().message;
  }
  return sink.take();
}
TEST(Tar, RawCopiesAreByteForByte) {
  TarMember rich = file(std::string(200, 'n'), 700);
  rich.xattrs["user.k"] = "v";
  const std::string archive =
      archive_of({{file("a", 1), "x"}, {rich, sample(700)}, {file("b", 512), sample(512)}});
  const std::string expected = archive.substr(0, archive.size() - 1024);
  MemorySource memory(as_bytes(archive));
  EXPECT_EQ(copy(memory, 0), expected);
  MemorySource peeked(as_bytes(archive));
  EXPECT_EQ(copy(peeked, 3), expected);
  TrickleSource pieces(archive, 333);
  EXPECT_EQ(copy(pieces, 0), expected);
}
TEST(Tar, ARawCopyOfAHalfReadStreamIsRefused) {
  TrickleSource source(archive_of({{file("a", 700), sample(700)}}), 100);
  TarReader reader(source, "a.tar", {});
  ASSERT_TRUE(reader.next());
  ASSERT_TRUE(reader.content().next(10));
  StringSink sink;
  TarWriter writer(sink);
  EXPECT_FALSE(writer.copy_raw(reader));
  EXPECT_EQ(sink.text(), "");
}
TEST(Tar, DrainReadsWhatFollowsTheEnd) {
  std::size_t seen = 0;
  class Counting final : public Source {
   public:
    Counting(std::string bytes, std::size_t& seen) : from_(std::move(bytes), 1000), seen_(seen) {}
    Result<Bytes> next(std::size_t max) override {
      TRY(const Bytes out, from_.next(max));
      seen_ += out.size();
      return out;
    }
    TrickleSource from_;
    std::size_t& seen_;
  };
  const std::string archive = archive_of({{file("a", 3), "abc"}}) + std::string(9000, '\0');
  Counting source(archive, seen);
  TarReader reader(source, "a.tar", {});
  while (reader.next().value()) {
  }
  EXPECT_LT(seen, archive.size());
  ASSERT_TRUE(reader.drain());
  EXPECT_EQ(seen, archive.size());
}
TEST(Tar, HeaderOnlyMembersHaveNoPayloadWhateverTheySay) {
  const std::string archive = Header("link", '2', octal(1000)).put(157, "target").sealed() +
                              Header("f", '0').sealed() + kEnd;
  const auto all = read(archive);
  ASSERT_TRUE(all) << all.error().message;
  ASSERT_EQ(all->size(), 2U);
  EXPECT_EQ((*all)[0].member.size, 0U);
}
TEST(Tar, OldHabitsAreUnderstood) {
  Header v7("dir/", '\0');
  v7.put(257, std::string_view("\0\0\0\0\0\0\0\0", 8));
  Header padded_numbers("f", '0', "         3 ");
  Header base256("big-id", '0');
  base256.put(108, std::string_view("\x80\0\0\0\x01\0\0\0", 8));
  base256.put(136, "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xfe");
  const std::string signed_sum = Header("\xe4\xf6\xfc", '0').sealed(true);
  const auto all = read(v7.sealed() + padded_numbers.sealed() + padded("abc") + base256.sealed() +
                        signed_sum + Header("c", '7').sealed() + kEnd);
  ASSERT_TRUE(all) << all.error().message;
  ASSERT_EQ(all->size(), 5U);
  EXPECT_EQ((*all)[0].member.type, MemberType::kDirectory);
  EXPECT_EQ((*all)[1].content, "abc");
  EXPECT_EQ((*all)[2].member.uid, 1U << 24);
  EXPECT_EQ((*all)[2].member.mtime, -2);
  EXPECT_EQ((*all)[3].member.name, "\xe4\xf6\xfc");
  EXPECT_EQ((*all)[4].member.type, MemberType::kFile);
}
TEST(Tar, GnuLongNamesWinOverEverything) {
  const std::string name(5000, 'l'), link(3000, 'k');
  const auto all =
      read(Header("././@LongLink", 'K', octal(link.size() + 1)).sealed() + padded(link + '\0') +
           Header("././@LongLink", 'L', octal(name.size() + 1)).sealed() + padded(name + '\0') +
           pax('x', record("path", "short")) + Header("cut", '2').sealed() + kEnd);
  ASSERT_TRUE(all) << all.error().message;
  ASSERT_EQ(all->size(), 1U);
  EXPECT_EQ((*all)[0].member.name, name);
  EXPECT_EQ((*all)[0].member.link, link);
}

TEST(Tar, PaxRecordsOverrideAndEmptyOnesDoNot) {
  const auto all =
      read(pax('x', record("path", "p") + record("uid", "5000000000") + record("mtime", "-1.25") +
                        record("size", "3") + record("gid", "") +
                        record("LIBARCHIVE.xattr.user.a%3Db", "dmFsdWU")) +
           Header("name", '0', octal(99999)).put(116, "0000007").sealed() + padded("abc") + kEnd);
  ASSERT_TRUE(all) << all.error().message;
  const TarMember& member = (*all)[0].member;
  EXPECT_EQ(member.name, "p");
  EXPECT_EQ(member.uid, 5'000'000'000U);
  EXPECT_EQ(member.gid, 7U);
  EXPECT_EQ(member.mtime, -2);
  EXPECT_EQ(member.mtime_nanos, 750'000'000U);
  EXPECT_EQ((*all)[0].content, "abc");
  EXPECT_EQ(member.xattrs, (std::map<std::string, std::string>{{"user.a=b", "value"}}));
  EXPECT_TRUE(member.pax.empty());
}

TEST(Tar, GlobalHeadersGoUnheededButAreCopied) {
  const std::string global = pax('g', record("comment", "c") + record("uid", "77"));
  const std::string archive = global + Header("f", '0').sealed() + kEnd;
  const auto all = read(archive);
  ASSERT_TRUE(all) << all.error().message;
  ASSERT_EQ(all->size(), 1U);
  EXPECT_EQ((*all)[0].member.uid, 0U);
  EXPECT_TRUE((*all)[0].member.pax.empty());
  EXPECT_EQ((*all)[0].raw_header, archive.substr(0, archive.size() - 1024));
}

TEST(Tar, UnknownKindsAreSkippedWithTheirPayload) {
  const auto all = read(Header("label", 'V', octal(600)).sealed() + padded(sample(600)) +
                        Header("f", '0').sealed() + kEnd);
  ASSERT_TRUE(all) << all.error().message;
  EXPECT_EQ((*all)[0].member.type, MemberType::kOther);
  EXPECT_EQ((*all)[1].member.name, "f");
}

TEST(Tar, AMemberAboveEightGigabytesIsAnnounced) {
  StringSink sink;
  TarWriter writer(sink);
  ASSERT_TRUE(writer.begin(file("huge", 10'000'000'000)));
  TrickleSource source(sink.take(), 512);
  TarReader reader(source, "a.tar", {});
  EXPECT_EQ(reader.next().value().value().size, 10'000'000'000U);
  Header base256("huge", '0', std::string_view("\x80\0\0\0\0\0\0\x02\x54\x0b\xe4\0", 12));
  TrickleSource gnu(base256.sealed(), 512);
  TarReader second(gnu, "a.tar", {});
  EXPECT_EQ(second.next().value().value().size, 10'000'000'000U);
}

TEST(TarHostile, TruncationAtEveryByte) {
  TarMember rich = file(std::string(200, 'n'), 700);
  const std::string archive = archive_of({{rich, sample(700)}, {file("b", 3), "abc"}});
  // Cut after the padding of a member, an archive lacks only its end marker.
  const std::vector<std::size_t> fine = {0, 1024 + 512 + 1024, archive.size() - 1024,
                                         archive.size() - 512};
  for (std::size_t size = 0; size < archive.size(); ++size) {
    MemorySource source(as_bytes(archive).first(size));
    const auto all = read(source);
    EXPECT_EQ(all.has_value(), std::ranges::find(fine, size) != fine.end()) << size;
    if (!all) {
      EXPECT_EQ(all.error().code, Code::kBadInput);
    }
  }
}

TEST(TarHostile, LyingHeaders) {
  expect_refused(Header("f", '0', octal(1)).sealed(), "claims 1 bytes");
  expect_refused(Header("f", '0', "77777777777").sealed() + std::string(512, 'x'), "claims");
  expect_refused(Header("f", '0', "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff").sealed(),
                 "size in a tar header");
  expect_refused(Header("f", '0', "\x80\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff").sealed(),
                 "size in a tar header");
  expect_refused(Header("f", '0', "0000000008").sealed(), "size in a tar header");
  expect_refused(Header("f", '0').put(100, "rw-r--r").sealed(), "mode in a tar header");
  expect_refused(Header("f", '3').put(329, "zz").sealed(), "device number");
  std::string broken = Header("f", '0').sealed();
  broken[0] = 'g';
  expect_refused(broken, "checksum does not match");
  expect_refused(std::string(512, 'x'), "checksum does not match");
  expect_refused(std::string(512, '\0') + Header("f", '0').sealed(), "lone zero block");
}

TEST(TarHostile, BrokenPaxRecords) {
  const std::string member = Header("f", '0').sealed() + kEnd;
  for (const auto& [records, why] : std::initializer_list<std::pair<std::string, const char*>>{
           {"x", "no length"},
           {"99 path=a\n", "claims the length 99"},
           {"5 path=a\n", "newline"},
           {"0 a=b\n", "claims the length"},
           {"18446744073709551615 a=b\n", "claims the length"},
           {"99999999999999999999999 a=b\n", "no length"},
           {"7 path\n", "no key"},
           {"5 =b\n", "no key"},
           {record("size", "-1"), "size holds '-1'"},
           {record("uid", "1x"), "uid holds"},
           {record("mtime", "now"), "mtime holds"},
           {record("path", std::string("a\0b", 3)), "NUL"}})
    expect_refused(pax('x', records) + member, why);
  expect_refused(pax('x', record("path", "a")) + kEnd, "after an extended header");
  expect_refused(pax('x', record("path", "a")), "after an extended header");
  expect_refused(Header("x", 'x', octal(5000)).sealed(), "inside an extended header");
  expect_refused(Header("x", 'L', "77777777777").sealed() + member, "claims");
}

TEST(TarHostile, LimitsHold) {
  std::string many;
  for (int i = 0; i < 20; ++i) many += Header("f", '0').sealed();
  TarReader::Limits limits;
  limits.max_members = 19;
  expect_refused(many + kEnd, "more than 19 members", limits);
  limits = {};
  limits.max_header_bytes = 4096;
  std::string chain;
  for (int i = 0; i < 20; ++i) chain += pax('x', record("comment", std::string(400, 'c')));
  expect_refused(chain + Header("f", '0').sealed() + kEnd, "exceed 4096 bytes", limits);
  limits = {};
  limits.max_total_bytes = 1000;
  expect_refused(archive_of({{file("a", 600), sample(600)}, {file("b", 600), sample(600)}}),
                 "more than 1000 bytes", limits);
}

std::string old_sparse(std::string_view map, std::uint64_t real, std::uint64_t stored) {
  Header header("hole", 'S', octal(stored));
  header.put(257, std::string_view("ustar  \0", 8)).put(386, map).put(483, octal(real));
  return header.sealed();
}

std::string pair_of(std::uint64_t offset, std::uint64_t size) {
  return octal(offset) + '\0' + octal(size) + '\0';
}

TEST(TarSparse, OldGnuMapFillsHoles) {
  const auto all = read(old_sparse(pair_of(4, 3) + pair_of(10, 0), 10, 3) + padded("abc") +
                        Header("f", '0').sealed() + kEnd);
  ASSERT_TRUE(all) << all.error().message;
  EXPECT_EQ((*all)[0].content, std::string("\0\0\0\0abc\0\0\0", 10));
  EXPECT_TRUE((*all)[0].member.sparse);
  EXPECT_EQ((*all)[0].member.size, 10U);
  EXPECT_EQ((*all)[0].member.stored_size, 3U);
  EXPECT_EQ((*all)[1].member.name, "f");
}

TEST(TarSparse, LyingMapsAreRefused) {
  const std::string rest = padded("abc") + kEnd;
  expect_refused(old_sparse(pair_of(4, 4), 10, 3) + rest, "does not match");
  expect_refused(old_sparse(pair_of(8, 3), 10, 3) + rest, "beyond");
  expect_refused(old_sparse(pair_of(4, 1) + pair_of(2, 2), 10, 3) + rest, "not sorted");
  expect_refused(old_sparse("xx", 10, 3) + rest, "other than a number");
  for (const auto& [records, why] : std::initializer_list<std::pair<std::string, const char*>>{
           {record("GNU.sparse.map", "0,3,5") + record("GNU.sparse.size", "10"), "odd"},
           {record("GNU.sparse.map", "0,x") + record("GNU.sparse.size", "10"), "'x'"},
           {record("GNU.sparse.map", "0,3") + record("GNU.sparse.size", "2"), "beyond"},
           {record("GNU.sparse.map", "0,3") + record("GNU.sparse.size", "99999999999999999999"),
            "not a number"},
           {record("GNU.sparse.minor", "0") + record("GNU.sparse.realsize", "9"), "have no map"},
           {record("GNU.sparse.major", "2") + record("GNU.sparse.minor", "0"), "2.0 is unknown"},
           {record("GNU.sparse.major", "1") + record("GNU.sparse.minor", "0"), "longer than"}})
    expect_refused(pax('x', records) + Header("hole", '0', octal(3)).sealed() + rest, why);
  const std::string version = record("GNU.sparse.major", "1") + record("GNU.sparse.minor", "0");
  for (const auto& [map, why] : std::initializer_list<std::pair<std::string, const char*>>{
           {"99999999999\n", "claims"},
           {"1\n0\nx\n", "'x'"},
           {std::string(512, '1'), "not a number"}})
    expect_refused(pax('x', version + record("GNU.sparse.realsize", "9")) +
                       Header("hole", '0', octal(512)).sealed() + padded(map) + kEnd,
                   why);
}

TarMember arbitrary_member() {
  TarMember member;
  static constexpr auto kTypes = std::to_array(
      {MemberType::kFile, MemberType::kHardLink, MemberType::kSymlink, MemberType::kCharDevice,
       MemberType::kBlockDevice, MemberType::kDirectory, MemberType::kFifo});
  const auto text = [](int most) {
    return *rc::gen::container<std::string>(
        static_cast<std::size_t>(*rc::gen::inRange(0, most)),
        rc::gen::suchThat(rc::gen::arbitrary<char>(), [](char c) { return c != '\0'; }));
  };
  member.type = kTypes.at(static_cast<std::size_t>(*rc::gen::inRange(0, 7)));
  member.name = "n" + text(300);
  member.link = text(200);
  member.mode = *rc::gen::arbitrary<std::uint32_t>() & 07777U;
  member.uid = *rc::gen::arbitrary<std::uint32_t>();
  member.gid = *rc::gen::arbitrary<std::uint32_t>();
  member.user = text(50);
  member.group = text(50);
  member.mtime = *rc::gen::arbitrary<std::int64_t>();
  member.mtime_nanos = static_cast<std::uint32_t>(*rc::gen::inRange(0, 1'000'000'000));
  if (member.type == MemberType::kCharDevice || member.type == MemberType::kBlockDevice) {
    member.device_major = *rc::gen::arbitrary<std::uint32_t>();
    member.device_minor = *rc::gen::arbitrary<std::uint32_t>();
  }
  if (*rc::gen::arbitrary<bool>()) member.xattrs["user." + std::string("k")] = text(600);
  return member;
}

RC_GTEST_PROP(Tar, WhatIsWrittenIsReadBack, ()) {
  std::vector<std::pair<TarMember, std::string>> members;
  for (int i = *rc::gen::inRange(0, 5); i > 0; --i) {
    TarMember member = arbitrary_member();
    std::string content;
    if (member.type == MemberType::kFile)
      content = sample(static_cast<std::size_t>(*rc::gen::inRange(0, 2000)));
    member.size = content.size();
    members.emplace_back(std::move(member), std::move(content));
  }
  const auto all = read(archive_of(members));
  RC_ASSERT(all.has_value());
  RC_ASSERT(all->size() == members.size());
  for (std::size_t i = 0; i < members.size(); ++i) {
    const TarMember& a = (*all)[i].member;
    const TarMember& b = members[i].first;
    RC_ASSERT((*all)[i].content == members[i].second);
    RC_ASSERT(a.name == b.name);
    RC_ASSERT(a.link == b.link);
    RC_ASSERT(a.type == b.type);
    RC_ASSERT(a.mode == b.mode);
    RC_ASSERT(std::tie(a.uid, a.gid) == std::tie(b.uid, b.gid));
    RC_ASSERT(std::tie(a.user, a.group) == std::tie(b.user, b.group));
    RC_ASSERT(std::tie(a.mtime, a.mtime_nanos) == std::tie(b.mtime, b.mtime_nanos));
    RC_ASSERT(a.size == b.size);
    RC_ASSERT(a.device_major == b.device_major);
    RC_ASSERT(a.device_minor == b.device_minor);
    RC_ASSERT(a.xattrs == b.xattrs);
  }
}

}  // namespace
}  // namespace flense::codec

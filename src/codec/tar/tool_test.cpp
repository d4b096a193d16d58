// Against GNU tar, in both directions.
#include <gtest/gtest.h>

#include <array>
#include <memory>

#include "base/file.h"
#include "codec/tar/tar.h"
#include "codec/testing_support.h"

namespace flense::codec {
namespace {

using testing::run;
using testing::run_shell;
using testing::sample;
using testing::ScratchDirectory;
using testing::write_text;

bool have_gnu_tar() {
  const auto output = run_process({"tar", "--version"});
  return output && output->out.find("GNU tar") != std::string::npos;
}

/// What both sides are compared by: one line a member.
std::string describe(const TarMember& member) {
  const char* kind = "?";
  switch (member.type) {
    case MemberType::kFile:
      kind = "-";
      break;
    case MemberType::kHardLink:
      kind = "h";
      break;
    case MemberType::kSymlink:
      kind = "l";
      break;
    case MemberType::kDirectory:
      kind = "d";
      break;
    case MemberType::kFifo:
      kind = "p";
      break;
    default:
      break;
  }
  std::string link;
  if (member.type == MemberType::kSymlink) link = " -> " + member.link;
  if (member.type == MemberType::kHardLink) link = " link to " + member.link;
  return fmt::format("{} {}/{} {} {}{}\n", kind, member.uid, member.gid, member.size, member.name,
                     link);
}

/// The same from `tar -tv --numeric-owner`: mode, owner, size, date, time, name.
std::string describe_listing(const std::string& listing) {
  std::string out;
  for (std::size_t at = 0; at < listing.size();) {
    const std::size_t end = listing.find('\n', at);
    std::string_view line = std::string_view(listing).substr(at, end - at);
    at = end + 1;
    std::array<std::string_view, 5> fields;
    for (std::string_view& field : fields) {
      line.remove_prefix(line.find_first_not_of(' '));
      field = line.substr(0, line.find(' '));
      line.remove_prefix(field.size());
    }
    out += fmt::format("{} {} {}{}\n", fields[0].front(), fields[1], fields[2], line);
  }
  return out;
}

void fill(const ScratchDirectory& dir) {
  write_text(dir / "tree/etc/hostname", "flense\n");
  write_text(dir / "tree/large", sample(300'000));
  write_text(dir / ("tree/" + std::string(90, 'd') + "/" + std::string(150, 'n')), "long");
  run_shell(
      "cd '" + dir.string() +
      "/tree' && ln -s ../etc/hostname etc/link && ln etc/hostname etc/hard && mkfifo fifo && "
      "ln -s " +
      std::string(180, 't') +
      " long-link && chmod 4755 large && "
      "truncate -s 3000000 hole && printf data | dd of=hole bs=1 seek=1000000 conv=notrunc "
      "2>/dev/null && printf end | dd of=hole bs=1 seek=2999997 conv=notrunc 2>/dev/null && "
      "touch -d '2001-02-03 04:05:06.789' large");
}

class GnuTar : public ::testing::TestWithParam<const char*> {
 protected:
  static void SetUpTestSuite() {
    dir = std::make_unique<ScratchDirectory>();
    fill(*dir);
  }
  static void TearDownTestSuite() { dir.reset(); }
  static std::unique_ptr<ScratchDirectory> dir;
};
std::unique_ptr<ScratchDirectory> GnuTar::dir;

TEST_P(GnuTar, WhatTarWritesIsReadAsTarReadsIt) {
  if (!have_gnu_tar()) GTEST_SKIP() << "GNU tar is not on PATH";
  const std::string archive = (*dir / "a.tar").string();
  const bool old = std::string_view(GetParam()).find("v7") != std::string_view::npos ||
                   std::string_view(GetParam()).find("ustar") != std::string_view::npos;
  // The old formats cannot hold all of it.
  const std::string what = old ? "etc large" : ".";
  run_shell("cd '" + dir->string() + "/tree' && tar -cf ../a.tar --owner=1000 --group=3000000 " +
            (old ? "--group=100 " : "") + GetParam() + " " + what);
  const auto file = MappedFile::open(archive);
  ASSERT_TRUE(file);
  MemorySource source(file->bytes());
  TarReader reader(source, "a.tar", {});
  std::string listing;
  StringSink copied;
  TarWriter writer(copied);
  while (true) {
    const auto member = reader.next();
    ASSERT_TRUE(member) << member.error().message;
    if (!*member) break;
    listing += describe(**member);
    if ((*member)->type == MemberType::kFile) {
      EXPECT_EQ(testing::text_of(reader.content()),
                testing::read_text(*dir / ("tree/" + (*member)->name)))
          << (*member)->name;
    }
    if ((*member)->name.ends_with("large")) {
      EXPECT_EQ((*member)->mode, 04755U);
      EXPECT_EQ(
          (*member)->mtime_nanos,
          std::string_view(GetParam()).find("pax") == std::string_view::npos ? 0U : 789'000'000U);
    }
    ASSERT_TRUE(writer.copy_raw(reader));
  }
  EXPECT_EQ(listing, describe_listing(run({"tar", "-tvf", archive, "--numeric-owner"})));
  // The raw copy is the archive up to its end marker.
  const std::string whole = testing::read_text(archive);
  EXPECT_EQ(copied.text(), whole.substr(0, copied.text().size()));
  EXPECT_EQ(whole.find_first_not_of('\0', copied.text().size()), std::string::npos);
}

INSTANTIATE_TEST_SUITE_P(Formats, GnuTar,
                         ::testing::Values("--format=gnu", "--format=pax", "--format=ustar",
                                           "--format=v7", "--format=oldgnu", "-S --format=gnu",
                                           "-S --format=pax --sparse-version=0.0",
                                           "-S --format=pax --sparse-version=0.1",
                                           "-S --format=pax --sparse-version=1.0"));

TEST(GnuTarReads, WhatWeWrite) {
  if (!have_gnu_tar()) GTEST_SKIP() << "GNU tar is not on PATH";
  const ScratchDirectory dir;
  std::string expected;
  StringSink sink;
  TarWriter writer(sink);
  const auto add = [&](TarMember member, std::string_view content) {
    member.size = content.size();
    member.uid = 1000;
    member.gid = 3'000'000;
    member.mtime = 1'000'000'000;
    member.mtime_nanos = 500'000'000;
    ASSERT_TRUE(writer.begin(member));
    ASSERT_TRUE(writer.write_content(as_bytes(content)));
    ASSERT_TRUE(writer.end());
    expected += describe(member);
  };
  TarMember member;
  member.mode = 0755;
  member.type = MemberType::kDirectory;
  member.name = "dir/";
  add(member, "");
  member.type = MemberType::kFile;
  member.name = "dir/file";
  add(member, sample(5000));
  member.name = std::string(120, 'x') + "/" + std::string(120, 'y') + "/" + std::string(90, 'z');
  add(member, "deep");
  member.name = "dir/hard";
  member.link = "dir/file";
  member.type = MemberType::kHardLink;
  add(member, "");
  member.name = "dir/link";
  member.link = std::string(250, 't');
  member.type = MemberType::kSymlink;
  add(member, "");
  ASSERT_TRUE(writer.finish());
  write_text(dir / "a.tar", sink.text());
  EXPECT_EQ(describe_listing(run({"tar", "-tvf", (dir / "a.tar").string(), "--numeric-owner"})),
            expected);
  run({"tar", "-xf", (dir / "a.tar").string(), "-C", dir.string(), "--no-same-owner"});
  EXPECT_EQ(testing::read_text(dir / "dir/hard"), sample(5000));
  EXPECT_EQ(testing::run({"stat", "-c", "%.Y", (dir / "dir/file").string()}),
            "1000000000.500000000\n");
}

}  // namespace
}  // namespace flense::codec

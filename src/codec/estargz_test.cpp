#include "codec/estargz.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <numeric>

#include "codec/compression.h"
#include "codec/estargz_toc.h"
#include "codec/sha256.h"
#include "codec/tar/tar.h"
#include "codec/testing_support.h"

namespace flense::codec {
namespace {

using ::testing::HasSubstr;
using testing::run_shell;
using testing::sample;
using testing::ScratchDirectory;
using testing::write_text;

constexpr std::size_t kChunk = kEstargzChunk;

TarMember tar_member(const std::string& name, MemberType type = MemberType::kFile,
                     std::uint64_t size = 0) {
  TarMember out;
  out.name = name;
  out.type = type;
  out.mode = 0644;
  out.mtime = 1'700'000'000;
  out.size = out.stored_size = size;
  return out;
}

class Archive {
 public:
  Archive& add(const TarMember& member, const std::string& content = {}) {
    EXPECT_TRUE(writer_.begin(member));
    EXPECT_TRUE(writer_.write_content(as_bytes(content)));
    EXPECT_TRUE(writer_.end());
    ++count_;
    return *this;
  }
  Archive& file(const std::string& name, const std::string& content) {
    return add(tar_member(name, MemberType::kFile, content.size()), content);
  }
  std::string bytes() {
    EXPECT_TRUE(writer_.finish());
    return sink_.text();
  }
  EstargzOrder all() const {
    EstargzOrder out;
    out.members.resize(count_);
    std::iota(out.members.begin(), out.members.end(), 0U);
    return out;
  }

 private:
  StringSink sink_;
  TarWriter writer_{sink_};
  std::size_t count_ = 0;
};

struct Packed {
  std::string blob;
  EstargzLayer layer;
};

Packed pack_estargz(const std::string& tar, const EstargzOrder& order, unsigned threads = 2) {
  StringSink out;
  EstargzOptions options;
  options.threads = threads;
  options.scratch_directory = std::filesystem::temp_directory_path();
  Result<EstargzLayer> layer = write_estargz(as_bytes(tar), "layer", order, options, out);
  EXPECT_TRUE(layer) << layer.error().message;
  return {out.take(), layer ? *layer : EstargzLayer{}};
}

std::string unpack_gzip(std::string_view packed) {
  auto source = decompress(std::make_unique<MemorySource>(as_bytes(packed)), Compression::kGzip);
  EXPECT_TRUE(source);
  return testing::text_of(**source);
}

/// What a reader sees: Python's own json, gzip and tarfile judge the form.
std::string judge(const Packed& packed, const std::string& program) {
  const ScratchDirectory work;
  write_text(work / "layer.tar.gz", packed.blob);
  write_text(work / "judge.py", R"(
import base64, gzip, hashlib, io, json, sys, tarfile, zlib
blob = open(sys.argv[1], "rb").read()
footer = blob[-51:]
assert footer[:16] == bytes([31, 139, 8, 4, 0, 0, 0, 0, 0, 255, 26, 0]) + b"SG" + bytes([22, 0]), footer
assert footer[32:38] == b"STARGZ" and footer[38:] == bytes([1, 0, 0, 255, 255]) + bytes(8), footer
offset = int(footer[16:32], 16)
index = tarfile.open(fileobj=io.BytesIO(gzip.decompress(blob[offset:-51])))
assert index.getnames() == ["stargz.index.json"]
text = index.extractfile("stargz.index.json").read()
toc = json.loads(text)
assert toc["version"] == 1
whole = gzip.decompress(blob)
tar = tarfile.open(fileobj=io.BytesIO(whole))
names = tar.getnames()
entries = toc["entries"]
def digest(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()
def chunk_at(offset):
    return zlib.decompressobj(31).decompress(blob[offset:])
contents = {}
for entry in entries:
    if entry["type"] == "reg" and not entry.get("size"):
        assert entry["digest"] == digest(b"") and "offset" not in entry, entry
        contents[entry["name"]] = b""
        continue
    if entry["type"] not in ("reg", "chunk"):
        continue
    if entry["type"] == "reg":
        size = entry["size"]
        contents[entry["name"]] = b""
    begin = entry.get("chunkOffset", 0)
    data = chunk_at(entry["offset"])[:entry.get("chunkSize", size - begin)]
    assert digest(data) == entry["chunkDigest"], entry
    assert len(contents[entry["name"]]) == begin, entry
    contents[entry["name"]] += data
for entry in entries:
    if entry["type"] == "reg":
        assert digest(contents[entry["name"]]) == entry["digest"], entry
        assert tar.extractfile(entry["name"]).read() == contents[entry["name"]], entry
)" + program);
  return run_shell("python3 " + (work / "judge.py").string() + " " +
                   (work / "layer.tar.gz").string());
}

TEST(Estargz, EveryChunkOfEveryFileCanBeReadAlone) {
  Archive archive;
  archive.add(tar_member("d/", MemberType::kDirectory));
  for (const std::size_t size : {std::size_t{0}, std::size_t{1}, std::size_t{512}, kChunk - 1,
                                 kChunk, kChunk + 1, 2 * kChunk, 2 * kChunk + 700})
    archive.file("d/" + std::to_string(size), sample(size, static_cast<unsigned>(size)));
  archive.file("last", "x");
  const Packed packed = pack_estargz(archive.bytes(), archive.all());
  EXPECT_EQ(judge(packed, R"(
for entry in entries:
    if entry["name"].startswith("d/") and entry["name"] != "d/":
        print(entry["type"], entry["name"], entry.get("chunkOffset"), entry.get("chunkSize"), "size" in entry)
)"),
            "reg d/0 None None False\n"
            "reg d/1 None None True\n"
            "reg d/512 None None True\n"
            "reg d/4194303 None None True\n"
            "reg d/4194304 None 4194304 True\n"
            "reg d/4194305 None 4194304 True\n"
            "chunk d/4194305 4194304 None False\n"
            "reg d/8388608 None 4194304 True\n"
            "chunk d/8388608 4194304 4194304 False\n"
            "reg d/8389308 None 4194304 True\n"
            "chunk d/8389308 4194304 4194304 False\n"
            "chunk d/8389308 8388608 None False\n");
}

TEST(Estargz, TheStreamIsTheTarWithWhatWasAdded) {
  Archive archive;
  archive.add(tar_member("./", MemberType::kDirectory))
      .file("./" + std::string(300, 'n'), sample(5000))
      .file("z", "end");
  const std::string tar = archive.bytes();
  const Packed packed = pack_estargz(tar, archive.all());
  const std::string whole = unpack_gzip(packed.blob);
  EXPECT_EQ(packed.layer.diff_id, sha256_digest(as_bytes(whole)));
  EXPECT_EQ(packed.layer.unpacked_bytes, whole.size());
  // The landmark's two blocks, then the members as they were, without their end marker.
  EXPECT_EQ(whole.substr(1024, tar.size() - 1024), tar.substr(0, tar.size() - 1024));
  EXPECT_EQ(judge(packed, "print(digest(text)); print(names[0], names[-1])"),
            packed.layer.toc_digest + "\n.no.prefetch.landmark stargz.index.json\n");
}

TEST(Estargz, TheBytesDoNotDependOnTheThreads) {
  Archive archive;
  for (unsigned i = 0; i < 40; ++i) archive.file("f" + std::to_string(i), sample(i * 9001, i));
  archive.file("large", sample(3 * kChunk + 5));
  const std::string tar = archive.bytes();
  const Packed one = pack_estargz(tar, archive.all(), 1);
  for (const unsigned threads : {2U, 5U})
    EXPECT_EQ(pack_estargz(tar, archive.all(), threads).blob, one.blob);
}

TEST(Estargz, EveryKindOfMemberIsListed) {
  Archive archive;
  TarMember directory = tar_member("opt/", MemberType::kDirectory);
  directory.mode = 01777;
  directory.uid = 7;
  directory.gid = 8;
  directory.user = "u";
  directory.group = "g";
  TarMember file = tar_member("opt/f \"\\\x01 \xc3\xa4", MemberType::kFile, 3);
  file.mode = 04755;
  file.uid = 7;
  file.user = "u";
  file.mtime = 1'600'000'000;
  file.mtime_nanos = 500'000'000;
  file.xattrs = {{"security.capability", std::string("\1\0\0\2\0", 5)}, {"user.a", "b"}};
  TarMember hard = tar_member("opt/hard", MemberType::kHardLink);
  hard.link = file.name;
  hard.mtime = 0;
  TarMember soft = tar_member("opt/soft", MemberType::kSymlink);
  soft.link = std::string(200, 'l');
  soft.mtime = -1;
  TarMember device = tar_member("dev/c", MemberType::kCharDevice);
  device.device_major = 1;
  device.device_minor = 3;
  TarMember block = tar_member("dev/b", MemberType::kBlockDevice);
  block.device_major = 8;
  archive.add(directory).add(file, "abc").add(hard).add(soft).add(device).add(block);
  archive.add(tar_member("fifo", MemberType::kFifo)).add(tar_member("opt/.wh.gone"));
  const Packed packed = pack_estargz(archive.bytes(), archive.all());
  EXPECT_EQ(
      judge(packed, R"(
for entry in entries[1:]:
    for key in ("offset", "digest", "chunkDigest"):
        entry.pop(key, None)
    if "xattrs" in entry:
        assert {k: base64.b64decode(v) for k, v in entry["xattrs"].items()} == \
               {"security.capability": b"\1\0\0\2\0", "user.a": b"b"}
        entry["xattrs"] = "as they were"
    print(json.dumps(entry))
)"),
      R"({"name": "opt/", "type": "dir", "modtime": "2023-11-14T22:13:20Z", "mode": 1023, "uid": 7, "gid": 8, "userName": "u", "groupName": "g"}
{"name": "opt/f \"\\\u0001 \u00e4", "type": "reg", "size": 3, "modtime": "2020-09-13T12:26:41Z", "mode": 2541, "uid": 7, "xattrs": "as they were"}
{"name": "opt/hard", "type": "hardlink", "linkName": "opt/f \"\\\u0001 \u00e4", "mode": 420}
)" +
          (R"({"name": "opt/soft", "type": "symlink", "modtime": "1969-12-31T23:59:59Z", "linkName": ")" +
           std::string(200, 'l')) +
          R"(", "mode": 420}
{"name": "dev/c", "type": "char", "modtime": "2023-11-14T22:13:20Z", "mode": 420, "devMajor": 1, "devMinor": 3}
{"name": "dev/b", "type": "block", "modtime": "2023-11-14T22:13:20Z", "mode": 420, "devMajor": 8}
{"name": "fifo", "type": "fifo", "modtime": "2023-11-14T22:13:20Z", "mode": 420}
{"name": "opt/.wh.gone", "type": "reg", "modtime": "2023-11-14T22:13:20Z", "mode": 420}
)");
}

TEST(Estargz, WhatIsFetchedFirstEndsWithTheLandmark) {
  Archive archive;
  archive.file("a", "1").file("b", "2").file("c", "3");
  EstargzOrder order;
  order.members = {2, 0, 1};
  order.prefetch = 1;
  const Packed packed = pack_estargz(archive.bytes(), order);
  EXPECT_EQ(judge(packed, "print(names)"),
            "['c', '.prefetch.landmark', 'a', 'b', 'stargz.index.json']\n");
}

TEST(Estargz, MembersMayBeLeftOutAndThereMayBeNone) {
  Archive archive;
  archive.file("a", "1").file("b", "2");
  const std::string tar = archive.bytes();
  EXPECT_EQ(judge(pack_estargz(tar, {{1}, 0}), "print(names)"),
            "['.no.prefetch.landmark', 'b', 'stargz.index.json']\n");
  EXPECT_EQ(judge(pack_estargz(tar, {}), "print(names)"),
            "['.no.prefetch.landmark', 'stargz.index.json']\n");
  EXPECT_EQ(judge(pack_estargz(std::string(1024, '\0'), {}), "print(len(entries))"), "1\n");
}

TEST(Estargz, ManyMembersWithoutContentFillSeveralGzipMembers) {
  Archive archive;
  for (int i = 0; i < 20'000; ++i)
    archive.add(tar_member("d" + std::to_string(i) + "/", MemberType::kDirectory));
  archive.file("f", "x");
  const Packed packed = pack_estargz(archive.bytes(), archive.all());
  // More than the buffer of the table of contents holds.
  EXPECT_EQ(judge(packed, "print(len(entries), len(text) > 1 << 20, contents['f'])"),
            "20002 True b'x'\n");
  EXPECT_EQ(judge(packed, "print(len(chunk_at(0)) <= 8 << 20)"), "True\n");
}

TEST(Estargz, WhatHasNoFormIsRefused) {
  Archive archive;
  archive.file("a", "1");
  const std::string tar = archive.bytes();
  StringSink out;
  EXPECT_FALSE(write_estargz(as_bytes(tar), "layer", {{1}, 0}, {}, out));
  const auto truncated = write_estargz(as_bytes(tar).first(700), "layer", {{0}, 0}, {}, out);
  ASSERT_FALSE(truncated);
  EXPECT_THAT(truncated.error().message, HasSubstr("layer"));
}

TEST(Estargz, ReservedNames) {
  for (const char* name : {"stargz.index.json", ".prefetch.landmark", ".no.prefetch.landmark"})
    EXPECT_TRUE(is_estargz_file(name));
  EXPECT_FALSE(is_estargz_file("opt/stargz.index.json"));
}

}  // namespace
}  // namespace flense::codec

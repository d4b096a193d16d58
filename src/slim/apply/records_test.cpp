#include "slim/apply/records.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "codec/legacy_digest.h"
#include "codec/sha256.h"

namespace flense::slim {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

Fates fates() {
  Fates out;
  out["usr/lib/python3/dist-packages/torch/lib/libtorch_cuda.so"] = fate_of(as_bytes("abc"));
  FileFate dropped;
  dropped.dropped = true;
  out["usr/lib/python3/dist-packages/torch/include/a,b.h"] = dropped;
  out["usr/share/doc/x/README"] = dropped;
  out["usr/lib/libx.so"] = fate_of(as_bytes("abc"));
  return out;
}

TEST(RecordKind, ByPlace) {
  EXPECT_EQ(record_kind("opt/venv/lib/python3.11/site-packages/torch-2.0.dist-info/RECORD"),
            RecordKind::kWheelRecord);
  EXPECT_EQ(record_kind("var/lib/dpkg/info/libc6:amd64.md5sums"), RecordKind::kDpkgMd5sums);
  EXPECT_EQ(record_kind("lib/apk/db/installed"), RecordKind::kApkInstalled);
  EXPECT_EQ(record_kind("opt/conda/conda-meta/zlib-1.json"), RecordKind::kCondaMeta);
  EXPECT_EQ(record_kind("srv/RECORD"), std::nullopt);
  EXPECT_EQ(record_kind("etc/x.md5sums"), std::nullopt);
}

TEST(WheelRecord, ChangedAndDroppedLinesFollow) {
  const auto out = update_record(
      RecordKind::kWheelRecord, "usr/lib/python3/dist-packages/torch-2.0.dist-info/RECORD",
      "torch/lib/libtorch_cuda.so,sha256=OLD,99\n\"torch/include/a,b.h\",sha256=X,1\n"
      "torch/__init__.py,sha256=Y,2\ntorch-2.0.dist-info/RECORD,,\n",
      fates());
  ASSERT_TRUE(out);
  // SHA-256 of "abc" is a published test vector (FIPS 180-2, B.1).
  EXPECT_EQ(**out,
            "torch/lib/libtorch_cuda.so,sha256=ungWv48Bz-pBQUDeXa4iI7ADYaOWF3qctBD_YfIAFa0,3\n"
            "torch/__init__.py,sha256=Y,2\ntorch-2.0.dist-info/RECORD,,\n");
}

TEST(WheelRecord, UntouchedWheelStaysAsItIs) {
  const auto out = update_record(RecordKind::kWheelRecord, "x/six-1.dist-info/RECORD",
                                 "six.py,sha256=A,1\n", fates());
  ASSERT_TRUE(out);
  EXPECT_EQ(*out, std::nullopt);
}

TEST(DpkgMd5sums, Follow) {
  const auto out = update_record(RecordKind::kDpkgMd5sums, "var/lib/dpkg/info/x.md5sums",
                                 "00000000000000000000000000000000  usr/lib/libx.so\n"
                                 "11111111111111111111111111111111  usr/share/doc/x/README\n"
                                 "22222222222222222222222222222222  usr/bin/x\n",
                                 fates());
  ASSERT_TRUE(out);
  EXPECT_EQ(**out,
            "900150983cd24fb0d6963f7d28e17f72  usr/lib/libx.so\n"
            "22222222222222222222222222222222  usr/bin/x\n");
}

TEST(ApkInstalled, Follow) {
  const auto out = update_record(RecordKind::kApkInstalled, "lib/apk/db/installed",
                                 "P:x\nV:1\nF:usr/lib\nR:libx.so\na:0:0:755\nZ:Q1AAAA=\nR:liby.so\n"
                                 "Z:Q1BBBB=\nF:usr/share/doc/x\nR:README\nZ:Q1CCCC=\n\nP:y\n",
                                 fates());
  ASSERT_TRUE(out);
  EXPECT_EQ(
      **out,
      "P:x\nV:1\nF:usr/lib\nR:libx.so\na:0:0:755\nZ:Q1qZk+NkcGgWq6PiVxeFDCbJzQ2J0=\nR:liby.so\n"
      "Z:Q1BBBB=\nF:usr/share/doc/x\n\nP:y\n");
}

TEST(CondaMeta, Follow) {
  Fates map;
  map["opt/conda/lib/libx.so"] = fate_of(as_bytes("abc"));
  map["opt/conda/include/x.h"].dropped = true;
  const auto out = update_record(RecordKind::kCondaMeta, "opt/conda/conda-meta/x-1.json",
                                 R"({"files":["lib/libx.so","include/x.h"],"paths_data":{"paths":[
          {"_path":"lib/libx.so","sha256":"P","sha256_in_prefix":"Q","size_in_bytes":9},
          {"_path":"include/x.h","sha256":"R"}]}})",
                                 map);
  ASSERT_TRUE(out);
  EXPECT_THAT(**out, HasSubstr("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"));
  EXPECT_THAT(**out, HasSubstr("\"sha256\": \"P\""));
  EXPECT_THAT(**out, Not(HasSubstr("include/x.h")));
  EXPECT_FALSE(update_record(RecordKind::kCondaMeta, "conda-meta/x.json", "{", map));
}

TEST(Records, OnlyTheDigestsThatTheListsOfTheLayerWant) {
  image::LayerListing layer;
  const auto add = [&](std::string_view path) {
    image::LayerListing::Entry entry;
    entry.path = path;
    ASSERT_TRUE(layer.add(entry));
  };
  add("usr/lib/libx.so");
  EXPECT_TRUE(record_kinds(layer).none());
  const FileFate nobody = fate_of(as_bytes("x"), record_kinds(layer));
  EXPECT_EQ(nobody.size, 1U);
  EXPECT_EQ(nobody.digests.get().sha256_hex + nobody.digests.get().sha256_record +
                nobody.digests.get().md5_hex + nobody.digests.get().sha1_base64,
            "");

  add("var/lib/dpkg/info/x.md5sums");
  const FileFate dpkg = fate_of(as_bytes("x"), record_kinds(layer));
  EXPECT_EQ(dpkg.digests.get().md5_hex, "9dd4e461268c8034f5c8564e155c67a6");
  EXPECT_EQ(dpkg.digests.get().sha256_hex + dpkg.digests.get().sha1_base64, "");

  add("lib/x-1.dist-info/RECORD");
  const FileFate both = fate_of(as_bytes("x"), record_kinds(layer));
  EXPECT_EQ(both.digests.get().sha256_record, codec::sha256_record(as_bytes("x")));
  EXPECT_EQ(both.digests.get().md5_hex, dpkg.digests.get().md5_hex);
  EXPECT_EQ(both.digests.get().sha1_base64, "");

  const FileFate all = fate_of(as_bytes("x"));
  EXPECT_EQ(all.digests.get().sha256_hex, codec::sha256_digest(as_bytes("x")).substr(7));
  EXPECT_EQ(all.digests.get().sha1_base64, codec::sha1_base64(as_bytes("x")));
}

}  // namespace
}  // namespace flense::slim

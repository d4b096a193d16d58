// The cache under real images: what is found again, and what must not be.
#include "inventory/scan/scan_cache.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <array>
#include <fstream>
#include <thread>

#include "image/layers/testing_image.h"
#include "inventory/scan/contents.h"
#include "inventory/scan/testing_cache.h"
#include "inventory/scan/testing_files.h"
#include "inventory/scan/testing_scan.h"

namespace flense::inventory {
namespace {

using image::fixture::Compression;
using image::fixture::must;
using image::fixture::Tar;
using image::fixture::TestLayer;
using ScanCacheTest = testing::CacheTest;

TEST_F(ScanCacheTest, TheSecondTimeNothingIsRead) {
  for (const Compression compression : {Compression::kNone, Compression::kGzip}) {
    const std::string name = compression == Compression::kNone ? "plain" : "packed";
    write_layout(name, layers(compression));
    const LayerScans first = must(scan_layers(*open(name), options()));
    EXPECT_EQ(first.origin, ScanOrigin{});
    const LayerScans second = must(scan_layers(*open(name), options()));
    EXPECT_EQ(second.origin.cached, 2U);
    EXPECT_GT(second.origin.since, 1'700'000'000);
    EXPECT_TRUE(second.origin.hashed && second.origin.same_files);
    for (std::size_t i = 0; i < 2; ++i)
      EXPECT_TRUE(testing::same(*first.scans[i], *second.scans[i])) << i;
  }
}

TEST_F(ScanCacheTest, NothingThatWasReadIsLost) {
  Tar tar;
  tar.file("usr/lib/librich.so.1", testing::rich_library());
  tar.file("opt/rocm/lib/kernels.co",
           flense::testing::compressed_bundle(
               3, flense::testing::amd_bundle({{"hipv4-amdgcn-amd-amdhsa--gfx1100", "abc"}})));
  tar.file("usr/bin/run", "#!/usr/bin/env python3\npass\n", 0755);
  tar.file("etc/passwd", "root:x:0:0:root:/root:/bin/sh\n");
  tar.file("var/lib/dpkg/status", "Package: a\nStatus: install ok installed\nVersion: 2\n\n");
  const std::string packed = tar.bytes();
  write_layout("rich", {{packed, Compression::kGzip, "ADD"}});
  ScanOptions pruned = options();
  pruned.prune = device::PruneOptions{};
  pruned.prune->targets.cuda = {{90, device::CudaArch::Variant::kPlain}};
  const LayerScan read = *must(scan_layers(*open("rich"), pruned)).scans[0];
  const LayerScans again = must(scan_layers(*open("rich"), pruned));
  ASSERT_EQ(again.origin.cached, 1U);
  const LayerScan& kept = *again.scans[0];
  EXPECT_TRUE(testing::same(read, kept));

  // Named one by one, apart from the list of members that writing, reading and comparing share.
  ASSERT_EQ(kept.elf.size(), 1U);
  const ElfFacts &a = read.elf.begin()->second, &b = kept.elf.begin()->second;
  EXPECT_EQ(kept.listing->at(kept.elf.begin()->first).path, "usr/lib/librich.so.1");
  EXPECT_EQ(b.machine, EM_X86_64);
  EXPECT_EQ(b.type, ET_DYN);
  EXPECT_EQ(b.soname, "librich.so.1");
  EXPECT_EQ(b.runpath, "$ORIGIN/../lib");
  EXPECT_EQ(b.interpreter, "/lib64/ld-linux-x86-64.so.2");
  EXPECT_EQ(b.needed, (std::vector<std::string>{"libc.so.6", "libcudart.so.12"}));
  EXPECT_EQ(b.code, a.code);
  ASSERT_EQ(b.code.size(), 4U);
  EXPECT_EQ(b.code[0].version, "8.10");
  EXPECT_EQ(b.code[0].zstd, 1U);
  EXPECT_EQ(b.code[2].arch, "gfx90a:xnack-");
  EXPECT_EQ(b.regions, 3U);
  EXPECT_EQ(b.device_bytes, a.device_bytes);
  EXPECT_EQ(b.x86_isa, 7U);
  EXPECT_EQ(b.forward, (ForwardNote{"12.9", {535, 550}, {1, 2}}));
  ASSERT_TRUE(a.prune && b.prune);
  EXPECT_EQ(b.prune->left_alone, a.prune->left_alone);
  EXPECT_EQ(b.prune->bytes, a.prune->bytes);
  ASSERT_EQ(kept.bare_code.size(), 1U);
  const BareCode& bundle = kept.bare_code.begin()->second;
  EXPECT_EQ(bundle.regions, 1U);
  EXPECT_GT(bundle.device_bytes, 0U);
  ASSERT_EQ(bundle.code.size(), 1U);
  EXPECT_EQ(bundle.code[0].arch, "gfx1100");
  ASSERT_EQ(kept.scripts.size(), 1U);
  EXPECT_EQ(kept.scripts.begin()->second, "/usr/bin/env python3");
  ASSERT_EQ(kept.texts.size(), 1U);
  ASSERT_EQ(kept.packages.size(), 1U);
  EXPECT_EQ(kept.packages.begin()->second[0].name, "a");
  EXPECT_EQ(kept.unpacked_bytes, packed.size());
  EXPECT_EQ(kept.content_bytes, read.content_bytes);
}

TEST_F(ScanCacheTest, AnArchiveMayHoldTwoImagesThatClaimTheSame) {
  // Two images of one archive name the same diff_id; only the first one's file has it.
  std::vector<TestLayer> both = layers();
  image::fixture::Files files = image::fixture::docker_files({both[0]}, "good:1");
  text::Json good = *text::parse_json(files["manifest.json"], "manifest");
  image::fixture::Files bad = image::fixture::docker_files({both[0]}, "bad:1", {"other/layer.tar"});
  text::Json manifest = text::Json::array().push(good.items()[0]);
  manifest.push(text::parse_json(bad["manifest.json"], "manifest")->items()[0]);
  files["manifest.json"] = text::dump_json(manifest);
  std::string forged = both[0].tar;
  forged[600] = static_cast<char>(forged[600] ^ 1);
  files["other/layer.tar"] = forged;
  image::fixture::write_file(dir_ / "two.tar", image::fixture::tar_of(files));
  EXPECT_EQ(scan("two.tar:good:1", options()).cached, 0U);
  EXPECT_EQ(scan("two.tar:good:1", options()).cached, 1U);
  const auto read = scan_layers(*open("two.tar:bad:1"), options());
  ASSERT_FALSE(read);
  EXPECT_NE(read.error().message.find("digest"), std::string::npos);
}

TEST_F(ScanCacheTest, LayersThatClaimTheSameAreEachRead) {
  std::vector<TestLayer> one = layers();
  image::fixture::Files files =
      image::fixture::docker_files({one[0], one[0]}, "app:1", {"a/layer.tar", "b/layer.tar"});
  files["a/layer.tar"] = one[0].tar;
  files["b/layer.tar"] = one[0].tar;
  image::fixture::write_file(dir_ / "same.tar", image::fixture::tar_of(files));
  EXPECT_TRUE(scan_layers(*open("same.tar"), options()));
  files["b/layer.tar"][600] = static_cast<char>(files["b/layer.tar"][600] ^ 1);
  image::fixture::write_file(dir_ / "forged.tar", image::fixture::tar_of(files));
  EXPECT_FALSE(scan_layers(*open("forged.tar"), options()));
}

TEST_F(ScanCacheTest, AnotherBuildsEntriesAreNoDamage) {
  write_layout("image", layers());
  scan("image", options());
  for (const ListedEntry& entry : cache_.store().list()) {
    EntryHead head = *cache_.store().peek_head(entry);
    if (head.kind != kLayerKind) continue;
    cache_.store().store(head, "no scan");
    EXPECT_FALSE(is_sound_scan(*cache_.store().peek(entry)));
    head.form = "of another build";
    cache_.store().store(head, "no scan");
    EXPECT_TRUE(is_sound_scan(*cache_.store().peek(entry)));
  }
}

TEST_F(ScanCacheTest, AChangedFileIsRead) {
  write_layout("image", layers());
  EXPECT_EQ(scan("image", options()).cached, 0U);
  const auto path = blob("image", 0);
  // The same name, size and time, one byte another.
  struct stat before{};
  ASSERT_EQ(::stat(path.c_str(), &before), 0);
  std::string bytes = must(read_file(path, 1 << 20));
  bytes[600] = static_cast<char>(bytes[600] ^ 1);
  {
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    file.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  }
  const std::array<timespec, 2> times = {before.st_atim, before.st_mtim};
  ASSERT_EQ(::utimensat(AT_FDCWD, path.c_str(), times.data(), 0), 0);
  const auto read = scan_layers(*open("image"), options());
  ASSERT_FALSE(read);
  EXPECT_NE(read.error().message.find("digest"), std::string::npos);
  // What the digest names is known all the same; that this file was not looked at is told.
  const ScanOrigin by_digest = scan("image", options(CacheTrust::kDigest));
  EXPECT_EQ(by_digest.cached, 2U);
  EXPECT_FALSE(by_digest.same_files);
  EXPECT_TRUE(by_digest.hashed);
}

TEST_F(ScanCacheTest, ACopyIsAnotherFile) {
  write_archive("one.tar", layers());
  scan("one.tar", options());
  std::filesystem::copy_file(dir_ / "one.tar", dir_ / "two.tar");
  EXPECT_EQ(scan("two.tar", options(CacheTrust::kDigest)).cached, 2U);
  EXPECT_EQ(scan("two.tar", options()).cached, 0U);
  EXPECT_EQ(scan("two.tar", options()).cached, 2U);  // now it was hashed as well
}

TEST_F(ScanCacheTest, ImagesShareLayers) {
  std::vector<TestLayer> both = layers();
  write_archive("base.tar", {both[0]});
  write_archive("app.tar", both);
  scan("base.tar", options());
  const ScanOrigin origin = scan("app.tar", options(CacheTrust::kDigest));
  EXPECT_EQ(origin.cached, 1U);
  EXPECT_EQ(scan("app.tar", options(CacheTrust::kDigest)).cached, 2U);
}

// Whoever writes an image may say of any bytes that they unpack to a layer that is known.
TEST_F(ScanCacheTest, AKnownLayersNameProvesNothingOfOtherBytes) {
  write_layout("known", layers(image::fixture::Compression::kGzip));
  scan("known", options());
  EXPECT_EQ(scan("known", options(CacheTrust::kDigest)).cached, 2U);
  image::fixture::Oci honest, liar;
  honest.add_image(layers(image::fixture::Compression::kGzip), "app:1");
  std::vector<TestLayer> other = layers(image::fixture::Compression::kGzip);
  image::fixture::Tar evil;
  evil.file("usr/b", "#!/bin/evil\n", 0755);
  other[1].tar = evil.bytes();
  text::Json config = honest.config;
  liar.add_image(other, "app:1");
  // The liar's blobs under the honest configuration.
  text::Json manifest = must(text::parse_json(liar.manifest_text, "m"));
  manifest.set("config", liar.descriptor("application/vnd.oci.image.config.v1+json",
                                         text::dump_json(config)));
  liar.entries = text::Json::array();
  liar.add(
      liar.descriptor("application/vnd.oci.image.manifest.v1+json", text::dump_json(manifest)));
  image::fixture::write_files(dir_ / "liar", liar.all());
  const auto read = scan_layers(*open("liar"), options(CacheTrust::kDigest));
  ASSERT_FALSE(read);
  EXPECT_NE(read.error().message.find("digest"), std::string::npos);
}

TEST_F(ScanCacheTest, WhatWasNotHashedIsNotKept) {
  write_layout("image", layers());
  ScanOptions unverified = options(CacheTrust::kDigest);
  unverified.verify_digests = false;
  const ScanOrigin origin = scan("image", unverified);
  EXPECT_EQ(origin.cached, 0U);
  EXPECT_FALSE(origin.hashed);
  EXPECT_TRUE(cache_.store().list().empty());
}

TEST_F(ScanCacheTest, AFileJustWrittenIsNotTrustedYet) {
  write_layout("image", layers());
  InventoryCache careful(must(EntryStore::open(dir_ / "careful", EntryStore::kDefaultBytes)));
  ScanOptions with = options();
  with.cache = &careful;
  EXPECT_EQ(scan("image", with).cached, 0U);
  for (const ListedEntry& entry : careful.store().list()) EXPECT_EQ(entry.kind, kLayerKind);
  EXPECT_EQ(scan("image", with).cached, 0U);
  with.trust = CacheTrust::kDigest;
  EXPECT_EQ(scan("image", with).cached, 2U);
}

TEST_F(ScanCacheTest, OptionsThatChangeTheResultAreApart) {
  write_layout("image", layers());
  scan("image", options());
  ScanOptions pruned = options();
  pruned.prune = device::PruneOptions{};
  pruned.prune->targets.cuda = {{90, device::CudaArch::Variant::kPlain}};
  EXPECT_EQ(scan("image", pruned).cached, 0U);
  EXPECT_EQ(scan("image", pruned).cached, 2U);
  pruned.prune->targets.cuda = {{80, device::CudaArch::Variant::kPlain}};
  EXPECT_EQ(scan("image", pruned).cached, 0U);
  pruned.prune->drop_symtab = true;
  EXPECT_EQ(scan("image", pruned).cached, 0U);
  pruned.prune->drop_symtab = false;
  pruned.prune->drop_debug = true;
  EXPECT_EQ(scan("image", pruned).cached, 0U);
}

TEST_F(ScanCacheTest, DirectoriesAreAlwaysRead) {
  image::fixture::write_file(dir_ / "tree/usr/a", "x");
  EXPECT_EQ(scan("tree", options()).cached, 0U);
  EXPECT_EQ(scan("tree", options()).cached, 0U);
  EXPECT_TRUE(cache_.store().list().empty());
}

TEST_F(ScanCacheTest, DamageIsAMiss) {
  write_layout("image", layers());
  scan("image", options());
  for (const ListedEntry& entry : cache_.store().list()) {
    const auto path = cache_.store().directory() / entry.name;
    const std::string bytes = must(read_file(path, 1 << 20));
    std::ofstream(path, std::ios::binary) << bytes.substr(0, bytes.size() / 2);
  }
  EXPECT_EQ(scan("image", options()).cached, 0U);
  EXPECT_EQ(scan("image", options()).cached, 2U);
  for (const ListedEntry& entry : cache_.store().list())
    EXPECT_TRUE(is_sound_scan(*cache_.store().peek(entry))) << entry.name;
}

TEST_F(ScanCacheTest, AWholeEntryThatIsNoScanIsAMiss) {
  write_layout("image", layers());
  scan("image", options());
  for (const ListedEntry& entry : cache_.store().list()) {
    if (entry.kind != kLayerKind) continue;
    EntryHead head = *cache_.store().peek_head(entry);
    cache_.store().store(head, "no scan");
    EXPECT_FALSE(is_sound_scan(*cache_.store().peek(entry)));
  }
  EXPECT_EQ(scan("image", options()).cached, 0U);
  // And it does not stay one.
  EXPECT_EQ(scan("image", options()).cached, 2U);
}

TEST_F(ScanCacheTest, ManyReadersAndWriters) {
  write_layout("image", layers());
  std::atomic<int> wrong = 0;
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < 6; ++t)
      threads.emplace_back([&] {
        for (int i = 0; i < 10; ++i) {
          const auto read = scan_layers(*open("image"), options());
          if (!read || read->scans[0]->listing->size() != 3) ++wrong;
        }
      });
  }
  EXPECT_EQ(wrong, 0);
  EXPECT_EQ(scan("image", options()).cached, 2U);
}

TEST_F(ScanCacheTest, TheFirstPlaceThatCanBeUsed) {
  image::fixture::write_file(dir_ / "file", "x");
  std::vector<std::string> complaints;
  const auto store = open_first({dir_ / "file/below", dir_ / "good"}, 1000, complaints);
  ASSERT_TRUE(store);
  EXPECT_EQ(store->directory(), dir_ / "good");
  EXPECT_EQ(store->max_bytes(), 1000U);
  EXPECT_EQ(complaints.size(), 1U);
  EXPECT_FALSE(open_first({dir_ / "file/below"}, 1000, complaints));
  EXPECT_FALSE(open_first({}, 1000, complaints));
}

}  // namespace
}  // namespace flense::inventory

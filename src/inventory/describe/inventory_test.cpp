// The whole way from an image on disk to the inventory: accounting, matrix, waste.
#include "inventory/describe/inventory.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>

#include "elf/testing_library.h"
#include "image/layers/testing_image.h"
#include "support/fatbin_builder.h"

namespace flense::inventory {
namespace {

using image::fixture::Compression;
using image::fixture::must;
using image::fixture::Oci;
using image::fixture::Tar;
using image::fixture::TempDir;
using image::fixture::TestLayer;

/// A library with eight registered regions, each sm_80, sm_90 and PTX 9.0.
std::string cuda_library() {
  const elf::testing::Library library = elf::testing::make_library();
  std::string bytes = library.builder.build();
  const std::string region = testing::region("sm80:10000 sm90:12560 ptx90:10000");
  EXPECT_EQ(region.size(), elf::testing::kRegionSize);
  for (std::uint64_t i = 0; i < elf::testing::kRegions; ++i)
    bytes.replace(library.region(i), region.size(), region);
  return bytes;
}

constexpr std::uint64_t kEntryHeader = 64;

struct Sample {
  std::vector<TestLayer> layers;
  std::string library = cuda_library();

  explicit Sample(Compression compression = Compression::kNone) {
    Tar base, second, top;
    base.dir("etc").file("etc/os-release", "ID=debian\nPRETTY_NAME=\"Debian 12\"\n");
    base.file("var/lib/dpkg/status",
              "Package: libc6\nStatus: install ok installed\nVersion: 2.36-9\n\n");
    base.file("var/lib/apt/lists/index", std::string(5000, 'i'));
    base.file("opt/replaced", std::string(700, 'r')).file("opt/deleted", std::string(300, 'd'));
    base.file("opt/first-name", std::string(900, 'f'));
    base.hardlink("opt/second-name", "opt/first-name");
    base.file("opt/opaque/old", std::string(50, 'o'));
    const std::string site = "usr/lib/python3/site-packages/";
    second.file(site + "fake/libfake.so", library);
    second.file(site + "fake-1.0.dist-info/METADATA", "Name: fake\nVersion: 1.0\n\nText\n");
    second.file("root/.cache/pip/x", std::string(2000, 'p'));
    second.hardlink("opt/kept-by-link", "root/.cache/pip/x");
    second.file("root/.cache/pip/y", std::string(1000, 'p'));
    top.file("opt/replaced", "new").file("opt/.wh.deleted", "").file("opt/.wh.first-name", "");
    top.file("opt/opaque/.wh..wh..opq", "").file("opt/opaque/new", "n");
    layers = {{base.bytes(), compression, "ADD base"},
              {second.bytes(), compression, "RUN pip install fake"},
              {top.bytes(), compression, "RUN tidy"}};
  }
};

class InventoryTest : public ::testing::Test {
 protected:
  std::unique_ptr<const image::Image> open(const std::vector<TestLayer>& layers) {
    Oci oci;
    oci.add_image(layers, "app:1");
    image::fixture::write_files(dir_ / "image", oci.all());
    image::OpenOptions options;
    options.platform = "linux/amd64";
    options.scratch_directory = dir_.path();
    return must(image::open_image((dir_ / "image").string(), options));
  }
  static Inventory taken(const image::Image& image, const InventoryOptions& options) {
    const Contents contents = must(Contents::read(image, options.scan));
    return must(describe(image, contents, options));
  }
  Inventory inspect(const std::vector<TestLayer>& layers, InventoryOptions options = {}) {
    options.scan.scratch_directory = dir_.path();
    return taken(*open(layers), options);
  }
  TempDir dir_;
};

TEST_F(InventoryTest, EveryByteOfEveryLayerIsAttributedOnce) {
  for (const Compression compression :
       {Compression::kNone, Compression::kGzip, Compression::kZstd}) {
    const Sample sample(compression);
    const Inventory inventory = inspect(sample.layers);
    ASSERT_EQ(inventory.layers.size(), 3U);
    std::uint64_t content = 0, stored = 0;
    for (std::size_t i = 0; i < 3; ++i) {
      const LayerFacts& layer = inventory.layers[i];
      EXPECT_EQ(layer.unpacked_bytes, sample.layers[i].tar.size());
      EXPECT_EQ(layer.content_bytes + layer.archive_bytes, layer.unpacked_bytes);
      EXPECT_EQ(layer.instruction, sample.layers[i].instruction);
      EXPECT_EQ(layer.size_bytes, image::fixture::encode(sample.layers[i].tar, compression).size());
      content += layer.content_bytes;
      stored += layer.size_bytes;
    }
    EXPECT_EQ(inventory.size_bytes, stored);
    // What a container sees and what it does not see is all the content there is.
    EXPECT_EQ(inventory.file_bytes + inventory.waste_bytes, content);
    EXPECT_EQ(inventory.layers[0].waste_bytes, 700U + 300U + 50U);  // first-name lives on
    EXPECT_EQ(inventory.layers[1].waste_bytes, 0U);
    EXPECT_EQ(inventory.layers[2].waste_bytes, 0U);
  }
}

TEST_F(InventoryTest, HeadersAndPaddingAreTheRest) {
  Tar tar;
  tar.file("a", std::string(513, 'a')).dir("d").symlink("s", "a");
  const Inventory inventory = inspect({{tar.bytes(), Compression::kNone, ""}});
  // Three headers, 511 bytes of padding, two zero blocks.
  EXPECT_EQ(inventory.layers[0].content_bytes, 513U);
  EXPECT_EQ(inventory.layers[0].archive_bytes, 3U * 512 + 511 + 1024);
  EXPECT_EQ(inventory.layers[0].files, 2U);
}

TEST_F(InventoryTest, WastedFilesSayWhere) {
  const Sample sample;
  const Inventory inventory = inspect(sample.layers);
  ASSERT_EQ(inventory.wasted_files.size(), 3U);
  const WastedFile& first = inventory.wasted_files[0];
  EXPECT_EQ(first.path, "opt/replaced");
  EXPECT_FALSE(first.deleted);
  EXPECT_EQ(first.by_layer, 2U);
  EXPECT_EQ(inventory.wasted_files[1].path, "opt/deleted");
  EXPECT_TRUE(inventory.wasted_files[1].deleted);
}

TEST_F(InventoryTest, MatrixIsWhatWasBuiltIn) {
  const Sample sample;
  const Inventory inventory = inspect(sample.layers);
  ASSERT_EQ(inventory.device_code.files.size(), 1U);
  const DeviceFile& file = inventory.device_code.files[0];
  EXPECT_EQ(file.path, "usr/lib/python3/site-packages/fake/libfake.so");
  EXPECT_EQ(file.layer, 1U);
  EXPECT_EQ(file.size_bytes, sample.library.size());
  EXPECT_EQ(file.regions, 8U);
  ASSERT_EQ(file.entries.size(), 3U);
  std::uint64_t bytes = 0;
  for (const ArchCount& entry : file.entries) {
    EXPECT_EQ(entry.count, 8U);
    EXPECT_EQ(entry.vendor, "nvidia");
    bytes += entry.bytes;
  }
  EXPECT_EQ(bytes, 8 * (elf::testing::kRegionSize - 16));
  const auto sm90 = std::find_if(file.entries.begin(), file.entries.end(),
                                 [](const ArchCount& e) { return e.arch == "sm_90"; });
  ASSERT_NE(sm90, file.entries.end());
  EXPECT_EQ(sm90->kind, "cubin");
  EXPECT_EQ(sm90->bytes, 8 * (12560 + kEntryHeader));
  // Totals are the sum of the files.
  ASSERT_EQ(inventory.device_code.totals.size(), 3U);
  for (const ArchCount& total : inventory.device_code.totals) {
    const auto entry = std::find_if(
        file.entries.begin(), file.entries.end(),
        [&](const ArchCount& e) { return e.arch == total.arch && e.kind == total.kind; });
    ASSERT_NE(entry, file.entries.end());
    EXPECT_EQ(entry->bytes, total.bytes);
  }
  EXPECT_EQ(inventory.device_code.device_bytes, file.device_bytes);
}

TEST_F(InventoryTest, PackagesAndRuntimes) {
  const Sample sample;
  const Inventory inventory = inspect(sample.layers);
  ASSERT_EQ(inventory.packages.size(), 2U);
  EXPECT_EQ(inventory.packages[0].package, (Package{"pip", "fake", "1.0"}));
  EXPECT_EQ(inventory.packages[1].package, (Package{"deb", "libc6", "2.36-9"}));
  ASSERT_GE(inventory.runtimes.size(), 2U);
  EXPECT_EQ(inventory.runtimes[0].version, "Debian 12");
}

TEST_F(InventoryTest, EqualLayersAreCountedTwiceAndReadOnce) {
  Tar tar;
  tar.file("a", std::string(100, 'a'));
  const TestLayer layer{tar.bytes(), Compression::kNone, ""};
  const auto image = open({layer, layer});
  ScanOptions options;
  options.scratch_directory = dir_.path();
  const auto scans = must(scan_layers(*image, options)).scans;
  EXPECT_EQ(scans[0], scans[1]);
  const Inventory inventory = inspect({layer, layer});
  EXPECT_EQ(inventory.waste_bytes, 100U);
  EXPECT_EQ(inventory.layers[0].waste_bytes, 100U);
  EXPECT_EQ(inventory.file_bytes, 100U);
}

TEST_F(InventoryTest, DirectoryAndSingleFile) {
  image::fixture::write_file(dir_ / "tree/lib/libfake.so", cuda_library());
  image::fixture::write_file(dir_ / "tree/lib/note", "hello");
  image::OpenOptions open_options;
  open_options.scratch_directory = dir_.path();
  InventoryOptions options;
  options.scan.scratch_directory = dir_.path();
  const auto tree = must(image::open_image((dir_ / "tree").string(), open_options));
  const Inventory whole = taken(*tree, options);
  EXPECT_EQ(whole.files, 2U);
  EXPECT_EQ(whole.layers[0].content_bytes, whole.layers[0].unpacked_bytes);
  EXPECT_EQ(whole.size_bytes, cuda_library().size() + 5);
  const auto file = must(image::open_image((dir_ / "tree/lib/libfake.so").string(), open_options));
  const Inventory single = taken(*file, options);
  EXPECT_EQ(single.device_code.files.size(), 1U);
  EXPECT_EQ(single.size_bytes, cuda_library().size());
}

TEST_F(InventoryTest, RpmIsSaidToBeUnreadable) {
  Tar tar;
  tar.file("var/lib/rpm/rpmdb.sqlite", "binary");
  const Inventory inventory = inspect({{tar.bytes(), Compression::kNone, ""}});
  EXPECT_TRUE(inventory.packages.empty());
  ASSERT_EQ(inventory.notices.size(), 1U);
  EXPECT_NE(inventory.notices[0].find("rpm"), std::string::npos);
}

}  // namespace
}  // namespace flense::inventory

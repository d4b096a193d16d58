#include "slim/candidates/equal_files.h"

#include <gtest/gtest.h>

#include <random>

#include "image/layers/testing_image.h"

namespace flense::slim {
namespace {

using image::fixture::Compression;
using image::fixture::must;
using image::fixture::Oci;
using image::fixture::Tar;
using image::fixture::TempDir;

/// Counts what is read of its layers.
class CountedImage final : public image::Image {
 public:
  explicit CountedImage(const image::Image& of) : Image(of), of_(of) {}
  Result<std::unique_ptr<Source>> open_layer(std::size_t layer) const override {
    struct Counted final : Source {
      Result<Bytes> next(std::size_t max) override {
        TRY(const Bytes out, from->next(max));
        *count += out.size();
        return out;
      }
      std::unique_ptr<Source> from;
      std::uint64_t* count = nullptr;
    };
    auto out = std::make_unique<Counted>();
    TRY(out->from, of_.open_layer(layer));
    out->count = &read_;
    return out;
  }
  std::uint64_t read() const { return read_; }

 private:
  const image::Image& of_;
  mutable std::uint64_t read_ = 0;
};

std::string noise(std::size_t size, unsigned seed) {
  std::mt19937 random(seed);
  std::string out(size, '\0');
  for (char& c : out) c = static_cast<char>(random());
  return out;
}

/// Members 0 and 3 are equal; 1 begins like them, 2 is as large, 4 is too small to count.
std::string layer_with_equals() {
  const std::string one = noise(100'000, 1), elf =
                                                 "\x7f"
                                                 "ELF" +
                                                 noise(90'000, 2);
  std::string almost = one;
  almost.back() = static_cast<char>(almost.back() + 1);
  Tar tar;
  tar.file("usr/a", one).file("usr/b", almost).file("usr/c", noise(one.size(), 3));
  tar.file("usr/d", one).file("usr/e", one.substr(0, 1000)).file("usr/f", one.substr(0, 1000));
  // Read whole, in part and not at all by the scan itself.
  tar.file("usr/lib/x.so", elf).file("usr/lib/y.so", elf);
  const std::string script = "#!/bin/sh\n" + noise(80'000, 4);
  tar.file("usr/bin/x", script, 0755).file("usr/bin/y", script, 0755);
  return tar.bytes();
}

TEST(EqualFiles, ACompressedLayerIsUnpackedOnce) {
  const TempDir dir;
  std::vector<std::map<std::uint32_t, std::string>> hashes;
  for (const Compression compression :
       {Compression::kNone, Compression::kGzip, Compression::kZstd}) {
    Oci oci;
    oci.add_image({{layer_with_equals(), compression, "ADD"}}, "app:1");
    const auto path = dir.path() / to_string(compression);
    image::fixture::write_files(path, oci.all());
    image::OpenOptions open;
    open.platform = "linux/amd64";
    open.scratch_directory = dir.path();
    const auto image = must(image::open_image(path.string(), open));
    const CountedImage counted(*image);
    inventory::ScanOptions options;
    options.scratch_directory = dir.path();
    const bool packed = compression != Compression::kNone;
    const inventory::LayerScans scans = must(inventory::scan_layers(
        packed ? static_cast<const image::Image&>(counted) : *image, options));
    EXPECT_EQ(counted.read(), packed ? image->layers[0].blob.size : 0);
    hashes.push_back(scans.scans[0]->hashes);
  }
  ASSERT_EQ(hashes[0].size(), 6U);
  EXPECT_EQ(hashes[0].at(0), hashes[0].at(3));
  EXPECT_EQ(hashes[0].at(6), hashes[0].at(7));
  EXPECT_EQ(hashes[0].at(8), hashes[0].at(9));
  EXPECT_EQ(hashes[0].at(0), [] {
    codec::Sha256 hash;
    hash.update(as_bytes(noise(100'000, 1)));
    return hash.hex();
  }());
  EXPECT_EQ(hashes[1], hashes[0]);
  EXPECT_EQ(hashes[2], hashes[0]);
}

}  // namespace
}  // namespace flense::slim

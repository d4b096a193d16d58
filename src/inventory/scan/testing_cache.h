// An inventory cache over small images, for tests.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "image/layers/testing_image.h"
#include "inventory/scan/scan.h"
#include "inventory/scan/scan_cache.h"

namespace flense::inventory::testing {

class CacheTest : public ::testing::Test {
 protected:
  CacheTest()
      : cache_(image::fixture::must(EntryStore::open(dir_ / "cache", EntryStore::kDefaultBytes)),
               0) {}

  static std::vector<image::fixture::TestLayer> layers(
      image::fixture::Compression compression = image::fixture::Compression::kNone) {
    image::fixture::Tar base, top;
    base.file("etc/os-release", "ID=debian\n").file("usr/a", std::string(3000, 'a'));
    base.file("var/lib/dpkg/status",
              "Package: libc6\nStatus: install ok installed\nVersion: 2\n\n");
    top.file("usr/b", "#!/bin/sh\n", 0755);
    return {{base.bytes(), compression, "ADD"}, {top.bytes(), compression, "RUN"}};
  }
  std::unique_ptr<const image::Image> open(const std::string& name) const {
    image::OpenOptions options;
    options.platform = "linux/amd64";
    options.scratch_directory = dir_.path();
    // "app.tar:app:1" names one image of several.
    const bool one = name.find(':') != std::string::npos;
    return image::fixture::must(
        image::open_image((one ? "docker-archive:" : "") + (dir_ / name).string(), options));
  }
  void write_layout(const std::string& name,
                    const std::vector<image::fixture::TestLayer>& content) const {
    image::fixture::Oci oci;
    oci.add_image(content, "app:1");
    image::fixture::write_files(dir_ / name, oci.all());
  }
  void write_archive(const std::string& name,
                     const std::vector<image::fixture::TestLayer>& content) const {
    image::fixture::write_file(
        dir_ / name, image::fixture::tar_of(image::fixture::docker_files(content, "app:1")));
  }
  ScanOptions options(CacheTrust trust = CacheTrust::kFile) {
    ScanOptions out;
    out.scratch_directory = dir_.path();
    out.cache = &cache_;
    out.trust = trust;
    return out;
  }
  ScanOrigin scan(const std::string& name, const ScanOptions& with) const {
    return image::fixture::must(scan_layers(*open(name), with)).origin;
  }
  std::filesystem::path blob(const std::string& layout, std::size_t layer) const {
    return *open(layout)->layer_file(layer);
  }

  image::fixture::TempDir dir_;
  InventoryCache cache_;
};

}  // namespace flense::inventory::testing

#include "closure/python_sources.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "image/layers/testing_image.h"

namespace flense::closure {
namespace {

using image::fixture::must;
using image::fixture::Tar;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

image::MergedTree tree_of(const std::string& tar) {
  auto listing = std::make_shared<image::LayerListing>();
  image::fixture::Oci oci;
  oci.add_image({{tar, codec::Compression::kNone, "RUN something"}});
  const std::string bytes = image::fixture::tar_of(oci.all());
  const auto image = must(image::open_archive_bytes(as_bytes(bytes), "test.tar", "", {}));
  must(image::walk_layer(
      *image, 0, {}, [&](const image::LayerEntry& entry, image::EntryContent*, codec::TarReader*) {
        return listing->add(entry);
      }));
  return must(image::MergedTree::build({listing}));
}

/// "version interpreter: path path".
std::vector<std::string> found_in(const std::string& tar) {
  std::vector<std::string> out;
  for (const PythonSources& version : find_python_sources(tree_of(tar))) {
    std::string line = version.version + " " + version.interpreter + ":";
    for (const PythonSource& source : version.files) line += " " + source.path;
    out.push_back(std::move(line));
  }
  return out;
}

TEST(PythonSources, EachVersionHasItsLibraryItsPackagesAndItsProgram) {
  EXPECT_THAT(
      found_in(Tar()
                   .file("opt/venv/lib/python3.12/site-packages/pkg/m.py", "1")
                   .symlink("opt/venv/bin/python3.12", "/usr/local/bin/python3.12")
                   .file("usr/bin/python3.11", "ELF", 0755)
                   .symlink("usr/bin/python3", "python3.11")
                   .file("usr/lib/python3.11/os.py", "1")
                   .file("usr/lib/python3/dist-packages/apt/cache.py", "1")
                   .symlink("usr/lib/python3.11/posix.py", "os.py")
                   .file("usr/lib64/python3.11/site-packages/six.py", "1")
                   .file("usr/local/bin/python3.12", "ELF", 0755)
                   .file("usr/local/lib/python3.12/json/__init__.py", "1")
                   .bytes()),
      ElementsAre("python3.11 usr/bin/python3.11: usr/lib/python3/dist-packages/apt/cache.py "
                  "usr/lib/python3.11/os.py usr/lib/python3.11/posix.py "
                  "usr/lib64/python3.11/site-packages/six.py",
                  "python3.12 usr/local/bin/python3.12: "
                  "opt/venv/lib/python3.12/site-packages/pkg/m.py "
                  "usr/local/lib/python3.12/json/__init__.py"));
}

TEST(PythonSources, WhatNoInterpreterOfTheImageReadsHasNone) {
  EXPECT_THAT(
      found_in(Tar()
                   .file("usr/bin/python3.11", "not to be run", 0644)
                   .symlink("usr/bin/python3.12", "nowhere")
                   .dir("usr/bin/python3.13")
                   .file("usr/lib/python3.11/os.py", "1")
                   .file("usr/lib/python3.12/os.py", "1")
                   .file("usr/lib/python3.13/os.py", "1")
                   .file("usr/lib/python3.13t/os.py", "1")
                   .bytes()),
      ElementsAre("python3.11 : usr/lib/python3.11/os.py", "python3.12 : usr/lib/python3.12/os.py",
                  "python3.13 : usr/lib/python3.13/os.py",
                  "python3.13t : usr/lib/python3.13t/os.py"));
}

TEST(PythonSources, OtherPlacesAndOtherFilesAreNotLookedAt) {
  EXPECT_THAT(found_in(Tar()
                           .file("usr/bin/python3.11", "ELF", 0755)
                           .file("app/main.py", "1")
                           .file("usr/lib/python2.7/os.py", "1")
                           .file("usr/lib/python3.x/os.py", "1")
                           .file("usr/lib/python3.11-minimal/os.py", "1")
                           .file("usr/share/python3.11/os.py", "1")
                           .file("usr/lib/pypy3.11/os.py", "1")
                           .file("usr/lib/python3.11/a\nb.py", "1")
                           .file("usr/lib/python3.11/stub.pyi", "1")
                           .dir("usr/lib/python3.11/directory.py")
                           .symlink("usr/lib/python3.11/gone.py", "nowhere")
                           .bytes()),
              IsEmpty());
}

TEST(PythonSources, CompiledFilesLieWhereImportsLook) {
  EXPECT_EQ(compiled_path("usr/lib/python3.11/os.py", "cpython-311", 0),
            "usr/lib/python3.11/__pycache__/os.cpython-311.pyc");
  EXPECT_EQ(compiled_path("a.b.py", "cpython-311", 2), "__pycache__/a.b.cpython-311.opt-2.pyc");
}

}  // namespace
}  // namespace flense::closure

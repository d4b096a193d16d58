#include "slim/candidates/used_places.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "image/layers/layer_walk.h"
#include "image/layers/testing_image.h"

namespace flense::slim {
namespace {

using image::fixture::must;
using image::fixture::Tar;

struct Sample {
  explicit Sample(const std::string& tar, const text::Json& container = text::Json::object()) {
    image::fixture::Oci oci;
    oci.container = container;
    oci.add_image({{tar, codec::Compression::kNone, "RUN something"}});
    bytes = image::fixture::tar_of(oci.all());
    image = must(image::open_archive_bytes(as_bytes(bytes), "test.tar", "", {}));
    auto listing = std::make_shared<image::LayerListing>();
    must(image::walk_layer(*image, 0, {},
                           [&](const image::LayerEntry& entry, image::EntryContent*,
                               codec::TarReader*) { return listing->add(entry); }));
    tree = must(image::MergedTree::build({listing}));
    used = UsedPlaces::find(*image, *tree);
  }
  std::string holder(std::string_view path) const { return std::string(used.holder(path)); }

  std::string bytes;
  std::unique_ptr<const image::Image> image;
  std::optional<image::MergedTree> tree;
  UsedPlaces used;
};

TEST(UsedPlaces, LinksFromOutsideHoldWhatTheyLeadTo) {
  // As "uv sync --link-mode symlink" and a build in /tmp leave it.
  const Sample sample(Tar()
                          .file("root/.cache/uv/archive-v0/a/pkg/__init__.py", "1")
                          .file("root/.cache/uv/archive-v0/b/pkg/__init__.py", "2")
                          .symlink("root/.cache/uv/wheels/pkg", "../archive-v0/b")
                          .symlink("app/pkg.py", "/root/.cache/uv/archive-v0/a/pkg/__init__.py")
                          .file("tmp/build/lib/x.py", "3")
                          .file("tmp/left", "4")
                          .symlink("opt/app", "../tmp/build")
                          .symlink("opt/doc", "/usr/share/doc/x")
                          .file("usr/share/doc/x", "5")
                          .symlink("usr/tmp", "../tmp")
                          .bytes());
  EXPECT_EQ(sample.holder("root/.cache/uv/archive-v0/a/pkg/__init__.py"),
            "/app/pkg.py leads there");
  EXPECT_EQ(sample.holder("root/.cache/uv/archive-v0/b/pkg/__init__.py"), "");
  EXPECT_EQ(sample.holder("tmp/build/lib/x.py"), "/opt/app leads there");
  EXPECT_EQ(sample.holder("tmp/left"), "");
  EXPECT_EQ(sample.holder("usr/share/doc/x"), "") << "no rule that goes by the place";
}

TEST(UsedPlaces, TheConfigurationHoldsWhatItNames) {
  const text::Json container = text::Json::object()
                                   .set("Env", text::Json::array()
                                                   .push("HF_HOME=/tmp/hf")
                                                   .push("PATH=/usr/bin:/tmp/tools/bin")
                                                   .push("TMPDIR=/tmp/scratch")
                                                   .push("HOME=/tmp"))
                                   .set("Cmd", text::Json::array().push("sh").push("/tmp/start.sh"))
                                   .set("WorkingDir", "/tmp/work/");
  const Sample sample(Tar().file("tmp/hf/model", "m").bytes(), container);
  EXPECT_EQ(sample.holder("tmp/hf/hub/model"), "named by HF_HOME");
  EXPECT_EQ(sample.holder("tmp/tools/bin/x"), "named by PATH");
  EXPECT_EQ(sample.holder("tmp/start.sh"), "named by Cmd");
  EXPECT_EQ(sample.holder("tmp/work/app.py"), "named by WorkingDir");
  EXPECT_EQ(sample.holder("tmp/scratch/x"), "");
  EXPECT_EQ(sample.holder("tmp/other"), "") << "/tmp alone names nothing in it";
}

}  // namespace
}  // namespace flense::slim

#include <gmock/gmock.h>

#include "image/layers/testing_image.h"
#include "image/model/image.h"

namespace flense::image {
namespace {

using namespace fixture;
using ::testing::HasSubstr;

std::vector<TestLayer> two_layers(Compression compression = Compression::kGzip) {
  return {{Tar().dir("app").file("app/a", "one").bytes(), compression, "/bin/sh -c make a"},
          {Tar().file("app/b", "two").bytes(), compression, "COPY b /app # buildkit"}};
}

std::string error_of(const Result<std::unique_ptr<const Image>>& result) {
  if (result) return "no error";
  return render(result.error());
}

Result<std::unique_ptr<const Image>> open_bytes(const std::string& bytes, std::string_view ref = "",
                                                const OpenOptions& options = {}) {
  return open_archive_bytes(as_bytes(bytes), "test.tar", ref, options);
}

TEST(OpenOci, LayoutDirectory) {
  const TempDir dir;
  Oci oci;
  oci.add_image(two_layers(), "app:1");
  write_files(dir / "layout", oci.all());
  const auto image = must(open_image((dir / "layout").string(), {}));
  EXPECT_EQ(image->form, Form::kOciLayout);
  EXPECT_EQ(image->manifest_text, oci.manifest_text);
  EXPECT_EQ(image->manifest_digest, digest_of(oci.manifest_text));
  EXPECT_EQ(image->platform.text(), "linux/amd64");
  ASSERT_EQ(image->layers.size(), 2U);
  EXPECT_EQ(image->layers[0].instruction, "RUN make a");
  EXPECT_EQ(image->layers[1].instruction, "COPY b /app");
  EXPECT_EQ(image->layers[1].compression, Compression::kGzip);
  EXPECT_EQ(must(walk_all(*image, 0)).content.at("app/a"), "one");
  EXPECT_EQ(must(walk_all(*image, 1)).content.at("app/b"), "two");
  EXPECT_TRUE(image->layer_file(0));
  // By transport and tag, too.
  EXPECT_TRUE(open_image("oci:" + (dir / "layout").string() + ":app:1", {}));
  EXPECT_THAT(error_of(open_image("oci:" + (dir / "layout").string() + ":app:2", {})),
              HasSubstr("has no image named app:2; it has app:1"));
}

TEST(OpenOci, EveryCompressionInAnArchive) {
  for (const Compression compression :
       {Compression::kNone, Compression::kGzip, Compression::kZstd}) {
    Oci oci;
    oci.add_image(two_layers(compression));
    const std::string bytes = tar_of(oci.all());
    const auto image = must(open_bytes(bytes));
    EXPECT_EQ(image->form, Form::kOciArchive);
    EXPECT_EQ(image->layers[0].compression, compression);
    EXPECT_EQ(must(walk_all(*image, 1)).lines, std::vector<std::string>{"f app/b"});
  }
}

TEST(OpenOci, WholeArchiveCompressed) {
  const TempDir dir;
  Oci oci;
  oci.add_image(two_layers());
  for (const Compression compression : {Compression::kGzip, Compression::kZstd}) {
    write_file(dir / "image.tar.x", encode(tar_of(oci.all()), compression));
    OpenOptions options;
    options.scratch_directory = dir.path();
    const auto image = must(open_image((dir / "image.tar.x").string(), options));
    EXPECT_EQ(must(walk_all(*image, 0)).content.at("app/a"), "one");
  }
}

TEST(OpenOci, NestedIndexAttestationsAndPlatforms) {
  Oci oci;
  const auto with_platform = [](Json entry, const char* architecture) {
    return entry.set("platform",
                     Json::object().set("os", "linux").set("architecture", architecture));
  };
  Json inner = Json::array();
  inner.push(with_platform(oci.image(two_layers(), "s390x"), "s390x"));
  inner.push(with_platform(oci.image(two_layers(), "arm64"), "arm64"));
  Json attestation = oci.image({}, "amd64");
  attestation.set("platform", Json::object().set("os", "unknown").set("architecture", "unknown"));
  inner.push(attestation);
  oci.add(oci.descriptor("application/vnd.oci.image.index.v1+json",
                         text::dump_json(Oci::index_of(inner))));
  const std::string bytes = tar_of(oci.all());
  OpenOptions options;
  options.platform = "linux/arm64";
  const auto image = must(open_bytes(bytes, "", options));
  EXPECT_EQ(image->platform.architecture, "arm64");
  EXPECT_THAT(image->notices, testing::ElementsAre(HasSubstr("attestation")));
  options.platform = "linux/riscv64";
  EXPECT_THAT(error_of(open_bytes(bytes, "", options)),
              HasSubstr("has no image for linux/riscv64; it has linux/arm64, linux/s390x"));
}

TEST(OpenOci, PlatformFromTheConfiguration) {
  Oci oci;
  oci.add(oci.image(two_layers(), "arm64"));
  oci.add(oci.image(two_layers(), "s390x"));
  OpenOptions options;
  options.platform = "linux/s390x";
  EXPECT_EQ(must(open_bytes(tar_of(oci.all()), "", options))->platform.architecture, "s390x");
}

TEST(OpenOci, OneForeignPlatformIsTakenAsItIs) {
  Oci oci;
  oci.add(oci.image(two_layers(), "s390x"));
  EXPECT_EQ(must(open_bytes(tar_of(oci.all())))->platform.architecture, "s390x");
}

TEST(OpenOci, SeveralImagesNeedAName) {
  Oci oci;
  oci.add_image(two_layers(), "one");
  oci.add_image({two_layers()[0]}, "two");
  const std::string bytes = tar_of(oci.all());
  EXPECT_THAT(error_of(open_bytes(bytes)), HasSubstr("holds several images: one, two"));
  EXPECT_EQ(must(open_bytes(bytes, "two"))->layers.size(), 1U);
}

TEST(OpenOci, IndexNestedWithoutEnd) {
  Oci oci;
  Json entry = oci.image(two_layers());
  for (int i = 0; i < 10; ++i) {
    entry = oci.descriptor("application/vnd.oci.image.index.v1+json",
                           text::dump_json(Oci::index_of(Json::array().push(entry))));
  }
  oci.add(entry);
  EXPECT_THAT(error_of(open_bytes(tar_of(oci.all()))), HasSubstr("nested more than"));
}

TEST(OpenOci, DamageIsNamed) {
  Oci oci;
  oci.add_image(two_layers());
  const Files good = oci.all();
  const std::string manifest = "blobs/sha256/" + digest_of(oci.manifest_text).substr(7);
  const std::string layer =
      "blobs/sha256/" + digest_of(encode(two_layers()[0].tar, Compression::kGzip)).substr(7);

  Files files = good;
  files[manifest].back() = ' ';
  EXPECT_THAT(error_of(open_bytes(tar_of(files))), HasSubstr("content has digest"));
  files = good;
  files[manifest] += " ";
  EXPECT_THAT(error_of(open_bytes(tar_of(files))), HasSubstr("its descriptor says"));
  files = good;
  files.erase(manifest);
  EXPECT_THAT(error_of(open_bytes(tar_of(files))), HasSubstr("is missing"));
  files = good;
  files.erase(layer);
  EXPECT_THAT(error_of(open_bytes(tar_of(files))), HasSubstr("layer 1"));
  files = good;
  files[layer] += "x";
  EXPECT_THAT(error_of(open_bytes(tar_of(files))), HasSubstr("the manifest says"));
  files = good;
  files.erase("index.json");
  EXPECT_THAT(error_of(open_bytes(tar_of(files))), HasSubstr("neither index.json nor"));
}

TEST(OpenOci, TruncatedArchiveNeverCrashes) {
  Oci oci;
  oci.add_image(two_layers());
  const std::string bytes = tar_of(oci.all());
  for (std::size_t size = 0; size < bytes.size(); size += 97) {
    const std::string cut = bytes.substr(0, size);
    const auto image = open_bytes(cut);
    if (!image) continue;
    for (std::size_t i = 0; i < (*image)->layers.size(); ++i) (void)walk_all(**image, i);
  }
}

TEST(OpenOci, ForeignAndUnknownLayers) {
  const auto retype = [&](const std::string& type, bool keep) {
    Oci other;
    Json image = other.image(two_layers());
    Json manifest = must(text::parse_json(other.manifest_text, "m"));
    Json layers = manifest["layers"];
    Json list = Json::array();
    for (const Json& item : layers.items()) {
      Json copy = item;
      copy.set("mediaType", type);
      list.push(copy);
      if (!keep) other.files.erase("blobs/sha256/" + std::string(item["digest"].text().substr(7)));
    }
    manifest.set("layers", list);
    other.add(
        other.descriptor("application/vnd.oci.image.manifest.v1+json", text::dump_json(manifest)));
    return error_of(open_bytes(tar_of(other.all())));
  };
  EXPECT_THAT(retype("application/vnd.oci.image.layer.nondistributable.v1.tar+gzip", false),
              HasSubstr("is foreign"));
  EXPECT_EQ(retype("application/vnd.oci.image.layer.nondistributable.v1.tar+gzip", true),
            "no error");
  EXPECT_THAT(retype("application/x-thing", true), HasSubstr("unknown layer media type"));
}

TEST(OpenOci, ArtifactIsNoImage) {
  Oci oci;
  const Json manifest =
      Json::object()
          .set("schemaVersion", 2)
          .set("config", oci.descriptor("application/vnd.cncf.helm.config.v1+json", "{}"))
          .set("layers", Json::array());
  oci.add(oci.descriptor("application/vnd.oci.image.manifest.v1+json", text::dump_json(manifest)));
  EXPECT_THAT(error_of(open_bytes(tar_of(oci.all()))),
              HasSubstr("artifact of type application/vnd.cncf.helm.config.v1+json"));
}

TEST(OpenDocker, LegacySave) {
  const std::string bytes = tar_of(docker_files(two_layers(Compression::kNone), "app:1"));
  const auto image = must(open_bytes(bytes));
  EXPECT_EQ(image->form, Form::kDockerArchive);
  EXPECT_EQ(image->tags, std::vector<std::string>{"app:1"});
  EXPECT_EQ(image->layers[0].blob.digest, image->layers[0].diff_id);
  EXPECT_EQ(must(walk_all(*image, 1)).content.at("app/b"), "two");
  EXPECT_TRUE(open_bytes(bytes, "app:1"));
  EXPECT_TRUE(open_bytes(bytes, "docker.io/library/app:1"));
  EXPECT_THAT(error_of(open_bytes(bytes, "other")), HasSubstr("it has app:1"));
}

TEST(OpenDocker, LayersAsLinksAndGzip) {
  // A layer saved twice is a symbolic link the second time.
  std::vector<TestLayer> layers = two_layers(Compression::kGzip);
  layers.push_back(layers[0]);
  Files files = docker_files(layers, "app:1", {"a/layer.tar", "b/layer.tar", "c/layer.tar"});
  Tar tar;
  tar.file("a/layer.tar", encode(layers[0].tar, Compression::kGzip));
  tar.file("b/layer.tar", layers[1].tar);
  tar.symlink("c/layer.tar", "../a/layer.tar");
  for (const auto& [name, content] : files) tar.file(name, content);
  const std::string bytes = tar.bytes();
  const auto image = must(open_bytes(bytes));
  EXPECT_EQ(image->layers[0].compression, Compression::kGzip);
  EXPECT_EQ(image->layers[1].compression, Compression::kNone);
  EXPECT_EQ(must(walk_all(*image, 2)).content.at("app/a"), "one");
}

TEST(OpenDocker, LinkLoopAndEscape) {
  for (const char* target : {"layer.tar", "../../../../etc/passwd", "/etc/passwd"}) {
    Tar tar;
    tar.symlink("a/layer.tar", target);
    for (const auto& [name, content] : docker_files({two_layers()[0]}, "app:1", {"a/layer.tar"})) {
      tar.file(name, content);
    }
    EXPECT_FALSE(open_bytes(tar.bytes())) << target;
  }
}

TEST(OpenDocker, MemberOutsideTheRoot) {
  Files files = docker_files(two_layers(), "app:1");
  files["../../evil"] = "x";
  EXPECT_THAT(error_of(open_bytes(tar_of(files))), HasSubstr("leave the image root"));
}

TEST(OpenDocker, ConfigUnderAWrongDigest) {
  Files files = docker_files(two_layers(), "app:1");
  for (auto& [name, content] : files) {
    if (name.ends_with(".json") && name != "manifest.json") content += " ";
  }
  EXPECT_THAT(error_of(open_bytes(tar_of(files))), HasSubstr("has digest"));
}

TEST(OpenDocker, Docker25HasBoth) {
  Oci oci;
  oci.add_image(two_layers(Compression::kNone), "1");
  Files files = oci.all();
  Json layers = Json::array();
  for (const TestLayer& layer : two_layers(Compression::kNone)) {
    layers.push("blobs/sha256/" + digest_of(layer.tar).substr(7));
  }
  files["manifest.json"] = text::dump_json(Json::array().push(
      Json::object()
          .set("Config", "blobs/sha256/" + digest_of(text::dump_json(oci.config)).substr(7))
          .set("RepoTags", Json::array().push("app:1"))
          .set("Layers", layers)));
  const std::string bytes = tar_of(files);
  const auto image = must(open_bytes(bytes));
  EXPECT_EQ(image->form, Form::kDockerArchive);
  EXPECT_EQ(image->tags, std::vector<std::string>{"app:1"});
  EXPECT_EQ(image->manifest_digest, digest_of(oci.manifest_text));
  EXPECT_TRUE(open_bytes(bytes, "app:1"));
}

TEST(OpenPath, KindsByContent) {
  const TempDir dir;
  write_file(dir / "lib.so", std::string("\x7f"
                                         "ELF\2\1\1",
                                         7));
  const auto elf = must(open_image((dir / "lib.so").string(), {}));
  EXPECT_EQ(elf->form, Form::kElfFile);
  EXPECT_EQ(must(walk_all(*elf, 0)).lines, std::vector<std::string>{"f lib.so"});
  write_file(dir / "notes.txt", "hello");
  EXPECT_THAT(error_of(open_image((dir / "notes.txt").string(), {})), HasSubstr("no kind known"));
  EXPECT_THAT(error_of(open_image((dir / "absent.tar").string(), {})),
              HasSubstr("no such file or directory"));
  const std::string root = Tar().dir("etc").file("etc/passwd", "root").bytes();
  write_file(dir / "root.tar", root);
  EXPECT_THAT(error_of(open_image((dir / "root.tar").string(), {})), HasSubstr("root file system"));
  EXPECT_THAT(error_of(open_image("", {})), HasSubstr("empty target"));
}

TEST(OpenDirectory, WalksWithoutFollowing) {
  const TempDir dir;
  const auto root = dir / "root";
  write_file(root / "usr/lib/a.so", "aaa");
  write_file(root / "usr/lib/empty", "");
  std::filesystem::create_hard_link(root / "usr/lib/a.so", root / "usr/lib/b.so");
  std::filesystem::create_directory_symlink("/", root / "usr/up");
  std::filesystem::create_symlink("a.so", root / "usr/lib/link");
  const auto image = must(open_image(root.string(), {}));
  EXPECT_EQ(image->form, Form::kDirectory);
  ASSERT_EQ(image->layers.size(), 1U);
  const Seen seen = must(walk_all(*image, 0));
  EXPECT_THAT(seen.lines, testing::ElementsAre("d usr", "d usr/lib", "f usr/lib/a.so",
                                               "h usr/lib/b.so = usr/lib/a.so", "f usr/lib/empty",
                                               "l usr/lib/link -> a.so", "l usr/up -> /"));
  EXPECT_EQ(seen.content.at("usr/lib/a.so"), "aaa");
}

}  // namespace
}  // namespace flense::image

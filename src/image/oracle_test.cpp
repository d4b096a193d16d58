// Second opinions: what we write is read by skopeo, umoci and podman, what they write by us.
#include <gmock/gmock.h>

#include "base/process.h"
#include "image/layers/merged_tree.h"
#include "image/layers/testing_image.h"
#include "image/output/push.h"
#include "image/output/writer.h"
#include "image/sources/skopeo.h"

namespace flense::image {
namespace {

using namespace fixture;

#define NEED(program) \
  if (!find_program(program)) GTEST_SKIP() << program " is not installed"

ProcessOutput run(const std::vector<std::string>& argv) {
  ProcessOutput out = must(run_process(argv));
  EXPECT_EQ(out.status, 0) << argv[0] << ": " << out.err;
  return out;
}

std::vector<TestLayer> layers(Compression compression) {
  return {{Tar()
               .dir("usr")
               .dir("usr/lib")
               .file("usr/lib/a.so", std::string(100000, 'a'))
               .symlink("lib", "usr/lib")
               .hardlink("usr/lib/b.so", "usr/lib/a.so")
               .dir("etc")
               .file("etc/conf", "1")
               .file("etc/gone", "x")
               .dir("var")
               .file("var/old", "x")
               .bytes(),
           compression, "base"},
          {Tar()
               .dir("etc")
               .file("etc/.wh.gone", "")
               .file("etc/conf", "22")
               .file("lib/c.so", "c")
               .dir("var")
               .file("var/.wh..wh..opq", "")
               .file("var/new", "n")
               .bytes(),
           compression, "edit"}};
}

/// Writes the layers by our writer; the layout's path.
std::filesystem::path write_image(const TempDir& dir, OutputForm form, Compression compression) {
  Oci oci;
  oci.add_image(layers(compression));
  write_files(dir / "in", oci.all());
  const auto image = must(open_image((dir / "in").string(), {}));
  const auto path = dir / "out";
  auto writer = must(ImageWriter::create({form, path, "app:slim"}));
  std::vector<ImageWriter::LayerResult> results;
  for (std::size_t i = 0; i < 2; ++i) results.push_back(must(writer->copy_layer(*image, i)));
  must(writer->commit(image->config, Json(), results));
  return path;
}

TEST(Oracle, SkopeoReadsEveryForm) {
  NEED("skopeo");
  const std::pair<OutputForm, std::string> forms[] = {
      {OutputForm::kOciLayout, "oci:"},
      {OutputForm::kOciArchive, "oci-archive:"},
      {OutputForm::kDockerArchive, "docker-archive:"}};
  for (const auto& [form, transport] : forms) {
    const TempDir dir;
    const auto path = write_image(dir, form, Compression::kGzip);
    run({"skopeo", "inspect", transport + path.string()});
    run({"skopeo", "copy", "--insecure-policy", transport + path.string(),
         "dir:" + (dir / "copy").string()});
    // And back: skopeo's dir: transport is read, layer digests are the same where kept compressed.
    const auto image = must(open_image("dir:" + (dir / "copy").string(), {}));
    EXPECT_EQ(must(walk_all(*image, 1)).content.at("etc/conf"), "22");
  }
}

TEST(Oracle, WeReadWhatSkopeoWrites) {
  NEED("skopeo");
  const TempDir dir;
  const auto path = write_image(dir, OutputForm::kOciLayout, Compression::kGzip);
  for (const char* transport : {"docker-archive:", "oci-archive:", "oci:"}) {
    const auto copy = (dir / "copy").string();
    run({"skopeo", "copy", "--insecure-policy", "oci:" + path.string(),
         transport + copy + ":app:1"});
    const auto image = must(open_image(transport + copy, {}));
    EXPECT_EQ(must(walk_all(*image, 1)).content.at("etc/conf"), "22") << transport;
    EXPECT_TRUE(open_image(transport + copy + ":app:1", {})) << transport;
    std::filesystem::remove_all(copy);
  }
}

TEST(Oracle, UmociUnpacksTheSameTree) {
  NEED("umoci");
  const TempDir dir;
  const auto path = write_image(dir, OutputForm::kOciLayout, Compression::kGzip);
  run({"umoci", "unpack", "--rootless", "--image", path.string() + ":slim",
       (dir / "bundle").string()});
  const auto theirs = must(open_image((dir / "bundle/rootfs").string(), {}));
  // Our own extraction.
  const auto image = must(open_image(path.string(), {}));
  auto writer = must(ImageWriter::create({OutputForm::kDirectory, dir / "ours", ""}));
  std::vector<ImageWriter::LayerResult> results;
  for (std::size_t i = 0; i < 2; ++i) results.push_back(must(writer->copy_layer(*image, i)));
  must(writer->commit(image->config, Json(), results));
  const auto ours = must(open_image((dir / "ours").string(), {}));
  const Seen a = must(walk_all(*theirs, 0)), b = must(walk_all(*ours, 0));
  EXPECT_EQ(a.lines, b.lines);
  EXPECT_EQ(a.content, b.content);
  // And the model.
  std::vector<std::shared_ptr<const LayerListing>> listings;
  for (std::size_t i = 0; i < 2; ++i) {
    auto listing = std::make_shared<LayerListing>();
    must(walk_layer(*image, i, {}, [&](const LayerEntry& entry, EntryContent*, codec::TarReader*) {
      return listing->add(entry);
    }));
    listings.push_back(std::move(listing));
  }
  const MergedTree tree = must(MergedTree::build(listings));
  std::vector<std::string> model, real;
  must(tree.for_each([&](const std::string& p, const MergedTree::Found&) -> Result<void> {
    model.push_back(p);
    return {};
  }));
  must(walk_layer(*theirs, 0, {},
                  [&](const LayerEntry& entry, EntryContent*, codec::TarReader*) -> Result<void> {
                    real.push_back(entry.path);
                    return {};
                  }));
  EXPECT_EQ(model, real);
}

TEST(Oracle, PodmanLoadsOurArchives) {
  NEED("podman");
  const TempDir dir;
  for (const OutputForm form : {OutputForm::kDockerArchive, OutputForm::kOciArchive}) {
    const TempDir work;
    const auto path = write_image(work, form, Compression::kGzip);
    const std::vector<std::string> podman = {
        "podman",           "--root", (dir / "root").string(), "--runroot", (dir / "run").string(),
        "--storage-driver", "vfs"};
    auto load = podman;
    load.insert(load.end(), {"load", "-i", path.string()});
    const ProcessOutput out = must(run_process(load));
    if (out.status != 0 && out.err.find("permitted") != std::string::npos) {
      GTEST_SKIP() << "podman may not run here: " << out.err;
    }
    EXPECT_EQ(out.status, 0) << out.err;
    auto list = podman;
    list.insert(list.end(), {"images", "--format", "{{.Repository}}:{{.Tag}}"});
    EXPECT_THAT(run(list).out, testing::HasSubstr("app:slim"));
    auto remove = podman;
    remove.insert(remove.end(), {"rmi", "--all", "--force"});
    run(remove);
  }
}

TEST(Oracle, SquashfsHoldsTheSameTree) {
  NEED("mksquashfs");
  const TempDir dir;
  const auto root = dir / "root";
  write_file(root / "usr/lib/a.so", std::string(300000, 'a'));
  write_file(root / "usr/empty", "");
  std::filesystem::create_hard_link(root / "usr/lib/a.so", root / "usr/lib/b.so");
  std::filesystem::create_symlink("lib", root / "usr/link");
  run({"mksquashfs", root.string(), (dir / "x.sqsh").string(), "-quiet", "-no-progress"});
  const auto image = must(open_image((dir / "x.sqsh").string(), {}));
  EXPECT_EQ(image->form, Form::kSquashfs);
  Seen packed = must(walk_all(*image, 0));
  std::erase(packed.lines, "d ");
  const Seen plain = must(walk_all(*must(open_image(root.string(), {})), 0));
  EXPECT_EQ(packed.lines, plain.lines);
  EXPECT_EQ(packed.content, plain.content);
}

TEST(Oracle, SkopeoSourcesGoThroughTheCache) {
  NEED("skopeo");
  const TempDir dir;
  OpenOptions options;
  options.cache_directory = dir / "cache";
  const auto missing = open_image("docker://127.0.0.1:9/none:1", options);
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code, Code::kEnvironment);
  EXPECT_THAT(missing.error().message, testing::HasSubstr("nothing listens at 127.0.0.1:9"));
  EXPECT_TRUE(must(list_cached_images(dir / "cache")).empty());
}

TEST(Oracle, RegistryThereAndBack) {
  NEED("skopeo");
  NEED("docker-registry");
  const TempDir dir;
  const int port = 20000 + static_cast<int>(::getpid()) % 20000;
  write_file(dir / "config.yml",
             fmt::format("version: 0.1\nstorage: {{filesystem: {{rootdirectory: {}}}}}\n"
                         "http: {{addr: 127.0.0.1:{}}}\nlog: {{level: error}}\n",
                         (dir / "data").string(), port));
  const auto registry =
      must(ChildProcess::start({"docker-registry", "serve", (dir / "config.yml").string()}, {}));
  OpenOptions options;
  options.cache_directory = dir / "cache";
  const std::string name = fmt::format("docker://127.0.0.1:{}/a/b:1", port);
  const auto path = write_image(dir, OutputForm::kOciLayout, Compression::kGzip);
  Result<void> pushed;
  for (int attempt = 0; attempt < 50; ++attempt) {
    pushed = push_image(path, name);
    if (pushed) break;
    ::usleep(100'000);
  }
  must(pushed);
  // Its configuration can be asked for before anything is pulled.
  OpenOptions config_only;
  config_only.config_only = true;
  config_only.cache_directory = options.cache_directory;
  const auto remote = must(open_image(name, config_only));
  const auto local = must(open_image(path.string(), {}));
  EXPECT_EQ(remote->config_text, local->config_text);
  EXPECT_EQ(remote->layers.size(), local->layers.size());
  EXPECT_EQ(remote->layers[1].diff_id, local->layers[1].diff_id);
  EXPECT_FALSE(remote->open_layer(0));
  EXPECT_TRUE(must(list_cached_images(options.cache_directory)).empty());
  for (int round = 0; round < 2; ++round) {
    const auto image = must(open_image(name, options));
    EXPECT_EQ(image->name, name);
    EXPECT_EQ(image->layers[0].blob.digest,
              must(open_image(path.string(), {}))->layers[0].blob.digest);
    EXPECT_EQ(must(walk_all(*image, 1)).content.at("etc/conf"), "22");
  }
  const auto cached = must(list_cached_images(options.cache_directory));
  ASSERT_EQ(cached.size(), 1U);
  EXPECT_EQ(cached[0].blobs.size(), 4U);
  EXPECT_TRUE(must(verify_cached_blobs(options.cache_directory)).empty());
  // A damaged blob is told; pruning everything leaves nothing.
  const auto blob = dir / ("cache/images/blobs/sha256/" + cached[0].blobs[3].substr(7));
  std::ofstream(blob, std::ios::app) << "x";
  EXPECT_EQ(must(verify_cached_blobs(options.cache_directory)),
            std::vector<std::string>{cached[0].blobs[3]});
  EXPECT_EQ(
      must(prune_cached_images(options.cache_directory, [](const CachedImage&) { return false; })),
      0U);
  EXPECT_GT(
      must(prune_cached_images(options.cache_directory, [](const CachedImage&) { return true; })),
      0U);
  EXPECT_TRUE(must(list_cached_images(options.cache_directory)).empty());
}

TEST(Oracle, MissingSkopeoIsNamed) {
  const std::string path = std::getenv("PATH") == nullptr ? "" : std::getenv("PATH");
  const TempDir dir;
  OpenOptions options;
  options.cache_directory = dir / "cache";
  ::setenv("PATH", "/nonexistent", 1);
  const auto image = open_image("docker://quay.io/a/b:1", options);
  ::setenv("PATH", path.c_str(), 1);
  ASSERT_FALSE(image);
  EXPECT_EQ(image.error().code, Code::kEnvironment);
  EXPECT_THAT(image.error().message, testing::HasSubstr("skopeo is not installed"));
  EXPECT_FALSE(image.error().hint.empty());
}

}  // namespace
}  // namespace flense::image

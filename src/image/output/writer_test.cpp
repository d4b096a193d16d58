#include "image/output/writer.h"
#include "image/model/reference.h"

#include <gmock/gmock.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include "image/layers/extract.h"
#include "image/layers/testing_image.h"
#include "image/model/model.h"

namespace flense::image {
namespace {

using namespace fixture;
using ::testing::HasSubstr;

struct Input {
  TempDir dir;
  std::unique_ptr<const Image> image;
  explicit Input(Compression compression) {
    Oci oci;
    oci.add_image({{Tar().dir("app").file("app/a", "one").bytes(), compression, "a"},
                   {Tar().file("app/b", "two").bytes(), compression, "b"}},
                  "in:1");
    write_files(dir / "in", oci.all());
    image = must(open_image((dir / "in").string(), {}));
  }
};

OutputSpec spec_of(OutputForm form, const std::filesystem::path& path,
                   const std::string& tag = "app:slim") {
  return {form, path, tag};
}

/// Copies the first layer, replaces the second.
Result<std::string> rewrite(const Image& image, const OutputSpec& spec, Compression compression) {
  TRY(auto writer, ImageWriter::create(spec));
  TRY(const auto first, writer->copy_layer(image, 0));
  TRY(auto sink, writer->begin_layer(compression, {}));
  TRY_DO(sink->write(as_bytes(Tar().file("app/c", "three").file("app/.wh.a", "").bytes())));
  TRY_DO(sink->finish());
  Json config = image.config;
  Json ids = Json::array().push(first.diff_id).push(sink->result().diff_id);
  config.set("rootfs", Json::object().set("type", "layers").set("diff_ids", ids));
  return writer->commit(config, Json::object().set("k", "v"), {first, sink->result()});
}

TEST(Outputs, AreParsed) {
  EXPECT_EQ(parse_output("out.tar", "")->form, OutputForm::kDockerArchive);
  EXPECT_EQ(parse_output("out", "")->form, OutputForm::kOciLayout);
  EXPECT_EQ(parse_output("dir:out", "")->form, OutputForm::kDirectory);
  const auto archive = parse_output("oci-archive:x.tar:app:1", "");
  EXPECT_EQ(archive->form, OutputForm::kOciArchive);
  EXPECT_EQ(archive->path, "x.tar");
  EXPECT_EQ(archive->tag, "app:1");
  EXPECT_EQ(parse_output("oci:x:app:1", "other:2")->tag, "other:2");
  EXPECT_FALSE(parse_output("", ""));
  // No such file is written, and no directory is meant; a transport says that one is.
  EXPECT_FALSE(parse_output("slim.zip", ""));
  EXPECT_FALSE(parse_output("slim.tar.gz", ""));
  EXPECT_EQ(parse_output("oci:slim.zip", "")->path, "slim.zip");
  EXPECT_FALSE(parse_output("oci:", ""));
  for (const TransportForm& form : transport_forms())
    if (form.is_engine)
      EXPECT_FALSE(parse_output(std::string(form.prefix) + "x", "")) << form.prefix;
  EXPECT_FALSE(parse_output("oci:x", "NOT A TAG"));
}

TEST(Writer, EveryFormReadsBack) {
  const Input input(Compression::kGzip);
  for (const OutputForm form :
       {OutputForm::kOciLayout, OutputForm::kOciArchive, OutputForm::kDockerArchive}) {
    const auto path = input.dir / fmt::format("out{}", static_cast<int>(form));
    const std::string digest = must(rewrite(*input.image, spec_of(form, path), Compression::kGzip));
    const auto image = must(open_image(path.string(), {}));
    EXPECT_EQ(image->manifest_digest, digest);
    EXPECT_EQ(image->layers[0].blob.digest, input.image->layers[0].blob.digest);
    EXPECT_EQ(image->manifest_annotations["k"].text(), "v");
    EXPECT_THAT(must(walk_all(*image, 0)).lines, testing::ElementsAre("d app", "f app/a"));
    EXPECT_EQ(must(walk_all(*image, 1)).content.at("app/c"), "three");
    EXPECT_THAT(image->tags,
                testing::ElementsAre(testing::AnyOf("app:slim", "docker.io/library/app:slim")));
  }
  // Nothing but the outputs remains.
  std::vector<std::string> left;
  for (const auto& item : std::filesystem::directory_iterator(input.dir.path())) {
    left.push_back(item.path().filename().string());
  }
  EXPECT_THAT(left, testing::UnorderedElementsAre("in", "out0", "out1", "out2"));
}

TEST(Writer, SameInputSameBytes) {
  const Input input(Compression::kGzip);
  for (const OutputForm form : {OutputForm::kOciArchive, OutputForm::kDockerArchive}) {
    const auto a = input.dir / "a.tar", b = input.dir / "b.tar";
    EXPECT_EQ(must(rewrite(*input.image, spec_of(form, a), Compression::kGzip)),
              must(rewrite(*input.image, spec_of(form, b), Compression::kGzip)));
    EXPECT_EQ(must(read_file(a, 1u << 30)), must(read_file(b, 1u << 30)));
    std::filesystem::remove(a);
    std::filesystem::remove(b);
  }
}

TEST(Writer, UntouchedLayersAreLinked) {
  const Input input(Compression::kZstd);
  const auto path = input.dir / "out";
  must(rewrite(*input.image, spec_of(OutputForm::kOciLayout, path), Compression::kZstd));
  const std::string name = "blobs/sha256/" + input.image->layers[0].blob.digest.substr(7);
  EXPECT_TRUE(std::filesystem::equivalent(path / name, input.dir / ("in/" + name)));
}

TEST(Writer, ALayerThatLiesTwiceIsCopied) {
  const TempDir dir;
  Oci oci;
  const std::string tar = Tar().dir("app").file("app/a", "one").bytes();
  oci.add_image({{tar, Compression::kZstd, "a"}, {tar, Compression::kZstd, "a"}}, "in:1");
  write_files(dir / "in", oci.all());
  const auto image = must(open_image((dir / "in").string(), {}));
  must(rewrite(*image, spec_of(OutputForm::kOciLayout, dir / "out"), Compression::kZstd));
  const std::string name = "blobs/sha256/" + image->layers[0].blob.digest.substr(7);
  EXPECT_EQ(must(read_file(dir / ("out/" + name), 1u << 20)),
            must(read_file(dir / ("in/" + name), 1u << 20)));
  EXPECT_EQ(std::filesystem::hard_link_count(dir / ("in/" + name)), 1U);
}

TEST(Writer, LazyLayersAndTheirAnnotationsReadBack) {
  const Input input(Compression::kGzip);
  const auto path = input.dir / "lazy", again = input.dir / "again";
  const auto writer = must(ImageWriter::create(spec_of(OutputForm::kOciLayout, path)));
  const std::string tar = Tar().dir("d").file("d/a", "one").bytes();
  const auto layer = must(writer->write_estargz(as_bytes(tar), "layer", {{0, 1}, 0}, {}));
  Json config = input.image->config;
  config.set(
      "rootfs",
      Json::object().set("type", "layers").set("diff_ids", Json::array().push(layer.diff_id)));
  must(writer->commit(config, Json::object(), {layer}));
  const auto image = must(open_image(path.string(), {}));
  ASSERT_EQ(image->layers.size(), 1U);
  EXPECT_TRUE(is_estargz(image->layers[0]));
  EXPECT_EQ(image->layers[0].blob.annotations, layer.blob.annotations);
  EXPECT_EQ(must(walk_all(*image, 0)).content.at("d/a"), "one");
  // As they are when the layer is taken over.
  const auto copy = must(ImageWriter::create(spec_of(OutputForm::kOciLayout, again)));
  const auto taken = must(copy->copy_layer(*image, 0));
  must(copy->commit(config, Json::object(), {taken}));
  EXPECT_EQ(must(open_image(again.string(), {}))->layers[0].blob.annotations,
            layer.blob.annotations);
  const auto directory =
      must(ImageWriter::create(spec_of(OutputForm::kDirectory, input.dir / "tree")));
  EXPECT_FALSE(directory->write_estargz(as_bytes(tar), "layer", {{0, 1}, 0}, {}));
}

TEST(Writer, ZstdHasNoPlaceInDockerArchives) {
  const Input input(Compression::kZstd);
  const auto path = input.dir / "out.tar";
  const auto result =
      rewrite(*input.image, spec_of(OutputForm::kDockerArchive, path), Compression::kGzip);
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, Code::kUsage);
  EXPECT_THAT(result.error().hint, HasSubstr("oci"));
  EXPECT_FALSE(std::filesystem::exists(path));
}

TEST(Writer, ExistingOutputIsKept) {
  const Input input(Compression::kGzip);
  for (const OutputForm form : {OutputForm::kOciLayout, OutputForm::kOciArchive,
                                OutputForm::kDockerArchive, OutputForm::kDirectory}) {
    const auto path = input.dir / "there";
    write_file(path, "precious");
    const auto result = rewrite(*input.image, spec_of(form, path), Compression::kGzip);
    ASSERT_FALSE(result);
    EXPECT_THAT(result.error().message, HasSubstr("already exists"));
    EXPECT_FALSE(result.error().hint.empty());
    EXPECT_EQ(must(read_file(path, 100)), "precious");
  }
}

TEST(Writer, PlainDockerLayerStaysPlain) {
  const TempDir dir;
  const std::string bytes =
      tar_of(docker_files({{Tar().file("a", "1").bytes(), Compression::kNone, ""}}, "x:1"));
  write_file(dir / "in.tar", bytes);
  const auto image = must(open_image((dir / "in.tar").string(), {}));
  must(rewrite(*image, spec_of(OutputForm::kOciLayout, dir / "out"), Compression::kGzip));
  const auto out = must(open_image((dir / "out").string(), {}));
  EXPECT_EQ(out->layers[0].blob.media_type, "application/vnd.oci.image.layer.v1.tar");
  EXPECT_EQ(out->layers[0].diff_id, image->layers[0].diff_id);
  EXPECT_EQ(out->layers[0].blob.digest, image->layers[0].diff_id);
}

TEST(Writer, DamagedLayerIsNotPassedOn) {
  const Input input(Compression::kGzip);
  const std::string name = input.image->layers[0].blob.digest.substr(7);
  {
    std::fstream blob(input.dir / ("in/blobs/sha256/" + name), std::ios::in | std::ios::out);
    blob.seekp(20);
    blob.put('!');
  }
  const auto path = input.dir / "out.tar";
  EXPECT_FALSE(rewrite(*input.image, spec_of(OutputForm::kOciArchive, path), Compression::kGzip));
  EXPECT_FALSE(std::filesystem::exists(path));
}

TEST(Writer, DirectoryToImageAndBack) {
  const TempDir dir;
  const auto root = dir / "root";
  write_file(root / "bin/tool", "#!/bin/sh\n");
  std::filesystem::permissions(root / "bin/tool", std::filesystem::perms(0755));
  std::filesystem::create_hard_link(root / "bin/tool", root / "bin/same");
  std::filesystem::create_symlink("tool", root / "bin/link");
  const auto image = must(open_image(root.string(), {}));
  auto writer = must(ImageWriter::create(spec_of(OutputForm::kOciLayout, dir / "out")));
  const auto layer = must(writer->copy_layer(*image, 0));
  const Json config =
      Json::object()
          .set("os", "linux")
          .set("architecture", "amd64")
          .set("rootfs", Json::object().set("diff_ids", Json::array().push(layer.diff_id)));
  must(writer->commit(config, Json(), {layer}));
  const auto packed = must(open_image((dir / "out").string(), {}));
  auto unpack = must(ImageWriter::create(spec_of(OutputForm::kDirectory, dir / "again")));
  const auto copied = must(unpack->copy_layer(*packed, 0));
  must(unpack->commit(config, Json(), {copied}));
  const auto again = must(open_image((dir / "again").string(), {}));
  EXPECT_EQ(must(walk_all(*again, 0)).lines, must(walk_all(*image, 0)).lines);
  struct stat status{};
  ASSERT_EQ(::stat((dir / "again/bin/tool").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777U, 0755U);
}

TEST(DirectoryOutput, LayersAreApplied) {
  const Input input(Compression::kGzip);
  const auto path = input.dir / "root";
  must(rewrite(*input.image, spec_of(OutputForm::kDirectory, path), Compression::kGzip));
  const auto image = must(open_image(path.string(), {}));
  EXPECT_THAT(must(walk_all(*image, 0)).lines, testing::ElementsAre("d app", "f app/c"));
  struct stat status{};
  ASSERT_EQ(::stat((path / "app/c").c_str(), &status), 0);
  EXPECT_EQ(status.st_mtime, 1'700'000'000);
}

class Extraction : public testing::Test {
 protected:
  Result<void> add(LayerEntry entry, const std::string& text = "") {
    MemorySource source(as_bytes(text));
    entry.member.size = text.size();
    entry.member.mode = 0755;
    ContentScratch scratch("");
    EntryContent content(source, text.size(), scratch);
    return extractor_.add(entry, entry.member.type == MemberType::kFile ? &content : nullptr);
  }
  static LayerEntry entry(MemberType type, const std::string& path, const std::string& link = "") {
    LayerEntry out;
    out.path = path;
    out.link = link;
    out.member.type = type;
    return out;
  }
  void SetUp() override {
    write_file(outside_ / "secret", "secret");
    std::filesystem::create_directories(root());
    extractor_ = must(Extractor::create(root()));
    must(extractor_.begin_layer());
  }
  std::filesystem::path root() const { return outside_ / "root"; }
  std::string secret() const { return must(read_file(outside_ / "secret", 100)); }

  TempDir outside_;
  Extractor extractor_ = must(Extractor::create("/tmp"));
};

TEST_F(Extraction, SymlinksNeverLeadOut) {
  // Through an absolute link, through "..", and over a link in the last component.
  must(add(entry(MemberType::kSymlink, "abs", outside_.path().string())));
  must(add(entry(MemberType::kSymlink, "up", "../../..")));
  must(add(entry(MemberType::kSymlink, "file", (outside_ / "secret").string())));
  (void)add(entry(MemberType::kFile, "abs/secret"), "evil");
  must(add(entry(MemberType::kFile, "up/secret"), "inside"));
  must(add(entry(MemberType::kFile, "file"), "inside"));
  EXPECT_EQ(secret(), "secret");
  EXPECT_EQ(must(read_file(root() / "secret", 100)), "inside");
  EXPECT_EQ(must(read_file(root() / "file", 100)), "inside");
}

TEST_F(Extraction, HardLinksNeverLeadOut) {
  must(add(entry(MemberType::kSymlink, "out", "../..")));
  EXPECT_FALSE(add(entry(MemberType::kHardLink, "h", "out/secret")));
  EXPECT_FALSE(add(entry(MemberType::kHardLink, "h", "missing")));
  // A hard link to a symbolic link links the link.
  must(add(entry(MemberType::kSymlink, "s", (outside_ / "secret").string())));
  must(add(entry(MemberType::kHardLink, "h", "s")));
  EXPECT_TRUE(std::filesystem::is_symlink(root() / "h"));
  must(add(entry(MemberType::kFile, "h"), "mine"));
  EXPECT_EQ(secret(), "secret");
}

TEST_F(Extraction, WhiteoutsStayInside) {
  must(add(entry(MemberType::kSymlink, "out", "../..")));
  must(extractor_.begin_layer());
  must(add(entry(MemberType::kFile, "out/.wh.secret")));
  must(add(entry(MemberType::kFile, "out/.wh..wh..opq")));
  EXPECT_EQ(secret(), "secret");
}

TEST_F(Extraction, MergedUsrBackToTheRootStaysInside) {
  must(add(entry(MemberType::kSymlink, "usr", "/")));
  must(add(entry(MemberType::kSymlink, "lib64", "/")));
  must(add(entry(MemberType::kFile, "usr/lib64/usr/made"), "inside"));
  EXPECT_EQ(must(read_file(root() / "made", 100)), "inside");
  EXPECT_FALSE(std::filesystem::exists("/made"));
}

TEST_F(Extraction, AufsBookkeepingIsNoContent) {
  must(add(entry(MemberType::kDirectory, ".wh..wh.plnk")));
  must(add(entry(MemberType::kFile, ".wh..wh.aufs")));
  must(add(entry(MemberType::kFile, ".wh..wh.orph/lost"), "x"));
  must(add(entry(MemberType::kFile, "d/.wh..wh.plnk/x"), "x"));
  must(add(entry(MemberType::kFile, ".wh..wh.plnk/.wh.kept")));
  must(add(entry(MemberType::kSymlink, ".wh..wh.plnk/out", outside_.path().string())));
  must(add(entry(MemberType::kFile, ".wh..wh.plnk/1.2"), "shared"));
  must(add(entry(MemberType::kHardLink, "a", ".wh..wh.plnk/1.2")));
  must(add(entry(MemberType::kHardLink, "b", ".wh..wh.plnk/1.2")));
  must(extractor_.begin_layer());
  // Of one layer alone.
  EXPECT_FALSE(add(entry(MemberType::kHardLink, "c", ".wh..wh.plnk/1.2")));
  must(add(entry(MemberType::kFile, ".wh..wh.plnk/3.4"), "more"));
  must(add(entry(MemberType::kHardLink, "d", ".wh..wh.plnk/3.4")));
  must(extractor_.finish());
  EXPECT_EQ(must(read_file(root() / "a", 100)), "shared");
  EXPECT_EQ(std::filesystem::hard_link_count(root() / "b"), 2U);
  EXPECT_EQ(must(read_file(root() / "d", 100)), "more");
  std::vector<std::string> names;
  for (const auto& item : std::filesystem::recursive_directory_iterator(root()))
    names.push_back(item.path().lexically_relative(root()).string());
  std::ranges::sort(names);
  EXPECT_EQ(names, (std::vector<std::string>{"a", "b", "d"}));
}

TEST_F(Extraction, HardLinkOntoItself) {
  must(add(entry(MemberType::kFile, "a"), "text"));
  must(add(entry(MemberType::kHardLink, "a", "a")));
  EXPECT_EQ(must(read_file(root() / "a", 100)), "text");
}

TEST_F(Extraction, ReadOnlyDirectoriesAndModes) {
  LayerEntry dir = entry(MemberType::kDirectory, "ro");
  must(add(dir));
  must(add(entry(MemberType::kFile, "ro/f"), "x"));
  must(extractor_.finish());
  EXPECT_EQ(must(read_file(root() / "ro/f", 10)), "x");
}

TEST_F(Extraction, AReplacedDirectoryGivesItsMetadataToNobody) {
  // As in an upgrade to a merged /usr: lib/x of the lower layer is no more, its path leads to
  // usr/lib/x.
  const auto directory = [&](const std::string& path, std::int64_t mtime) {
    LayerEntry out = entry(MemberType::kDirectory, path);
    out.member.mtime = mtime;
    must(add(out));
  };
  directory("lib", 100);
  directory("lib/x", 200);
  directory("opt", 300);
  directory("opt/y", 400);
  must(extractor_.begin_layer());
  directory("usr", 500);
  directory("usr/lib", 600);
  directory("usr/lib/x", 700);
  must(add(entry(MemberType::kSymlink, "lib", "usr/lib")));
  must(add(entry(MemberType::kFile, ".wh.opt")));
  directory("usr/y", 800);
  must(add(entry(MemberType::kSymlink, "opt", "usr")));
  must(extractor_.begin_layer());
  directory("lib/z", 900);
  must(extractor_.finish());
  const auto mtime = [&](const std::string& path) {
    struct stat status{};
    EXPECT_EQ(::stat((root() / path).c_str(), &status), 0) << path;
    return status.st_mtime;
  };
  EXPECT_EQ(mtime("usr/lib/x"), 700);
  EXPECT_EQ(mtime("usr/lib/z"), 900);
  EXPECT_EQ(mtime("usr/lib"), 600);
  EXPECT_EQ(mtime("usr/y"), 800);
  EXPECT_EQ(mtime("usr"), 500);
}

TEST_F(Extraction, ExtendedAttributes) {
  LayerEntry file = entry(MemberType::kFile, "x");
  file.member.xattrs["user.note"] = "kept";
  must(add(file, "x"));
  std::array<char, 16> value{};
  const auto got = ::getxattr((root() / "x").c_str(), "user.note", value.data(), value.size());
  if (got < 0) GTEST_SKIP() << "this file system has no user attributes";
  EXPECT_EQ(std::string(value.data(), static_cast<std::size_t>(got)), "kept");
}

}  // namespace
}  // namespace flense::image

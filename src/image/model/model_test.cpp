#include "image/model/model.h"

#include <gtest/gtest.h>

#include "image/model/platform.h"
#include "image/model/reference.h"

namespace flense::image {
namespace {

const std::string kDigest = "sha256:" + std::string(64, 'a');

TEST(Instruction, ShellWrappersAreRemoved) {
  EXPECT_EQ(trim_instruction("/bin/sh -c #(nop) COPY file:1 in /app "), "COPY file:1 in /app");
  EXPECT_EQ(trim_instruction("/bin/sh -c apt-get update"), "RUN apt-get update");
  EXPECT_EQ(trim_instruction("RUN /bin/sh -c pip install torch # buildkit"),
            "RUN pip install torch");
  EXPECT_EQ(trim_instruction("COPY . /app # buildkit"), "COPY . /app");
  EXPECT_EQ(trim_instruction("|1 V=2 /bin/sh -c make"), "RUN make");
  EXPECT_EQ(trim_instruction("RUN |1 V=2 /bin/bash -c make # buildkit"),
            "RUN |1 V=2 /bin/bash -c make");
  EXPECT_EQ(trim_instruction("   "), "");
}

TEST(Digest, OnlySha256) {
  EXPECT_TRUE(check_digest(kDigest, "x"));
  EXPECT_FALSE(check_digest("sha256:" + std::string(64, 'A'), "x"));
  EXPECT_FALSE(check_digest("sha256:../../etc/passwd", "x"));
  const auto other = check_digest("sha512:" + std::string(128, 'a'), "x");
  ASSERT_FALSE(other);
  EXPECT_NE(other.error().message.find("not supported"), std::string::npos);
}

TEST(LayerTypes, AllThatEnginesWrite) {
  const auto type = parse_layer_type("application/vnd.docker.image.rootfs.foreign.diff.tar.gzip");
  ASSERT_TRUE(type);
  EXPECT_TRUE(type->foreign);
  EXPECT_EQ(type->compression, codec::Compression::kGzip);
  EXPECT_TRUE(parse_layer_type("application/vnd.oci.image.layer.v1.tar+zstd"));
  EXPECT_TRUE(parse_layer_type("application/vnd.oci.image.layer.nondistributable.v1.tar"));
  EXPECT_FALSE(parse_layer_type("application/vnd.oci.image.layer.v1.tar+xz"));
  EXPECT_FALSE(parse_layer_type("text/plain"));
  const auto encrypted = parse_layer_type("application/vnd.oci.image.layer.v1.tar+gzip+encrypted");
  ASSERT_FALSE(encrypted);
  EXPECT_NE(encrypted.error().message.find("encrypted"), std::string::npos);
}

TEST(Manifest, SizesMustBeNumbers) {
  const std::string head = R"({"schemaVersion":2,"config":{"digest":")" + kDigest + R"(","size":)";
  EXPECT_TRUE(parse_manifest(head + R"(3},"layers":[]})", "m"));
  EXPECT_FALSE(parse_manifest(head + R"(-3},"layers":[]})", "m"));
  EXPECT_FALSE(parse_manifest(head + R"("3"},"layers":[]})", "m"));
  EXPECT_FALSE(parse_manifest(head + R"(3},"layers":{}})", "m"));
  EXPECT_FALSE(parse_manifest("[]", "m"));
}

TEST(Manifest, Schema1IsNamed) {
  const auto old = parse_manifest(R"({"schemaVersion":1,"fsLayers":[]})", "m");
  ASSERT_FALSE(old);
  EXPECT_NE(old.error().message.find("schema 1"), std::string::npos);
}

TEST(Config, HistoryIsMatchedToLayers) {
  const auto config = parse_config(
      R"({"os":"linux","architecture":"arm64","variant":"v8","rootfs":{"diff_ids":[")" + kDigest +
          R"("]},"history":[{"created_by":"ENV A=1","empty_layer":true},)"
          R"({"created_by":"/bin/sh -c make"}]})",
      "c");
  ASSERT_TRUE(config) << render(config.error());
  EXPECT_EQ(config->platform.text(), "linux/arm64/v8");
  EXPECT_EQ(config->instructions, std::vector<std::string>{"RUN make"});
  EXPECT_TRUE(config->history_matches);
}

TEST(Config, HistoryThatDoesNotFitIsLeftOut) {
  const auto config = parse_config(R"({"rootfs":{"diff_ids":[")" + kDigest +
                                       R"("]},"history":[{"created_by":"a"},{"created_by":"b"}]})",
                                   "c");
  ASSERT_TRUE(config);
  EXPECT_FALSE(config->history_matches);
  EXPECT_EQ(config->instructions, std::vector<std::string>{""});
}

TEST(Index, AttestationsAreMarked) {
  const auto refs = parse_index(
      R"({"manifests":[{"digest":")" + kDigest +
          R"(","size":1,"platform":{"os":"unknown","architecture":"unknown"}},{"digest":")" +
          kDigest + R"(","size":1,"annotations":{"vnd.docker.reference.type":"x"}},{"digest":")" +
          kDigest + R"(","size":1,"platform":{"os":"linux","architecture":"amd64"}}]})",
      "i");
  ASSERT_TRUE(refs);
  ASSERT_EQ(refs->size(), 3U);
  EXPECT_TRUE((*refs)[0].attestation);
  EXPECT_TRUE((*refs)[1].attestation);
  EXPECT_FALSE((*refs)[2].attestation);
}

TEST(PlatformText, ParsesAndMatches) {
  const auto wanted = parse_platform("linux/aarch64");
  ASSERT_TRUE(wanted);
  EXPECT_EQ(wanted->text(), "linux/arm64");
  EXPECT_GT(*platform_match(*wanted, {"linux", "arm64", "v8"}),
            *platform_match(*wanted, {"linux", "arm64", "v9"}));
  EXPECT_FALSE(platform_match(*wanted, {"linux", "amd64", ""}));
  EXPECT_FALSE(platform_match(*parse_platform("linux/arm/v6"), {"linux", "arm", "v7"}));
  for (const char* bad : {"", "/", "linux/", "a/b/c/d"}) EXPECT_FALSE(parse_platform(bad)) << bad;
  EXPECT_EQ(parse_platform("arm64")->text(), "linux/arm64");
}

TEST(Names, Normalise) {
  EXPECT_EQ(normalise_reference("app"), "docker.io/library/app:latest");
  EXPECT_EQ(normalise_reference("me/app:1"), "docker.io/me/app:1");
  EXPECT_EQ(normalise_reference("localhost:5000/app"), "localhost:5000/app:latest");
  EXPECT_EQ(normalise_reference("quay.io/a/b@" + kDigest), "quay.io/a/b@" + kDigest);
  for (const char* bad : {"", "-rf", "A/b:", "app:", "a//b", "../x", "app:ta g", "x@sha1:1",
                          "x@sha256:1", "a b.c/x", ":1/x", "/abs"}) {
    EXPECT_FALSE(normalise_reference(bad)) << bad;
  }
}

TEST(Names, Match) {
  EXPECT_TRUE(reference_matches("app:1", "docker.io/library/app:1"));
  EXPECT_TRUE(reference_matches("app:1", "localhost/app:1"));
  EXPECT_TRUE(reference_matches("1", "docker.io/library/app:1"));
  EXPECT_FALSE(reference_matches("app:2", "docker.io/library/app:1"));
  EXPECT_FALSE(reference_matches("app", ""));
  EXPECT_TRUE(is_local_registry("127.0.0.1:5000/a:1"));
  EXPECT_FALSE(is_local_registry("docker.io/library/a:1"));
  EXPECT_FALSE(is_local_registry("127.0.0.1.example/a:1"));
  EXPECT_TRUE(is_local_registry("[::1]:5000/a:1"));
  // Names of strangers.
  EXPECT_FALSE(is_local_registry("127.example.org/a:1"));
  EXPECT_TRUE(is_local_registry("127.255.0.9/a:1"));
  EXPECT_TRUE(is_local_registry("localhost:5000/a:1"));
  for (const char* host : {"127.1", "127.0.0.256", "127.999", "127.0.0.1.2.3", "127.00000",
                           "127.0.0.01", "127.0.0.", "127...1", "127.0.0.0001", "localhost.evil"})
    EXPECT_FALSE(is_local_registry(std::string(host) + "/a:1")) << host;
  EXPECT_FALSE(is_local_registry("[::1].example.org/a:1"));
}

TEST(Targets, Split) {
  EXPECT_EQ(parse_target("-").transport, Transport::kStdin);
  const Target oci = parse_target("oci:some/dir:app:1");
  EXPECT_EQ(oci.transport, Transport::kOci);
  EXPECT_EQ(oci.path, "some/dir");
  EXPECT_EQ(oci.reference, "app:1");
  const Target registry = parse_target("docker://quay.io/a/b:1");
  EXPECT_EQ(registry.transport, Transport::kRegistry);
  EXPECT_EQ(registry.reference, "quay.io/a/b:1");
  EXPECT_EQ(parse_target("docker-archive:a.tar").path, "a.tar");
  EXPECT_EQ(parse_target("app:1").transport, Transport::kNone);
}

}  // namespace
}  // namespace flense::image

#include "image/sources/helpers.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include "base/file.h"
#include "base/private_directory.h"

namespace flense::image {
namespace {

using Words = std::vector<std::string>;

/// With programs of our own on PATH.
class Helpers : public testing::Test {
 protected:
  void SetUp() override {
    for (const char* name : {"skopeo", "podman"})
      ASSERT_TRUE(write_new_file(top() / name, "", 0755));
    ::setenv("PATH", top().c_str(), 1);
  }
  std::filesystem::path top() const { return directory_->path(); }
  std::filesystem::path cache() const { return top() / "cache"; }

  bool may(const Words& targets, const std::string& program, Words words) const {
    words.insert(words.begin(), top() / program);
    return helpers_for(targets, cache()).may_start(words);
  }
  bool may_skopeo(const Words& words) const {
    return may({"docker://quay.io/x/y:1", "containers-storage:local:2"}, "skopeo", words);
  }
  Words pull(const std::string& from, const std::string& to) const {
    return {"--override-os",
            "linux",
            "--override-arch",
            "arm64",
            "copy",
            "--quiet",
            "--dest-oci-accept-uncompressed-layers",
            "--dest-shared-blob-dir",
            cache() / "images/blobs",
            from,
            to};
  }
  std::string staging(const std::string& name = ".new-aB3xYz") const {
    return "oci:" + (cache() / "images/layouts" / name).string() + ":image";
  }

  const std::string digest_ = "sha256:" + std::string(64, 'a');

 private:
  Result<TemporaryDirectory> directory_ =
      TemporaryDirectory::create(std::filesystem::temp_directory_path(), "flense-helpers");
};

TEST_F(Helpers, SkopeoReadsTheImagesOfTheCommandLine) {
  EXPECT_TRUE(may_skopeo({"inspect", "--raw", "docker://quay.io/x/y:1"}));
  EXPECT_TRUE(may_skopeo({"inspect", "--config", "--raw", "docker://quay.io/x/y@" + digest_}));
  EXPECT_TRUE(may_skopeo({"inspect", "--raw", "containers-storage:local:2"}));
  EXPECT_TRUE(may_skopeo(pull("docker://quay.io/x/y@" + digest_, staging())));
  EXPECT_TRUE(may_skopeo(pull("containers-storage:local:2", staging())));
}

TEST_F(Helpers, SkopeoDoesNothingElse) {
  EXPECT_FALSE(may_skopeo({"inspect", "--raw", "docker://quay.io/x/z:1"}));
  EXPECT_FALSE(may_skopeo({"inspect", "--raw", "docker://quay.io/x/y:2"}));
  EXPECT_FALSE(may_skopeo({"inspect", "--raw", "docker://quay.io/x/y@sha256:../../a"}));
  EXPECT_FALSE(may_skopeo({"inspect", "--authfile", "/x", "docker://quay.io/x/y:1"}));
  EXPECT_FALSE(may_skopeo({"inspect", "--tls-verify=false", "docker://quay.io/x/y:1"}));
  EXPECT_FALSE(may_skopeo({"inspect", "--raw"}));
  EXPECT_FALSE(may_skopeo({}));
  EXPECT_FALSE(may_skopeo({"delete", "docker://quay.io/x/y:1"}));
  // A push: of a file of ours, or of an older image under the name of a newer one.
  EXPECT_FALSE(may_skopeo(pull("oci-archive:/etc/passwd", "docker://quay.io/x/y:1")));
  EXPECT_FALSE(may_skopeo(pull("docker://quay.io/x/y@" + digest_, "docker://quay.io/x/y:1")));
  EXPECT_FALSE(may_skopeo(pull("docker://quay.io/x/y:1", "oci:/home/u/.ssh:image")));
  EXPECT_FALSE(may_skopeo(pull("docker://quay.io/x/y:1", staging(".new-/../xx"))));
  Words elsewhere = pull("docker://quay.io/x/y:1", staging());
  elsewhere[8] = "/home/u";
  EXPECT_FALSE(may_skopeo(elsewhere));
}

TEST_F(Helpers, ARegistryOfThisMachineMaySpeakPlainHttp) {
  EXPECT_TRUE(may({"docker://localhost:5000/x:1"}, "skopeo",
                  {"inspect", "--raw", "--tls-verify=false", "docker://localhost:5000/x:1"}));
  EXPECT_TRUE(may({"docker://localhost:5000/x:1"}, "skopeo",
                  {"inspect", "--tls-verify=false", "--raw", "docker://localhost:5000/x:1"}));
}

TEST_F(Helpers, PodmanIsAskedForBareNamesAlone) {
  const Words exists = {"image", "exists", "app:1"};
  const Words save = {"save", "--quiet", "--format", "docker-archive", "app:1"};
  EXPECT_TRUE(may({"app:1"}, "podman", exists));
  EXPECT_TRUE(may({"app:1"}, "podman", save));
  EXPECT_FALSE(may({"app:2"}, "podman", save));
  EXPECT_FALSE(may({"docker://app:1"}, "podman", save));
  EXPECT_FALSE(may({"app:1"}, "podman", {"run", "app:1"}));
  EXPECT_FALSE(may({"app:1"}, "sh", {"image", "exists", "app:1"}));
}

TEST_F(Helpers, FilesNeedNone) {
  EXPECT_FALSE(needs_helpers(top().string()));
  EXPECT_FALSE(needs_helpers("-"));
  EXPECT_FALSE(needs_helpers("oci:/x"));
  EXPECT_FALSE(needs_helpers("./missing.tar"));
  EXPECT_TRUE(needs_helpers("docker://app"));
  EXPECT_TRUE(needs_helpers("docker-daemon:app"));
  EXPECT_TRUE(needs_helpers("app:1"));
}

TEST_F(Helpers, TheEngineIsAskedForNothingElse) {
  ::setenv("DOCKER_HOST", "unix:///nowhere", 1);
  const guard::Services services = helpers_for({"docker-daemon:app:1"}, cache());
  const auto refused = [&](const std::string& target) {
    const auto answer = services.ask({"get", target});
    return !answer && answer.error().code == Code::kInternal;
  };
  EXPECT_FALSE(refused("/images/app:1/get"));
  EXPECT_FALSE(refused("/images/app:1/json"));
  EXPECT_FALSE(refused("/images/app:1/get?platform=%7B%7D"));
  EXPECT_TRUE(refused("/images/app:2/get"));
  EXPECT_TRUE(refused("/containers/json"));
  EXPECT_TRUE(refused("/images/app:1/push"));
  EXPECT_TRUE(refused("/images/app:1/get?platform=x HTTP/1.1\r\n\r\nPOST /containers/create"));
  EXPECT_EQ(services.ask({"address"})->text, "unix:///nowhere");
  EXPECT_FALSE(services.ask({"load"}));
}

}  // namespace
}  // namespace flense::image

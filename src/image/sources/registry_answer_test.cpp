#include "image/sources/registry_answer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace flense::image {
namespace {

using testing::HasSubstr;

Error of(std::string_view message, std::string_view name = "docker://r.example:5000/a/b:1") {
  return registry_failure(
             fmt::format("time=\"2026-01-02T03:04:05Z\" level=fatal msg=\"{}\"\n", message), name)
      .error();
}

TEST(RegistryAnswer, WhatIsKnownIsSaidInOurWordsWithANextStep) {
  struct Row {
    std::string_view said, sentence, hint;
  };
  for (const Row& row : {
           Row{"Error parsing image name \\\"docker://x\\\": reading manifest 1 in "
               "r.example:5000/a/b: "
               "manifest unknown: manifest unknown",
               "r.example:5000 has no image r.example:5000/a/b:1",
               "skopeo list-tags docker://r.example:5000/a/b\""},
           Row{"reading manifest: name unknown: repository name not known to registry",
               "r.example:5000 has no repository r.example:5000/a/b", "the name"},
           Row{"reading manifest: unauthorized: authentication required", "asks for a login",
               "skopeo login r.example:5000"},
           Row{"requested access to the resource is denied", "does not exist, or", "skopeo login"},
           Row{"dial tcp 127.0.0.1:9: connect: connection refused",
               "nothing listens at r.example:5000 (connection refused)", "port"},
           Row{"dial tcp: lookup r.example: no such host", "there is no host r.example:5000",
               "DNS"},
           Row{"Get \\\"https://r/v2/\\\": http: server gave HTTP response to HTTPS client",
               "speaks plain HTTP", "insecure = true"},
           Row{"x509: certificate signed by unknown authority", "no authority",
               "/etc/containers/certs.d/r.example:5000/ca.crt"},
           Row{"toomanyrequests: You have reached your pull rate limit", "no more requests",
               "skopeo login"},
           Row{"Get \\\"https://r/v2/\\\": context deadline exceeded", "does not answer",
               "try again"},
       }) {
    const Error error = of(row.said);
    EXPECT_EQ(error.code, Code::kEnvironment);
    EXPECT_THAT(error.message, HasSubstr(row.sentence));
    EXPECT_THAT(error.message, testing::Not(HasSubstr("skopeo")));
    EXPECT_THAT(error.hint, HasSubstr(row.hint));
  }
}

TEST(RegistryAnswer, WhatIsNotKnownIsHandedOn) {
  EXPECT_EQ(of("something {0} new").message,
            "skopeo failed on r.example:5000/a/b:1: something {0} new");
  EXPECT_EQ(registry_failure("", "docker://r.example/a:1").error().message,
            "skopeo failed on r.example/a:1: it did not say why");
  EXPECT_EQ(registry_failure("one\ntwo\n", "docker://r.example/a:1").error().message,
            "skopeo failed on r.example/a:1: two");
  // A message that breaks off.
  EXPECT_THAT(registry_failure("msg=\"end\\", "docker://r/a").error().message, HasSubstr("end"));
}

TEST(RegistryAnswer, PodmansStorageHasNoHost) {
  const Error error =
      of("reference \\\"x\\\" does not resolve to an image ID", "containers-storage:app:1");
  EXPECT_EQ(error.message, "Podman's storage has no image app:1");
  EXPECT_THAT(of("connection refused", "containers-storage:app:1").message, HasSubstr("skopeo"));
}

TEST(RegistryAnswer, APushIsRefusedEarlyOnlyWhereNothingIsOpen) {
  for (const std::string_view open :
       {"manifest unknown: manifest unknown", "name unknown: repository", "denied: not yours"})
    EXPECT_TRUE(leaves_push_open(open)) << open;
  for (const std::string_view shut :
       {"unauthorized: authentication required", "connect: connection refused", "",
        "denied: access to the resource is denied; unauthorized: authentication required"})
    EXPECT_FALSE(leaves_push_open(shut)) << shut;
}

TEST(RegistryAnswer, WhatAnIndexIsRefusedForIsSaid) {
  const auto said = [](std::string_view cause) {
    return of(fmt::format("Uploading manifest list failed, attempted the following formats: "
                          "application/vnd.oci.image.index.v1+json(uploading manifest 1 to r: {})",
                          cause))
        .message;
  };
  for (const char* cause : {"received unexpected HTTP status: 429 Too Many Requests",
                            "StatusCode: 429, ", "toomanyrequests: x"})
    EXPECT_EQ(said(cause), "r.example:5000 takes no more requests for now");
  for (const char* cause :
       {"received unexpected HTTP status: 413 Request Entity Too Large", "StatusCode: 413, "})
    EXPECT_EQ(said(cause),
              "r.example:5000, or a proxy before it, takes nothing of that size (status 413)");
}

TEST(RegistryAnswer, SilenceNamesTheLimit) {
  const Error error = registry_silent("docker://r.example/a:1", std::chrono::seconds(7)).error();
  EXPECT_EQ(error.message, "r.example did not answer for 7 s");
  EXPECT_THAT(error.hint, HasSubstr("FLENSE_REGISTRY_TIMEOUT"));
}

}  // namespace
}  // namespace flense::image

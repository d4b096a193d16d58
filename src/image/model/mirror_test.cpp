#include "image/model/mirror.h"

#include <gtest/gtest.h>

#include <map>

namespace flense::image {
namespace {

TEST(Mirror, NoTwoHostsShareAComponent) {
  std::map<std::string, std::string> seen;
  for (const char* host : {"nvcr.io", "docker.io", "a.b:5000", "a.b5000", "a.b-5000", "a.b.5000",
                           "a-b:5000", "localhost:5000", "localhost", "127.0.0.1:5000", "a.b:80",
                           "a.b:8", "x--y.io", "x-y.io", "xn--bcher-kva.example"}) {
    const auto component = host_component(host);
    ASSERT_TRUE(component) << host;
    EXPECT_TRUE(seen.emplace(*component, host).second) << host << " and " << seen[*component];
  }
  EXPECT_EQ(*host_component("Reg.Example:5000"), "reg.example_5000");
  for (const char* none : {"", ".", "..", "a..b", "-a.io", "a-.io", "a_b:5000", "a.io:", "a.io:x",
                           "a.io:1:2", "[::1]:5000", "a/b", "a b", "_default", "a.io.", "ä.io"})
    EXPECT_FALSE(host_component(none)) << none;
}

TEST(Mirror, References) {
  const auto mirror = parse_mirror("docker://reg.example:5000/team/{gpu}", "--mirror");
  ASSERT_TRUE(mirror);
  EXPECT_EQ(*mirror->prefix("sm_90", "docker.io"), "reg.example:5000/team/sm_90/docker.io");
  EXPECT_EQ(*mirror->reference("sm_90", "nvcr.io/nvidia/pytorch:25.01-py3"),
            "reg.example:5000/team/sm_90/nvcr.io/nvidia/pytorch:25.01-py3");
  const std::string digest = "@sha256:" + std::string(64, 'a');
  EXPECT_EQ(*mirror->reference("sm_80", "localhost:5000/app:1" + digest),
            "reg.example:5000/team/sm_80/localhost_5000/app:1");
  for (const std::string& name : {"localhost:5000/app" + digest, std::string("localhost:5000/app")})
    EXPECT_FALSE(mirror->reference("sm_90", name)) << name;
  EXPECT_FALSE(mirror->reference("sm_90", "a.io/" + std::string(240, 'x') + ":1"));
  EXPECT_TRUE(mirror->reference("sm_90", "a.io/" + std::string(230, 'x') + ":1"));
}

TEST(Mirror, Places) {
  for (const auto& [text, path] :
       std::map<std::string, std::string>{{"reg.example", "{gpu}"},
                                          {"https://reg.example/", "{gpu}"},
                                          {"docker://reg.example/a/b", "a/b/{gpu}"},
                                          {"docker://reg.example/gpu-{gpu}/x", "gpu-{gpu}/x"}}) {
    const auto mirror = parse_mirror(text, "--mirror");
    ASSERT_TRUE(mirror) << text;
    EXPECT_EQ(mirror->host, "reg.example");
    EXPECT_EQ(mirror->path, path);
  }
  EXPECT_TRUE(parse_mirror("http://127.0.0.1:5000", "--mirror")->plain_http);
  EXPECT_TRUE(parse_mirror("http://localhost:5000/{gpu}", "--mirror"));
  for (const char* none :
       {"", "docker://", "/{gpu}", "http://reg.example", "http://127.0.0.1.reg.example",
        "reg.example/{gpu}/{gpu}", "reg.example/{gpu}:1", "{gpu}.reg.example", "reg.example/a//b",
        "reg.example/../b", "reg.example/A", "oci:dir", "user:secret@reg.example",
        "reg.example/\n[x]"})
    EXPECT_FALSE(parse_mirror(none, "--mirror")) << none;
}

TEST(Mirror, Names) {
  EXPECT_EQ(mirror_name("sm_80,sm_86", "amd64"), "sm_80-sm_86");
  EXPECT_EQ(mirror_name("sm_90", "arm64"), "sm_90-arm64");
}

}  // namespace
}  // namespace flense::image

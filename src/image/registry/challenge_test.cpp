#include "image/registry/challenge.h"

#include <gtest/gtest.h>

#include "image/registry/logins.h"

namespace flense::image {
namespace {

TEST(Challenge, WhatRegistriesSend) {
  const auto hub = parse_challenge(
      R"(Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="a:b")");
  ASSERT_TRUE(hub);
  EXPECT_TRUE(hub->bearer);
  EXPECT_EQ(hub->realm, "https://auth.docker.io/token");
  EXPECT_EQ(hub->service, "registry.docker.io");
  EXPECT_EQ(token_url(*hub, "library/app", "pull").value_or(""),
            "https://auth.docker.io/token?service=registry.docker.io&"
            "scope=repository:library/app:pull");
  const auto basic = parse_challenge("basic Realm = test");
  ASSERT_TRUE(basic);
  EXPECT_FALSE(basic->bearer);
  EXPECT_EQ(basic->realm, "test");
  const auto odd = parse_challenge(R"(  BEARER  realm="a\"b\\" ,, service=x , Basic realm="y")");
  ASSERT_TRUE(odd);
  EXPECT_EQ(odd->realm, "a\"b\\");
  EXPECT_EQ(odd->service, "x");
}

TEST(Challenge, OthersAreNone) {
  for (const char* header : {"", "Negotiate", "Bearerrealm=x", "Bearer realm=\"open",
                             "Digest realm=\"a\"", "Bearer realm=\"x\\"})
    EXPECT_FALSE(parse_challenge(header)) << header;
  EXPECT_FALSE(parse_challenge("Bearer realm=\"" + std::string(20'000, 'a') + '"'));
}

TEST(Challenge, TokensComeFromHttpsAlone) {
  const auto url = [](std::string realm, std::string service = {}) {
    return token_url({true, std::move(realm), std::move(service)}, "app", "pull");
  };
  EXPECT_EQ(url("https://a.example/t?x=1", "a \"b\"").value_or(""),
            "https://a.example/t?x=1&service=a%20%22b%22&scope=repository:app:pull");
  EXPECT_TRUE(url("http://127.0.0.1:5001/t"));
  for (const char* realm :
       {"", "http://a.example/t", "file:///etc/shadow", "https://u:p@a.example/",
        "https://a.example/\"\noutput", "a.example/t"})
    EXPECT_FALSE(url(realm)) << realm;
}

TEST(Challenge, Tokens) {
  EXPECT_EQ(parse_token(R"({"token":"a.b-c"})").value_or(""), "a.b-c");
  EXPECT_EQ(parse_token(R"({"access_token":"x"})").value_or(""), "x");
  for (const char* body :
       {"", "{}", "[]", R"({"token":7})", R"({"token":"a\nb"})", R"({"token":"a b"})"})
    EXPECT_FALSE(parse_token(body)) << body;
}

TEST(Logins, TheNearestNameCounts) {
  const char* const file = R"({"auths":{
    "r.example":{"auth":"aG9zdA=="}, "r.example/team":{"auth":"dGVhbQ=="},
    "https://index.docker.io/v1/":{"auth":"aHVi"}, "odd":{"auth":"a\nb"}, "by-program":{}}})";
  EXPECT_EQ(login_in(file, "r.example/app"), "aG9zdA==");
  EXPECT_EQ(login_in(file, "r.example/team/app"), "dGVhbQ==");
  EXPECT_EQ(login_in(file, "docker.io/library/app"), "aHVi");
  EXPECT_EQ(login_in(file, "s.example/app"), "");
  EXPECT_EQ(login_in(file, "odd/app"), "");
  EXPECT_EQ(login_in(file, "by-program/app"), "");
  EXPECT_EQ(login_in("[", "r.example/app"), "");
}

TEST(Logins, FilesAreThoseOfSkopeo) {
  const auto with = [](std::map<std::string, std::string, std::less<>> values) {
    return login_files(
        [values](std::string_view name) -> std::optional<std::string> {
          const auto at = values.find(name);
          return at == values.end() ? std::nullopt : std::optional(at->second);
        },
        7);
  };
  using Paths = std::vector<std::filesystem::path>;
  EXPECT_EQ(with({{"REGISTRY_AUTH_FILE", "/a"}, {"HOME", "/h"}}), Paths{"/a"});
  EXPECT_EQ(with({{"HOME", "/h"}}),
            (Paths{"/run/containers/7/auth.json", "/h/.config/containers/auth.json",
                   "/h/.docker/config.json"}));
  EXPECT_EQ(with({{"HOME", "/h"},
                  {"XDG_RUNTIME_DIR", "/r"},
                  {"XDG_CONFIG_HOME", "/c"},
                  {"DOCKER_CONFIG", "/d"}}),
            (Paths{"/r/containers/auth.json", "/c/containers/auth.json", "/d/config.json"}));
}

}  // namespace
}  // namespace flense::image

#include "image/registry/curl.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "codec/sha256.h"
#include "image/model/model.h"
#include "image/registry/client.h"

namespace flense::image {
namespace {

using testing::HasSubstr;
using testing::Not;

const std::string kMark = "5f3a";

RegistryRights rights() {
  RegistryRights out;
  out.writable = {"r.example/team/app", "docker.io/library/app"};
  out.login = [](const std::string& place) {
    return place == "r.example/team/app" ? std::string("dXNlcjpzZWNyZXQ=") : std::string();
  };
  return out;
}

Result<std::string> config(const RegistryQuestion& question) {
  return curl_config(lane_words({question}), rights(), kMark);
}

TEST(Curl, AQuestionIsAskedSo) {
  const auto text = config({.url = "https://r.example/v2/team/app/manifests/1", .token = "abc.d"});
  ASSERT_TRUE(text) << text.error().message;
  EXPECT_THAT(*text, HasSubstr("url = \"https://r.example/v2/team/app/manifests/1\"\n"));
  EXPECT_THAT(*text, HasSubstr("header = \"Authorization: Bearer abc.d\"\n"));
  EXPECT_THAT(*text, HasSubstr("header = \"Accept: application/vnd.oci.image.index.v1+json, "));
  EXPECT_THAT(*text, HasSubstr("proto = \"=https\"\n"));
  EXPECT_THAT(*text, HasSubstr("max-filesize = 4194304\n"));
  EXPECT_THAT(*text, Not(HasSubstr("location")));
  EXPECT_THAT(*text, Not(HasSubstr("Basic")));
  const auto head =
      config({.method = RegistryMethod::kHead, .url = "http://127.0.0.1:5000/v2/a/manifests/1"});
  ASSERT_TRUE(head);
  EXPECT_THAT(*head, HasSubstr("head\noutput = \"/dev/null\"\n"));
  EXPECT_THAT(*head, HasSubstr("proto = \"=http\"\n"));
  // No proxy stands between us and this machine.
  EXPECT_THAT(*head, HasSubstr("noproxy = \"*\"\n"));
  const auto login = config({.url = "https://auth.example/token", .login = "r.example/team/app"});
  ASSERT_TRUE(login);
  EXPECT_THAT(*login, HasSubstr("header = \"Authorization: Basic dXNlcjpzZWNyZXQ=\"\n"));
}

TEST(Curl, NothingElseIsAsked) {
  for (const char* url :
       {"http://r.example/v2/", "file:///etc/passwd", "https://", "https:///v2/",
        "https://r.example/v2/\"\noutput = \"x", "https://r.example/a b", "https://u@r.example/v2/",
        "https://r.example\\@evil/", "http://127.0.0.1.evil.example/v2/", "https://r.example?x/",
        "http://localhost.evil/v2/", "ftp://127.0.0.1/", "https://r.example/v2/#x"})
    EXPECT_FALSE(config({.url = url})) << url;
  EXPECT_FALSE(config({.url = "https://r.example/" + std::string(9000, 'a')}));
  EXPECT_FALSE(config({.url = "https://r.example/v2/", .token = "a\"\nurl = \"b"}));
  EXPECT_FALSE(curl_config({"ask", "TRACE", "https://r.example/v2/", "", "", ""}, {}, kMark));
  for (const std::vector<std::string>& words :
       {std::vector<std::string>{}, {"ask"}, {"ask", "GET"}, {"get", "GET", "u", "", "", ""}})
    EXPECT_FALSE(curl_config(words, {}, kMark));
}

TEST(Curl, OnlyManifestsOfNamedRepositoriesAreWritten) {
  const auto may = [](RegistryMethod method, const std::string& url) {
    return config({.method = method, .url = url, .body = "{}"}).has_value();
  };
  using enum RegistryMethod;
  EXPECT_TRUE(may(kPut, "https://r.example/v2/team/app/manifests/1"));
  EXPECT_TRUE(may(kDelete, "https://r.example/v2/team/app/manifests/sha256:00"));
  EXPECT_TRUE(may(kDelete, "https://registry-1.docker.io/v2/library/app/manifests/sha256:00"));
  for (const char* url :
       {"https://r.example/v2/team/app2/manifests/1", "https://r.example/v2/team/manifests/1",
        "https://s.example/v2/team/app/manifests/1", "https://r.example/v2/team/app/blobs/1",
        "https://r.example/v2/team/app/manifests/../../other/manifests/1",
        "https://r.example/v2/team/app/manifests/1?x"})
    for (const RegistryMethod method : {kPut, kDelete}) EXPECT_FALSE(may(method, url)) << url;
}

TEST(Curl, AnIndexIsQuoted) {
  const auto put = [](std::string body) {
    return config({.method = RegistryMethod::kPut,
                   .url = "https://r.example/v2/team/app/manifests/1",
                   .body = std::move(body)});
  };
  const auto text = put(R"({"a":"b\"c\\"})");
  ASSERT_TRUE(text);
  EXPECT_THAT(*text, HasSubstr(R"(data-raw = "{\"a\":\"b\\\"c\\\\\"}")"));
  EXPECT_FALSE(put("{}\nurl = x"));
  EXPECT_FALSE(put(std::string(100'000, 'x')));
}

std::string written(const std::string& body, const std::string& status = "0 200",
                    const std::string& digest = "") {
  return fmt::format("{}\n{}<{}\n{}\napplication/json\nBearer realm=\"x\"\n\n{{}}\n{}>\n", body,
                     kMark, status, digest, kMark);
}

TEST(Curl, RepliesAreReadInPieces) {
  const std::string text = written("{\"a\":1}", "0 200", "sha256:1") + written("", "7 000") +
                           written("\n" + kMark, "0 404");
  for (std::size_t piece : {std::size_t{1}, std::size_t{7}, text.size()}) {
    ReplyReader reader(kMark);
    std::vector<RegistryReply> out;
    for (std::size_t at = 0; at < text.size(); at += piece)
      ASSERT_TRUE(reader.take(as_bytes(text.substr(at, piece)), out));
    ASSERT_EQ(out.size(), 3U) << piece;
    EXPECT_EQ(out[0].body, "{\"a\":1}");
    EXPECT_EQ(out[0].digest, "sha256:1");
    EXPECT_EQ(out[0].challenge, "Bearer realm=\"x\"");
    EXPECT_TRUE(out[0].fine());
    EXPECT_EQ(out[1].failure, 7);
    EXPECT_FALSE(out[1].fine());
    EXPECT_EQ(out[2].status, 404);
    EXPECT_EQ(out[2].body, "\n" + kMark);
  }
}

TEST(Curl, AllLinksAreRead) {
  const auto link = [](const std::string& headers, const std::string& status = "0 200 0") {
    std::vector<RegistryReply> out;
    ReplyReader reader(kMark);
    EXPECT_TRUE(reader.take(
        as_bytes(fmt::format("\n{0}<{1}\n\n\n\n\n{2}\n{0}>\n", kMark, status, headers)), out));
    return out.at(0);
  };
  EXPECT_EQ(link(R"({"link":["<a>; rel=\"prev\"","<b>; rel=\"next\""],"x":["y"]})").link,
            "<a>; rel=\"prev\", <b>; rel=\"next\"");
  EXPECT_EQ(link("{\n}").link, "");
  EXPECT_EQ(link("{").link, "?");
  EXPECT_FALSE(link("{}").with_login);
  EXPECT_TRUE(link("{}", "0 404 1").with_login);
}

TEST(Curl, TooMuchIsRefused) {
  std::vector<RegistryReply> out;
  const std::string block(1u << 20, 'x');
  ReplyReader endless(kMark);
  int taken = 0;
  while (taken < 20 && endless.take(as_bytes(block), out)) ++taken;
  EXPECT_LT(taken, 6);
  ReplyReader large(kMark);
  EXPECT_FALSE(large.take(as_bytes(written(std::string(kMostReply + 1, 'x'))), out));
  EXPECT_TRUE(out.empty());
  ReplyReader strange(kMark);
  EXPECT_FALSE(strange.take(as_bytes(written("", "what")), out));
}

TEST(Curl, AnOldOneIsTold) {
  std::vector<RegistryReply> out;
  ReplyReader reader(kMark);
  const auto took = reader.take(
      as_bytes(fmt::format("\n{0}<0 200\n%header{{docker-content-digest}}\n%header{{content-type}}"
                           "\n\n\n\n{0}>\n",
                           kMark)),
      out);
  ASSERT_FALSE(took);
  EXPECT_THAT(took.error().message, HasSubstr("too old"));
}

TEST(RegistryName, NoTagIsNoTag) {
  const auto name = parse_registry_name("docker://r.example:5000/a/b");
  ASSERT_TRUE(name);
  EXPECT_EQ(name->text(), "r.example:5000/a/b");
  EXPECT_EQ(parse_registry_name("r.example:5000/a/b:1")->tag, "1");
  EXPECT_EQ(parse_registry_name("app")->text(), "docker.io/library/app");
  const std::string digest = "sha256:" + std::string(64, 'a');
  EXPECT_EQ(parse_registry_name("r.example/a:1@" + digest)->text(), "r.example/a:1@" + digest);
  EXPECT_EQ(parse_registry_name("r.example/a@" + digest)->tag, "");
  EXPECT_FALSE(parse_registry_name("docker://"));
  EXPECT_FALSE(parse_registry_name("r.example/A:1"));
}

const std::string kManifest =
    R"({"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json",)"
    R"("config":{},"layers":[]})";

TEST(RegistryReply, ADigestThatDoesNotFitIsNone) {
  RegistryReply reply{.failure = 0, .status = 200, .body = kManifest};
  const std::string own = codec::sha256_digest(as_bytes(kManifest));
  EXPECT_EQ(manifest_digest(reply), own);
  reply.digest = own;
  EXPECT_EQ(manifest_digest(reply), own);
  reply.digest = "sha256:" + std::string(64, 'a');
  EXPECT_EQ(manifest_digest(reply), "");
  reply.body.clear();
  EXPECT_EQ(manifest_digest(reply), "");
  reply.type = "application/vnd.oci.image.manifest.v1+json";
  EXPECT_EQ(manifest_digest(reply), reply.digest);
  reply.digest = "sha256:../../etc";
  EXPECT_EQ(manifest_digest(reply), "");
  reply.status = 404;
  EXPECT_EQ(manifest_digest(reply), "");
}

TEST(RegistryReply, APageWithAGoodStatusIsNoManifest) {
  const auto is = [](const std::string& type, const std::string& body) {
    return is_manifest({.failure = 0, .status = 200, .type = type, .body = body});
  };
  const std::string json = "application/json", index = std::string(kOciIndexType);
  EXPECT_TRUE(is(json, kManifest));
  EXPECT_TRUE(is(index + "; charset=utf-8", R"({"schemaVersion":2,"manifests":[]})"));
  EXPECT_TRUE(is(index, ""));
  EXPECT_FALSE(is(json, R"({"schemaVersion":2,"manifests":[]})"));
  EXPECT_FALSE(is("text/html", "<html>maintenance</html>"));
  EXPECT_FALSE(is(index, "<html>maintenance</html>"));
  EXPECT_FALSE(is("text/html", ""));
  for (const char* body :
       {"{}", R"({"errors":[{"code":"TOOMANYREQUESTS"}]})", R"({"manifests":[]})",
        R"({"schemaVersion":2})", R"({"schemaVersion":1,"manifests":[]})",
        R"({"schemaVersion":2,"config":{}})", R"({"schemaVersion":2,"manifests":{}})"})
    EXPECT_FALSE(is(index, body)) << body;
}

}  // namespace
}  // namespace flense::image

#include "image/sources/http.h"

#include <gmock/gmock.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cstring>
#include <functional>
#include <thread>

#include "image/layers/testing_image.h"
#include "image/output/push.h"
#include "image/sources/docker_engine.h"

namespace flense::image {
namespace {

using namespace fixture;
using ::testing::HasSubstr;

Result<std::pair<int, std::string>> response(const std::string& text) {
  TRY(HttpResponse out, read_response(std::make_unique<MemorySource>(as_bytes(text))));
  TRY(std::string body, read_all(*out.body, 1u << 20, "body"));
  return std::pair(out.status, std::move(body));
}

TEST(Http, BodiesByLengthChunksAndEnd) {
  EXPECT_EQ(must(response("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabcdef")),
            (std::pair(200, std::string("abc"))));
  EXPECT_EQ(must(response("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                          "3\r\nabc\r\n00A;x=1\r\n0123456789\r\n0\r\n\r\n")),
            (std::pair(200, std::string("abc0123456789"))));
  EXPECT_EQ(must(response("HTTP/1.0 404 Not Found\r\n\r\nrest")),
            (std::pair(404, std::string("rest"))));
}

TEST(Http, BrokenResponses) {
  for (const char* text : {"", "HTTP/1.1", "SSH-2.0\r\n\r\n", "HTTP/1.1 xyz\r\n\r\n",
                           "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc",
                           "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\nabc",
                           "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
                           "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nab",
                           "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcX\r\n"}) {
    EXPECT_FALSE(response(text)) << text;
  }
  EXPECT_FALSE(response("HTTP/1.1 200 OK\r\n" + std::string(100000, 'a')));
}

TEST(Http, Encoding) {
  EXPECT_EQ(percent_encode("me/app:1"), "me/app:1");
  EXPECT_EQ(percent_encode("a b?c#d\r\n"), "a%20b%3Fc%23d%0D%0A");
}

/// An engine that answers each connection by `handle(request head and body)`.
class FakeEngine {
 public:
  explicit FakeEngine(std::function<std::string(const std::string&)> handle)
      : handle_(std::move(handle)) {
    listener_ = UniqueFd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strcpy(&address.sun_path[0], (dir_ / "d.sock").c_str());
    EXPECT_EQ(::bind(listener_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address),
              0);
    EXPECT_EQ(::listen(listener_.get(), 8), 0);
    thread_ = std::thread([this] { serve(); });
    ::setenv("DOCKER_HOST", address_().c_str(), 1);
  }
  ~FakeEngine() {
    ::unsetenv("DOCKER_HOST");
    stop_ = true;
    thread_.join();
  }
  std::string address_() const { return "unix://" + (dir_ / "d.sock").string(); }

 private:
  void serve() {
    while (!stop_) {
      pollfd ready{listener_.get(), POLLIN, 0};
      if (::poll(&ready, 1, 20) != 1) continue;
      const UniqueFd peer(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
      std::string request;
      std::array<char, 65536> buffer{};
      std::size_t wanted = std::string::npos;
      while (request.size() < wanted) {
        const auto got = ::recv(peer.get(), buffer.data(), buffer.size(), 0);
        if (got <= 0) break;
        request.append(buffer.data(), static_cast<std::size_t>(got));
        const auto end = request.find("\r\n\r\n");
        if (end == std::string::npos || wanted != std::string::npos) continue;
        wanted = end + 4;
        const auto length = request.find("Content-Length: ");
        if (length < end) wanted += std::stoul(request.substr(length + 16));
      }
      const std::string reply = handle_(request);
      (void)::send(peer.get(), reply.data(), reply.size(), MSG_NOSIGNAL);
    }
  }
  TempDir dir_;
  std::function<std::string(const std::string&)> handle_;
  UniqueFd listener_;
  std::atomic<bool> stop_ = false;
  std::thread thread_;
};

TEST(Engine, SavesAndTellsMissingImages) {
  const std::string archive =
      tar_of(docker_files({{Tar().file("a", "1").bytes(), Compression::kNone, ""}}, "app:1"));
  const FakeEngine engine([&](const std::string& request) -> std::string {
    if (request.starts_with("GET /images/app:1/json ")) return "HTTP/1.1 200 OK\r\n\r\n{}";
    if (request.starts_with("GET /images/app:1/get ")) {
      return fmt::format(
          "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n{}\r\n0\r\n"
          "\r\n",
          archive.size(), archive);
    }
    return "HTTP/1.1 404 Not Found\r\n\r\n{\"message\":\"no such image\"}";
  });
  const auto image = must(open_image("docker-daemon:app:1", {}));
  EXPECT_EQ(image->name, "docker-daemon:app:1");
  EXPECT_EQ(must(walk_all(*image, 0)).content.at("a"), "1");
  const auto bare = must(open_image("app:1", {}));
  EXPECT_EQ(bare->found_in, "docker");
  const auto missing = open_image("docker-daemon:gone:1", {});
  ASSERT_FALSE(missing);
  EXPECT_THAT(missing.error().message, HasSubstr("no image gone:1"));
}

TEST(Engine, LoadsAndReportsErrors) {
  const TempDir dir;
  write_file(dir / "a.tar", std::string(3'000'000, 'x'));
  std::size_t received = 0;
  std::string reply = "{\"stream\":\"Loaded\"}\n";
  const FakeEngine engine([&](const std::string& request) {
    EXPECT_TRUE(request.starts_with("POST /images/load"));
    received = request.size() - request.find("\r\n\r\n") - 4;
    return "HTTP/1.1 200 OK\r\n\r\n" + reply;
  });
  must(push_image(dir / "a.tar", "docker-daemon:app:1"));
  EXPECT_EQ(received, 3'000'000U);
  reply = "{\"stream\":\"x\"}\n{\"error\":\"disk full\"}\n";
  const auto failed = push_image(dir / "a.tar", "docker-daemon:app:1");
  ASSERT_FALSE(failed);
  EXPECT_THAT(failed.error().message, HasSubstr("disk full"));
}

TEST(Engine, AddressesThatCannotWork) {
  EXPECT_FALSE(connect_engine("ssh://host"));
  EXPECT_FALSE(connect_engine("tcp://host.example:2375"));
  EXPECT_FALSE(connect_engine("unix:///nonexistent.sock"));
  EXPECT_FALSE(connect_engine("unix://" + std::string(200, 'a')));
}

TEST(Push, Plans) {
  EXPECT_EQ(plan_push("docker-daemon:app:1")->form, OutputForm::kDockerArchive);
  EXPECT_FALSE(plan_push("docker-daemon:app:1")->allows_zstd);
  EXPECT_EQ(plan_push("docker://quay.io/a/b:1")->form, OutputForm::kOciLayout);
  EXPECT_FALSE(plan_push("oci:x"));
  EXPECT_FALSE(plan_push("docker://Not A Name"));
  EXPECT_TRUE(is_push_target("containers-storage:x"));
  EXPECT_FALSE(is_push_target("x.tar"));
}

}  // namespace
}  // namespace flense::image

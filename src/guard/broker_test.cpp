#include "guard/broker.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <functional>

#include "base/private_directory.h"
#include "guard/confine.h"

namespace flense::guard {
namespace {

using Words = std::vector<std::string>;

class Brokered : public testing::Test {
 protected:
  std::string file(const char* name) const { return directory_->path() / name; }

  Services services() const {
    Services out;
    out.may_start = [](const Words& argv) {
      return argv[0] == "/bin/echo" || argv[0] == "/bin/sleep" || argv[0] == "/bin/cat" ||
             argv == Words{"/bin/sh", "-c", "echo wrong >&2; exit 3"};
    };
    out.save = [this](const std::string& path, std::string_view text) -> Result<void> {
      if (path != file("named")) return bad_input("not {}", path).hint("the hint");
      return write_new_file(path, text);
    };
    out.ask = [](const Words& words) -> Result<Answer> {
      TRY(UniqueFd null, open_read("/dev/null"));
      return Answer{fmt::format("{}", fmt::join(words, "+")), std::move(null)};
    };
    return out;
  }

  /// How `what` ends in a confined process that has a broker.
  int confined(const std::function<bool(Broker&)>& what) const {
    const pid_t child = ::fork();
    if (child == 0) {
      bool fine = false;
      {
        auto broker = Broker::begin(services());
        confine({});
        fine = broker && what(**broker);
      }
      ::_exit(fine ? 0 : 1);
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  }

 private:
  Result<TemporaryDirectory> directory_ =
      TemporaryDirectory::create(std::filesystem::temp_directory_path(), "flense-broker");
};

TEST_F(Brokered, StartsWhatItMayAndHandsBackDescriptors) {
  EXPECT_EQ(confined([](Broker& broker) {
              const auto done = run_process({"/bin/echo", "one", "two words"}, 100, &broker);
              return done && done->status == 0 && done->out == "one two words\n";
            }),
            0);
  EXPECT_EQ(confined([](Broker& broker) {
              const auto done =
                  run_process({"/bin/sh", "-c", "echo wrong >&2; exit 3"}, 100, &broker);
              return done && done->status == 3 && done->err == "wrong";
            }),
            0);
}

TEST_F(Brokered, StartsNothingElse) {
  EXPECT_EQ(confined([](Broker& broker) {
              const auto done = run_process({"/bin/sh", "-c", "true"}, 100, &broker);
              return !done && done.error().code == Code::kInternal &&
                     done.error().message == "the sandbox does not allow: /bin/sh -c true";
            }),
            0);
  EXPECT_EQ(confined([](Broker& broker) { return !run_process({}, 100, &broker); }), 0);
}

TEST_F(Brokered, EndsWhatIsNoLongerWanted) {
  EXPECT_EQ(confined([](Broker& broker) {
              ChildProcess::Options options;
              options.starter = &broker;
              const auto child = ChildProcess::start({"/bin/sleep", "600"}, options);
              if (!child || !(*child)->written()) return false;
              (*child)->kill();
              const auto status = (*child)->wait();
              return status && *status == 128 + SIGKILL;
            }),
            0);
  // Left running: the broker's end is its end, or this would last ten minutes.
  EXPECT_EQ(
      confined([](Broker& broker) { return broker.start({"/bin/sleep", "600"}).has_value(); }), 0);
}

TEST_F(Brokered, WritesAndAsksAsItIsAllowed) {
  EXPECT_EQ(confined([&](Broker& broker) {
              return broker.save(file("named"), std::string(1 << 20, 'x')).has_value();
            }),
            0);
  EXPECT_EQ(read_file(file("named"), 2 << 20).value_or("").size(), std::size_t{1} << 20);
  EXPECT_EQ(confined([&](Broker& broker) {
              const auto saved = broker.save(file("other"), "text");
              return !saved && saved.error().code == Code::kBadInput &&
                     saved.error().message == "not " + file("other") &&
                     saved.error().hint == "the hint";
            }),
            0);
  EXPECT_EQ(confined([](Broker& broker) {
              const auto answer = broker.ask({"a", "b"});
              return answer && answer->text == "a+b" && answer->fd;
            }),
            0);
}

/// The other side may be anything: what it sends are bytes.
TEST_F(Brokered, IsGoneAfterNonsense) {
  EXPECT_EQ(confined([](Broker& broker) {
              constexpr int kMostFds = 64;
              // Its socket is one of ours; the broker has no other end.
              for (int fd = 3; fd < kMostFds; ++fd) {
                const std::string nonsense(64, '\xff');
                static_cast<void>(::send(fd, nonsense.data(), nonsense.size(), MSG_NOSIGNAL) < 0);
              }
              const auto asked = broker.ask({"a"});
              return !asked && asked.error().code == Code::kEnvironment;
            }),
            0);
}

/// A message that is too large for the socket is still being sent when the broker ends.
TEST_F(Brokered, MayEndWhileItIsAsked) {
  EXPECT_EQ(confined([](Broker& broker) {
              // Half of a size, which the message makes whole.
              const std::string nonsense(4, '\xff');
              for (int fd = 3; fd < 64; ++fd)
                static_cast<void>(::send(fd, nonsense.data(), nonsense.size(), MSG_NOSIGNAL) < 0);
              const auto asked = broker.ask({std::string(8u << 20, 'a')});
              return !asked && asked.error().code == Code::kEnvironment;
            }),
            0);
}

}  // namespace
}  // namespace flense::guard

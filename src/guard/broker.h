// What a confined process cannot do and still needs: a small process beside it, forked before,
// starts the few programs that it asks for and hands back their descriptors, and writes the few
// files that the user named. It reads nothing of a stranger's, and its answers follow from the
// command line alone: whoever overcomes a parser can have done what the command does anyway.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/file.h"
#include "base/process.h"
#include "base/result.h"

namespace flense::guard {

/// What a service answers.
struct Answer {
  std::string text;
  UniqueFd fd;
};

/// What the broker does; called there. Where a function is missing nothing is.
struct Services {
  /// Whether a program may be started: its path, and all that follows it.
  std::function<bool(const std::vector<std::string>& argv)> may_start;
  std::function<Result<void>(const std::string& path, std::string_view text)> save;
  std::function<Result<Answer>(const std::vector<std::string>& words)> ask;
};

class Broker final : public ProgramStarter {
 public:
  /// Forks; to be called before there are threads.
  static Result<std::unique_ptr<Broker>> begin(const Services& services);
  Broker(const Broker&) = delete;
  Broker& operator=(const Broker&) = delete;
  /// Ends it, and with it what it started.
  ~Broker() override;

  Result<Started> start(const std::vector<std::string>& argv) override;
  void kill(int pid) override;
  Result<int> wait(int pid) override;
  std::optional<std::uint64_t> written(int pid) override;
  Result<void> save(const std::string& path, std::string_view text);
  Result<Answer> ask(const std::vector<std::string>& words);

 private:
  Broker(int pid, UniqueFd socket) : pid_(pid), socket_(std::move(socket)) {}
  int pid_;
  UniqueFd socket_;
};

}  // namespace flense::guard

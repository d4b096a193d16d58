// The outside world of a command: where it writes, what terminal it has, its environment. Tests
// hand in strings.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/screen.h"
#include "guard/broker.h"
#include "guard/confine.h"

namespace flense::cli {

struct Io {
  Screen out;            ///< results only
  Screen err;            ///< errors and hints
  unsigned columns = 0;  ///< of the terminal; 0 when there is none
  std::function<std::optional<std::string>(std::string_view)> environment;
  std::stop_token stop = {};  ///< requested when the user wants us to end
  /// All of the environment, "NAME=value".
  std::vector<std::string> variables = {};
  /// Confines this process, and begins to request `stop`; a test has neither. Before any thread.
  std::function<void(const guard::Reach&)> confine = nullptr;
  std::function<void()> watch_signals = nullptr;
  bool confined = false;
  std::unique_ptr<guard::Broker> broker = nullptr;  ///< of a confined process that needs one

  std::string variable(std::string_view name) const {
    return environment ? environment(name).value_or("") : std::string();
  }
};

}  // namespace flense::cli

// The first process of a container's PID namespace where the command is not to be it (--init): what
// no other process waits for is reaped, and signals reach the command, which would ignore them as
// the first process.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace flense::launch {

/// The word by which this program, at kPlacer, is that process.
constexpr std::string_view kFirstProcessWord = "first-process";

/// Starts the command and waits for it; its exit status, 128 + N for a signal.
int be_first_process(const std::vector<std::string>& command);

}  // namespace flense::launch

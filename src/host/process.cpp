#include "host/process.h"

#include "base/numbers.h"
#include "host/text_formats.h"

namespace flense::host {

std::optional<bool> process_runs(const Tree& proc, std::string_view name) {
  constexpr std::size_t kKept = 15, kMaxComm = 64;
  for (const std::string& process : proc.list("", Tree::kMaxProcesses)) {
    if (!parse_number(process)) continue;
    const Result<std::string> comm = proc.read(process + "/comm", kMaxComm);
    if (comm && clean(*comm) == name.substr(0, kKept)) return true;
  }
  // Process 1 belongs to root: whoever sees it sees all processes.
  return proc.read("1/comm", kMaxComm) ? std::optional(false) : std::nullopt;
}

}  // namespace flense::host

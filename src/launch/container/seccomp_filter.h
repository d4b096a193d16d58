// Which system calls a container may make: containers-common's list for a process without
// capabilities (data/seccomp/rules.json), as the OCI runtime specification writes it
// (config-linux.md, "Seccomp"), and compiled for the kernel when this program was built, since
// compiling it at every start takes an engine longer than all the rest of the start.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "text/json.h"

namespace flense::launch {

struct FilterInput {
  std::string architecture;  ///< of this machine, as images name it: "amd64"
  /// Calls that change owners and ids report success and change nothing.
  bool pretend = false;
  /// The kernel's keyrings are not there: their keys are found by number, across all namespaces.
  bool no_keys = false;
  /// Calls at which whoever traces the container is asked, and io_uring, which none could see, is
  /// not there.
  std::vector<std::string> traced;
};

/// All that the kernel of such a machine runs, as seccomp's users write them. A filter knows
/// nothing of the others: their calls kill the program. Empty for a machine that we do not know.
std::vector<std::string> seccomp_architectures(std::string_view architecture);

/// linux.seccomp from the rules, which are of the form of data/seccomp/rules.json.
text::Json seccomp_section(const text::Json& rules, const FilterInput& input);

/// A profile as docker and podman take it, as rules of that form for a process that has
/// `capabilities`. Bad input for what is no profile, or has a program of the host asked at each
/// call.
Result<text::Json> rules_of_profile(const text::Json& profile, const std::string& architecture,
                                    const std::vector<std::string>& capabilities);

/// data/seccomp/rules.json.
Result<text::Json> seccomp_rules();

/// The section as a program for seccomp(2), in base64, where it was compiled; else empty.
std::string_view compiled_filter(const FilterInput& input);

}  // namespace flense::launch

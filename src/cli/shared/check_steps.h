// The steps of flense check, apart from its command line: which hosts, what an image needs, what
// may pass.
#pragma once

#include <optional>
#include <set>
#include <string>
#include <vector>

#include "cli/shared/args.h"
#include "cli/shared/io.h"
#include "compat/judge.h"

namespace flense::cli {

/// Checks that a user lets pass although they are not ok.
struct Allowances {
  std::set<std::string, std::less<>> unknown, unsupported;
};

/// A usage error, with the nearest ids, for one that no check has.
Result<void> known_check(const std::string& id, const knowledge::Knowledge& tables);

/// Exit status of verdicts: 1 when something fails or is unsupported, else 5 when something
/// decisive is unknown, else 0.
int verdict_status(const std::vector<compat::HostVerdict>& verdicts, const Allowances& allowances);

/// What TARGET needs: from the cache, from its layers, or with --config-only from its
/// configuration.
Result<inventory::Needs> needs_of(const std::string& target, const ParsedArgs& args, Io& io);

/// The hosts that --host names; this machine without it.
Result<std::vector<host::Profile>> hosts_of(const ParsedArgs& args);

/// One verdict per host. Without `launcher` the most likely one of each host.
std::vector<compat::HostVerdict> judge_hosts(const inventory::Needs& image,
                                             const std::vector<host::Profile>& hosts,
                                             const knowledge::Knowledge& tables,
                                             std::optional<compat::Launcher> launcher,
                                             bool redistribution);

}  // namespace flense::cli

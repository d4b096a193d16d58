// The steps of flense check, apart from its command line: which hosts, what an image needs, what
// may pass.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "cli/shared/args.h"
#include "cli/shared/common.h"
#include "cli/shared/io.h"
#include "cli/shared/places.h"
#include "compat/judge.h"

namespace flense::cli {

/// Checks that a user lets pass although they are not ok.
struct Allowances {
  std::vector<std::string> unknown, unsupported;
};

/// A usage error, with the nearest ids, for one that no check has.
Result<void> known_check(const std::string& id, const knowledge::Knowledge& tables);

/// Exit status of verdicts: 1 when something fails or is unsupported, else 5 when something
/// decisive is unknown, else 0.
int verdict_status(const std::vector<compat::HostVerdict>& verdicts, const Allowances& allowances);

/// This machine, where one of the words of --host means it, or where there are none.
std::optional<host::Profile> this_host(const std::vector<std::string>& words,
                                       const host::Places& places,
                                       const knowledge::Knowledge& tables);
/// The hosts that the words of --host name; `here` without one. Files that others wrote are read.
Result<std::vector<host::Profile>> hosts_of(const std::vector<std::string>& words,
                                            const std::optional<host::Profile>& here,
                                            const knowledge::Knowledge& tables);
/// What TARGET needs: from the cache, from its layers, or from its configuration alone.
Result<needs::Needs> needs_of(const std::string& target, const Request& request,
                              const ImageOptions& image, bool config_only, Io& io);

/// One verdict per host. Without `launcher` the most likely one of each host.
std::vector<compat::HostVerdict> judge_hosts(const needs::Needs& image,
                                             const std::vector<host::Profile>& hosts,
                                             const knowledge::Knowledge& tables,
                                             std::optional<compat::Launcher> launcher,
                                             bool redistribution);

}  // namespace flense::cli

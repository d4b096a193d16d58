// Hosts with the same verdict for the same reasons: the building blocks of a cluster's report.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "compat/facts/check.h"

namespace flense::report {

struct VerdictGroup {
  const compat::HostVerdict* first = nullptr;  ///< stands for all of them
  std::vector<std::string> names;
  /// Why the ok ones are ok: one line, and how many hosts have it, most first.
  std::vector<std::pair<std::string, std::size_t>> reasons;
};

/// Worst first, larger groups before smaller ones. Two hosts are of one group when launcher,
/// verdict and the checks that are not ok agree; with `all`, all checks.
std::vector<VerdictGroup> verdict_groups(std::span<const compat::HostVerdict> hosts, bool all);

/// Why a host is ok: how the driver serves the image's runtime and where its device code comes
/// from; empty when no check says so.
std::string reason_of(const compat::HostVerdict& host);

/// "412 ok, 64 fail": worst first.
std::string verdict_counts(std::span<const compat::HostVerdict> hosts);

}  // namespace flense::report

// The forms in which a user names machines (--host): "this"; a file (a profile, a list of them, the
// nodes of a cluster); a cloud's instance type, "aws:p5.48xlarge@550.54.15"; or GPUs and a driver,
// "h100@550.54.15", for a machine that was never probed.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "host/profile.h"
#include "host/tree.h"
#include "knowledge/knowledge.h"

namespace flense::host {

/// GPU[,GPU…][@DRIVER] or PROVIDER:TYPE[@DRIVER]: products ("h100"), families ("ampere"),
/// architectures ("sm_90") or an instance type. Of such a profile everything else is unknown. Usage
/// errors name what is near.
Result<Profile> described_profile(std::string_view words, const knowledge::Knowledge& tables);

/// The text of a profile; `name` becomes its source.
Result<Profile> parse_profile(std::string_view text, const std::string& name);

/// What a file holds, told by its content: a profile, a JSON array of profiles, `kubectl get nodes
/// -o json`, or Slurm's nodes (scontrol show node, also with --json; sinfo -o "%N %G %f"). Never
/// empty.
Result<std::vector<Profile>> parse_profiles(std::string_view text, const std::string& name,
                                            const knowledge::Knowledge& tables);

/// All machines of one word. What holds a slash, ends with .json or is there is a file. `places`
/// are those of "this".
Result<std::vector<Profile>> profiles_of(const std::string& spec, const Places& places,
                                         const knowledge::Knowledge& tables);

/// The same where one machine is asked for; a usage error when the file has several.
Result<Profile> profile_of(const std::string& spec, const Places& places,
                           const knowledge::Knowledge& tables);

}  // namespace flense::host

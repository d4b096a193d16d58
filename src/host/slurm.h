// Nodes of a Slurm cluster: `scontrol show node` as text or with --json, and `sinfo -o "%N %G %f"`.
// Slurm knows how many GPUs of which type a node offers (Gres) and the features that its
// administrator assigned; it does not know drivers.
#pragma once

#include <string_view>
#include <vector>

#include "base/result.h"
#include "host/profile.h"
#include "knowledge/knowledge.h"
#include "text/json.h"

namespace flense::host {

/// An object whose member "nodes" is a list.
bool is_slurm(const text::Json& json);
Result<std::vector<Profile>> slurm_profiles(const text::Json& json, std::string_view file,
                                            const knowledge::Knowledge& tables);

/// True for the text of scontrol or sinfo.
bool is_slurm_text(std::string_view text);
/// One profile a node, each node once; host lists are expanded. Bad input for a list without nodes
/// or with a host list that is none.
Result<std::vector<Profile>> slurm_text_profiles(std::string_view text, std::string_view file,
                                                 const knowledge::Knowledge& tables);

}  // namespace flense::host

// Nodes of a Kubernetes cluster as `kubectl get nodes -o json` prints them: what the node's status
// says, and the labels of NVIDIA's GPU feature discovery, AMD's node labeller, Node Feature
// Discovery and the clouds.
#pragma once

#include <vector>

#include "base/result.h"
#include "host/profile.h"
#include "knowledge/knowledge.h"
#include "text/json.h"

namespace flense::host {

/// A List or NodeList of nodes, or one Node.
bool is_kubernetes(const text::Json& json);

/// One profile a node, in the order of the list; the source of each is the node's name. Facts
/// without a label are unknown; a node without any about GPUs carries a notice. Bad input for a
/// list without nodes.
Result<std::vector<Profile>> kubernetes_profiles(const text::Json& json, std::string_view file,
                                                 const knowledge::Knowledge& tables);

}  // namespace flense::host

// What an image requires, as rules that a cluster evaluates on the labels of its nodes.
#pragma once

#include <string>

#include "base/result.h"
#include "compat/requirements.h"

namespace flense::report {

/// YAML of a pod's `affinity:` (Kubernetes v1 NodeAffinity). The driver's version is three integer
/// labels, so "at least 550.54.14" is several nodeSelectorTerms. An environment error when nothing
/// is known that nodes could be chosen by.
Result<std::string> node_affinity(const compat::Requirements& needs);

/// YAML of Node Feature Discovery's image compatibility specification v1alpha1, for
/// `oras attach --artifact-type application/vnd.nfd.image-compatibility.v1alpha1`.
Result<std::string> nfd_compatibility(const compat::Requirements& needs);

}  // namespace flense::report

// What an image requires, as a claim on the devices that a Kubernetes driver publishes.
#pragma once

#include <string>

#include "base/result.h"
#include "compat/requirements.h"

namespace flense::report {

/// YAML of a ResourceClaimTemplate (resource.k8s.io/v1) for one GPU of the class gpu.nvidia.com: a
/// CEL expression over cudaComputeCapability and driverVersion, as NVIDIA's driver for dynamic
/// resource allocation publishes them. An environment error where the image serves no NVIDIA GPU
/// that is known.
Result<std::string> device_claim(const compat::Requirements& needs);

}  // namespace flense::report

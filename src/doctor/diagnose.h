// flense doctor: why CUDA or ROCm does not work here. Reads plain files only: it executes nothing,
// loads no library and opens no device.
#pragma once

#include "doctor/scene.h"
#include "doctor/step.h"

namespace flense::doctor {

/// `profile` is host::probe(machine, tables); what is not set in `environment` is unset for the
/// program in question.
Diagnosis diagnose(const host::Machine& machine, const host::Profile& profile,
                   const Environment& environment, const knowledge::Knowledge& tables);

}  // namespace flense::doctor

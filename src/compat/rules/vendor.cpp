// Is the image made for GPUs of this vendor at all?
#include "compat/facts/facts.h"
#include "compat/facts/software.h"
#include "compat/rules/rules.h"

namespace flense::compat {

void rule_vendor_mismatch(const Question& question, std::vector<Check>& checks) {
  const std::string &cuda = question.facts->cuda_evidence, &rocm = question.facts->rocm_evidence;
  if ((cuda.empty() && rocm.empty()) || question.host.gpus.empty()) return;
  const auto nvidia = gpus_of(question.host, "nvidia"), amd = gpus_of(question.host, "amd");
  const bool fits = (!cuda.empty() && !nvidia.empty()) || (!rocm.empty() && !amd.empty());

  Check check;
  check.id = "vendor-mismatch";
  if (!cuda.empty()) check.evidence.push_back({"image", cuda});
  if (!rocm.empty()) check.evidence.push_back({"image", rocm});
  if (!nvidia.empty()) check.evidence.push_back({"host", "NVIDIA: " + describe(nvidia)});
  if (!amd.empty()) check.evidence.push_back({"host", "AMD: " + describe(amd)});
  check.source = "the image's files and the host's PCI devices";
  if (fits) {
    check.message = "the image is built for GPUs of a vendor that the host has";
  } else if (!cuda.empty()) {
    check.verdict = Verdict::kFail;
    check.message = "the image is built for CUDA, and the host has AMD GPUs only";
    check.fix = "use the image's ROCm build (rocm/pytorch, -rocm tags), or a host with NVIDIA GPUs";
  } else {
    check.verdict = Verdict::kFail;
    check.message = "the image is built for ROCm, and the host has NVIDIA GPUs only";
    check.fix = "use the image's CUDA build, or a host with AMD GPUs";
  }
  checks.push_back(std::move(check));
}

}  // namespace flense::compat

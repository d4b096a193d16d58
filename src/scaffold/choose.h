// Chooses the build of a project. Pure: every candidate is described as an image and judged for
// every host by compat, as `flense check` would judge the image once it is built; the best one that
// passes everywhere is taken. So nothing is decided here that compat does not know.
#pragma once

#include <string>
#include <vector>

#include "compat/facts/check.h"
#include "host/profile.h"
#include "knowledge/knowledge.h"
#include "scaffold/candidate.h"
#include "scaffold/template_set.h"

namespace flense::scaffold {

struct Rejection {
  std::string candidate;    ///< "torch 2.14.1+cu130"
  std::string host;         ///< the first one that refuses it
  std::string why, source;  ///< of compat's check
};

/// What is known about one of the hosts.
struct HostSide {
  std::string name;                        ///< words for --host: "h100@550.54.15"
  std::string source;                      ///< as the user named it
  std::vector<std::string> architectures;  ///< "9.0", "gfx942"
  std::string driver;                      ///< empty: unknown
  bool assumed = false;  ///< the driver is assumed: the minimum that the choice runs on
  bool native = true;    ///< false: CUDA's minor-version mode
  compat::Verdict verdict = compat::Verdict::kOk;
  std::vector<compat::Check> checks;  ///< of the chosen build
};

struct Choice {
  Candidate candidate;
  std::string platform = "linux/amd64";
  std::vector<std::string> architectures;  ///< of all hosts, ascending
  std::string march;                       ///< -march of their weakest processor; empty: not told
  std::string driver;                      ///< least NVIDIA driver that runs it; empty for ROCm
  std::string native_driver;               ///< least that supports its CUDA itself
  std::vector<HostSide> hosts;
  std::vector<Rejection> rejected;  ///< newer or better builds, in the order they were tried
};

/// Usage errors that name the fact: a host of the other vendor or without a GPU, an embedded
/// machine, hosts of two processor architectures, nothing that runs on all.
Result<Choice> choose(const Template& chosen, const std::vector<host::Profile>& hosts,
                      const knowledge::Knowledge& tables);

/// "h100@550.54.15": the host in words that need no file, letters, digits and "_.,@" alone.
std::string host_words(const host::Profile& host, const knowledge::Knowledge& tables);

}  // namespace flense::scaffold

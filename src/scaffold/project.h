// A template with the versions chosen for some hosts: the files of the project, and the reasons.
#pragma once

#include <string>
#include <vector>

#include "scaffold/choose.h"
#include "scaffold/write.h"

namespace flense::scaffold {

/// One decision, for the project's README and for --json.
struct Reason {
  std::string name;    ///< "PyTorch", "least driver"
  std::string value;   ///< "2.14.1+cu126"
  std::string why;     ///< one sentence without full stop
  std::string source;  ///< table row
};

struct Project {
  Template chosen;
  Choice choice;             ///< what runs on all hosts
  std::vector<Choice> each;  ///< the best for each host alone, in the order of choice.hosts
  std::vector<Reason> reasons;
  std::vector<ProjectFile> files;
};

/// Hosts that are the same in words count once. At most 32 different ones: more is a usage error.
Result<Project> make_project(const Template& chosen, const std::vector<host::Profile>& hosts,
                             const knowledge::Knowledge& tables);

/// `sm_90`, `gfx942`: what --gpu of slim takes.
std::vector<std::string> gpu_words(const std::vector<std::string>& architectures);

}  // namespace flense::scaffold

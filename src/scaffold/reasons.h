// Why a build was chosen, as text.
#pragma once

#include <vector>

#include "scaffold/project.h"

namespace flense::scaffold {

/// `base` and `build` are the images of the final stage and of the first one; `build` may be empty.
std::vector<Reason> reasons_for(const Template& chosen, const Choice& choice,
                                const knowledge::Knowledge& tables, const std::string& base,
                                const std::string& build);

/// Of several rows one sentence: "torch 2.14.1+cu130 was passed over for h100@550.54.15: …".
std::string sentence(const Rejection& rejected);

}  // namespace flense::scaffold

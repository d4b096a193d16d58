// Tags of other publishers than nvidia/cuda's, by the scheme that each keeps to.
#pragma once

#include "lint/images/cuda_tags.h"
#include "lint/rules/rules.h"

namespace flense::lint {

/// True where a tag was told that its publisher never made.
bool judge_publisher_tag(const ImageUse& use, FindingSink& sink);

}  // namespace flense::lint

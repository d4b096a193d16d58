// A host profile as tables. Every line names the file it was read from, or why it is unknown.
#pragma once

#include <string>

#include "host/profile.h"
#include "report/format/style.h"

namespace flense::report {

struct HostTextOptions {
  Style style;
  bool quiet = false;    ///< GPUs and notices only
  bool verbose = false;  ///< CPU flags, UUIDs and the evidence of each GPU
};

std::string host_text(const host::Profile& profile, const HostTextOptions& options);

}  // namespace flense::report

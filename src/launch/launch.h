// One launch, from the request to its execution: decisions first, as values that can be shown, then
// start_stage().
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "launch/assemble.h"
#include "launch/container/crun.h"
#include "launch/container/stage.h"

namespace flense::launch {

struct Launch {
  std::string id;
  StagePlan stage;
  OciInput oci;
  CommandCheck command;
  std::string program;               ///< what `command` speaks of
  std::vector<std::string> reasons;  ///< for --explain
  std::vector<std::string> notices;
};

Result<Launch> plan_launch(const LaunchInput& input, const Engine& engine,
                           const RuntimePlaces& places);

}  // namespace flense::launch

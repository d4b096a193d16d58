// What hangs on slim images in a registry, for those who look there: schedulers and auditors.
#pragma once

#include <string>
#include <vector>

#include "cli/shared/io.h"
#include "cli/slim/request.h"
#include "image/output/artefact.h"
#include "slim/job/slimming.h"
#include "slim/plan/options.h"

namespace flense::cli {

/// What a node must have for the image, as Node Feature Discovery reads it.
Result<image::Artefact> compatibility_of(const slim::Slimming& slimming, const std::string& name);

struct Hanging {
  image::Subject on;
  std::vector<image::Artefact> artefacts;
};
/// Pushes them to where the images went. Registries that take none leave the images as they are:
/// that comes back as a notice.
Result<std::vector<std::string>> attach_all(const std::string& pushed_to,
                                            const std::vector<Hanging>& all,
                                            const slim::Workplace& workplace, Io& io);

/// One line about what hangs on the original in its registry and speaks of that alone; empty where
/// there is nothing, or no registry.
Result<std::string> named_on_original(const image::Image& original,
                                      const slim::Workplace& workplace, Io& io);

}  // namespace flense::cli

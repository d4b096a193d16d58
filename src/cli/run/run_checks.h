// What flense run looks at before it starts anything: will the image run here, and does the command
// write where that lasts?
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cli/run/run_options.h"
#include "cli/shared/io.h"
#include "host/tree.h"
#include "image/model/image.h"
#include "launch/container/oci_config.h"
#include "launch/container/start_check.h"
#include "launch/rootfs/store.h"

namespace flense::cli {

/// Judges the image for this machine with these devices (launch/gpus/preflight.h), unless
/// --no-preflight; says warnings on standard error. True when the image's compat libraries serve.
/// The layers of an image that was unpacked just now are read, so that later runs know them.
Result<bool> check_image(const RunRequest& request, Io& io, const image::Image& image,
                         const host::Machine& machine, const launch::RootFs& root,
                         const std::vector<std::string>& devices);

/// Warns of words and variables of the command that point into the read-only root, and of places on
/// network file systems.
Result<void> check_data(const RunRequest& request, Io& io, const launch::OciInput& oci,
                        const launch::RootFs& root, bool in_place);

/// 126 or 127, told as shells do; nullopt when the command can be tried. `where` is the image or
/// the container.
Result<std::optional<int>> refuse_command(const launch::CommandCheck& check,
                                          std::string_view program, std::string_view where, Io& io);

}  // namespace flense::cli

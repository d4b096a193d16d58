// flense slim A B C: several images in one run. A layer that they share is read, cut and compressed
// once; the results lie beside each other and share it again.
#pragma once

#include "cli/shared/args.h"
#include "cli/shared/io.h"

namespace flense::cli {

Result<int> slim_fleet(const ParsedArgs& args, Io& io);

}  // namespace flense::cli

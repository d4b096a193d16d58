// What several commands do alike: style, progress, opening a TARGET.
#pragma once

#include <memory>
#include <string>

#include "base/progress.h"
#include "cli/args.h"
#include "cli/io.h"
#include "device/prune.h"
#include "image/image.h"
#include "report/style.h"

namespace flense::cli {

/// Colours when standard output is a terminal, unless --no-color, NO_COLOR or TERM=dumb.
report::Style output_style(const ParsedArgs& args, const Io& io);

/// Enabled on a terminal without -q.
std::unique_ptr<Progress> make_progress(const ParsedArgs& args, const Io& io);

Result<void> write_text(Io& io, std::string_view text);

/// --tmpdir, $TMPDIR, /var/tmp. Not /tmp, which often is memory.
std::filesystem::path scratch_directory(const ParsedArgs& args, const Io& io);

/// --level with its default, standard.
device::Level level_of(const ParsedArgs& args);

/// The first positional as an image, with --platform and --tmpdir. A misspelt transport is told.
Result<std::unique_ptr<image::Image>> open_target(const ParsedArgs& args, const Io& io);

// Options that commands share.
extern const OptionSpec kPlatformOption, kTmpdirOption, kGpuOption, kLevelOption;

}  // namespace flense::cli

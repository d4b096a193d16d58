// Commands that slim runs in the image's root, in a sandbox: --trace before the plan, --verify
// behind it. The original is unpacked once for both.
#pragma once

#include <filesystem>

#include "cli/shared/args.h"
#include "cli/shared/io.h"
#include "cli/slim/steps.h"
#include "image/model/image.h"
#include "slim/sandbox/sandbox.h"

namespace flense::cli {

/// What the image says its processes get.
slim::SandboxEnvironment sandbox_environment(const image::Image& image);

/// The input unpacked, once for a run, in the subject's work directory.
Result<std::filesystem::path> original_root(SlimSubject& subject);

/// --trace, --trace-file and --save-trace; a usage error where nothing would look at a trace.
Result<void> read_tracing(const ParsedArgs& args, SlimRequest& request);

/// Runs the commands of --trace, reads the files of --trace-file, and puts into the subject's
/// options what they met. A command that fails leaves subject.failed_trace.
Result<void> add_traces(const SlimRequest& request, SlimSubject& subject, const Io& io);

/// False when the slim root answers otherwise than the original; says so on stderr.
Result<bool> verify_by_running(const SlimRequest& request, SlimSubject& subject, Io& io);

}  // namespace flense::cli

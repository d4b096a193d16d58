// Apptainer definition files (Apptainer user guide, "Definition Files"): a header of the form
// "Key: value", then sections that begin with '%'; several stages in one file.
#pragma once

#include "lint/dockerfile/dockerfile.h"

namespace flense::lint {

/// As the Dockerfile that builds the same, in the order of the build and not of the text: From is
/// FROM, %arguments ARG, a line of %files COPY, %post RUN, a line of %environment ENV, %runscript
/// ENTRYPOINT. Sections that run on the host or that test are left out. {{ NAME }} is a variable of
/// the shell there, ${NAME:-}. `problems` are what apptainer refuses. `source` must outlive the
/// result.
Dockerfile parse_apptainer(const SourceText& source);

}  // namespace flense::lint

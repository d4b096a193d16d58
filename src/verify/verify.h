// Whether an image, a directory or an ELF file is what it has to be: made from another by removing
// what no target can load and what a record gives a reason for, and nothing else. Shares the
// readers with slim, and no decision: tests/layering holds that (docs/commands/verify.md).
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "base/progress.h"
#include "image/model/image.h"
#include "verify/finding.h"
#include "verify/record.h"

namespace flense::verify {

struct Question {
  device::Targets targets;  ///< empty: those of the record or of the labels
  std::optional<Level> level;
  std::optional<Record> record;
  std::filesystem::path scratch;
  Progress* progress = nullptr;
};

struct Answer {
  CodeRule rule;            ///< by which it was judged
  std::string record;       ///< file of the record; empty without one
  std::uint64_t paths = 0;  ///< of the image before
};

/// Usage errors when nothing says for which GPUs; bad input for what cannot be read.
Result<Answer> verify_image(const image::Image& after, const image::Image& before,
                            const Question& question, Findings& findings);

}  // namespace flense::verify

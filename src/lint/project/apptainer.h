// Apptainer definition files (Apptainer user guide, "Definition Files"): a header of the form
// "Key: value", then sections that begin with '%'; several stages in one file.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "lint/dockerfile/dockerfile.h"
#include "lint/shell/shell.h"
#include "lint/source/source.h"

namespace flense::lint {

struct ApptainerFile {
  Word source, target;  ///< of %files; an empty target is the source
};

struct ApptainerSection {
  std::string name;  ///< "post", "environment", "files", "labels", "runscript", …
  Word header;       ///< the line that begins it
  Span body;
  ShellText commands;                ///< of the sections that a shell runs
  std::vector<ApptainerFile> files;  ///< of %files
  std::string from_stage;            ///< of `%files from STAGE`
};

struct ApptainerStage {
  std::string bootstrap;  ///< "docker", "localimage", "library", "debootstrap", "scratch", …
  std::string name;       ///< of "Stage:"
  Word from;              ///< of "From:", as written
  std::optional<ImageName> image;  ///< of the bootstraps that name one
  std::vector<std::pair<Word, Word>> headers;
  std::vector<ApptainerSection> sections;
  Environment environment;  ///< of %environment, where it is plain
  Span span;
};

struct ApptainerDefinition {
  std::vector<ApptainerStage> stages;

  /// Sections of this name of the last stage.
  std::vector<const ApptainerSection*> sections(std::string_view name) const;
};

/// Gives what could be read and adds a problem for what apptainer refuses.
ApptainerDefinition parse_apptainer(const SourceText& source, std::vector<ParseProblem>& problems);

}  // namespace flense::lint

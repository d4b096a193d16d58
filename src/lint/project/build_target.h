// A target of docker-bake.hcl or docker-bake.json (Docker's Bake file reference): what one
// `docker buildx bake` builds.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "lint/dockerfile/dockerfile.h"
#include "lint/source/source.h"

namespace flense::lint {

struct BuildTarget {
  std::string path;  ///< the file
  Span span;         ///< the target's name
  std::string name;
  std::vector<Word> inherits;
  /// As written, variables with a default replaced; empty text: not stated here or by a target that
  /// it inherits, or unknown.
  Word context, dockerfile, stage;
  bool inline_dockerfile = false;
  std::vector<std::pair<Word, Word>> args, contexts;
  std::vector<Word> platforms, cache_from, cache_to, tags;
};

}  // namespace flense::lint

// Reads one launch file of a test.
#pragma once

#include <memory>
#include <string>

#include "lint/project/project.h"
#include "lint/readers/readers.h"

namespace flense::lint {

inline std::unique_ptr<ProjectFile> read_launch(void (*reader)(ProjectFile&), std::string path,
                                                std::string text) {
  auto file = std::make_unique<ProjectFile>();
  file->source = SourceText(std::move(path), std::move(text));
  reader(*file);
  return file;
}

}  // namespace flense::lint

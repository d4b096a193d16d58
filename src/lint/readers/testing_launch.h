// Reads one launch file for a test.
#pragma once

#include <memory>
#include <string>

#include "lint/project/project.h"
#include "lint/readers/readers.h"

namespace flense::lint {

inline std::unique_ptr<ProjectFile> read_launch(FileContent (*reader)(const SourceText&),
                                                std::string path, std::string text) {
  auto file = std::make_unique<ProjectFile>();
  file->source = SourceText(std::move(path), std::move(text));
  static_cast<FileContent&>(*file) = reader(file->source);
  return file;
}

}  // namespace flense::lint

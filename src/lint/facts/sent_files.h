// The files of a build context that COPY can see: all except those that .dockerignore excludes.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "lint/dockerfile/ignore_file.h"
#include "lint/facts/stage_view.h"

namespace flense::lint {

/// Whether a COPY takes a list of requirements that lies nowhere in the checkout: the Dockerfile is
/// of another time, and builds nothing.
bool copies_lost_list(const Project& project, const ProjectFile& dockerfile);

class SentFiles {
 public:
  explicit SentFiles(const FileView& view);

  /// False: nobody listed the context, or its .dockerignore was not read.
  bool known() const { return known_; }
  bool has_ignore_file() const { return ignore_ != nullptr || unread_ignore_; }
  bool has_history() const { return has_history_; }  ///< the root of a checkout, or of the call
  /// The path of the .dockerignore that holds, or would.
  const std::string& ignore_path() const { return ignore_path_; }

  /// Whether the .dockerignore leaves this path of the context out, if it is there.
  bool leaves_out(std::string_view path) const;
  /// Files that COPY of this source takes. At most 500 different sources are looked up.
  std::vector<const ContextFile*> below(std::string_view source) const;
  std::uint64_t bytes_below(std::string_view source) const;

 private:
  /// Matched against the .dockerignore when first asked for.
  const std::vector<const ContextFile*>& files() const;

  bool known_ = false, unread_ignore_ = false, has_history_ = false;
  const ProjectFile* ignore_ = nullptr;
  const Context* context_ = nullptr;
  std::string ignore_path_;
  mutable std::optional<std::vector<const ContextFile*>> files_;
  mutable std::size_t asked_ = 0;
};

}  // namespace flense::lint

// Images that the project builds itself, and what their Dockerfiles say about them.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "lint/facts/stage_view.h"

namespace flense::lint {

/// The Dockerfile of Compose's `build`; null: there is none, or it is not part of the call.
const FileView* built_file(const std::vector<FileView>& views, const Project& project,
                           const Workload& workload);

/// The Dockerfile of a workload's image: that of Compose's `build`, or of a `docker build -t` in a
/// script of the project; null: it is not known, or several are.
const FileView* own_image(const std::vector<FileView>& views, const Project& project,
                          const Workload& workload);

/// The names of images that the project builds: Compose's services with `build`, targets of bake,
/// `docker build -t`.
class BuiltNames {
 public:
  explicit BuiltNames(const Project& project);
  bool contains(const ImageName& name) const;
  bool has_repository(const ImageName& name) const;  ///< with any tag

 private:
  std::set<std::string> names_;  ///< each with its tag
};

/// What the last stage starts: its ENTRYPOINT and CMD, the last of each; the text of `sh -c` split
/// into its words.
std::vector<Word> image_command(const FileView& view);

/// "pip installs torch", "repository pytorch/pytorch": how torch with GPU code gets into the last
/// stage; empty: it does not, or not surely.
std::string torch_of_image(const FileView& view);

}  // namespace flense::lint

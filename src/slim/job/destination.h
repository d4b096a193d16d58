// Where the result of a slimming goes.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "image/output/writer.h"
#include "slim/plan/options.h"

namespace flense::slim {

/// One member at most is set, besides the tag and the mirror; none for a dry run.
struct Destination {
  std::string in_place;    ///< the input itself
  std::string output;      ///< -o, as typed
  std::string push_to;     ///< -t with a transport
  std::string tag;         ///< -t without one
  std::string shown = {};  ///< digest of what push_to showed before the work
  /// --mirror: references without a transport, one for each variant.
  std::vector<std::string> mirrored = {};

  /// As the user named it.
  const std::string& name() const;
  /// No image: a directory, or a file system for machines that mount images.
  bool is_tree() const;
  bool is_file_system() const;
};

/// The path of an output without its transport.
std::string path_of_output(const std::string& output);
/// Where the record of a result lies: beside it, also where the name of a directory ends with '/'.
std::string record_beside(const std::string& output);

/// The outputs of several images below the directory that `output` names. Usage errors where it
/// cannot name one, or two would be called the same; `output` may be empty, and they are.
Result<std::vector<std::string>> outputs_of(const std::vector<std::string>& targets,
                                            const std::string& output);

/// A usage error where an image in this form cannot be pulled lazily though it shall be.
Result<void> check_lazy(const Packing& packing, image::OutputForm form);
/// The same for where an image is pushed to: engines store layers unpacked.
Result<void> check_lazy_push(const Packing& packing, const std::string& target);

}  // namespace flense::slim

// Where a command writes, and whether that survives: words of its arguments and its environment
// that point into the image's read-only root, and paths on network file systems. Values only.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace flense::launch {

struct DataPathQuestion {
  std::vector<std::string> command;      ///< with its arguments
  std::vector<std::string> environment;  ///< "NAME=value", as the container has it
  std::string workdir = "/";             ///< in the container
  std::vector<std::string> writable;     ///< targets of mounts that can be written to
  std::vector<std::string> read_only;    ///< those of mounts that cannot
  bool writable_root = false;            ///< --writable: what is written is lost at the end
};

/// A word that names a place in the container.
struct DataPath {
  enum class Use { kOutput, kInput, kCache } use = Use::kOutput;
  std::string word;  ///< "--output-dir", "HF_HOME"
  std::string path;  ///< absolute, without "." and ".."
  bool operator==(const DataPath&) const = default;
};

/// What the command names: options such as --output, --save, --checkpoint, --data (also -o), with
/// "=" or the next word, and variables of the environment such as HF_HOME, TRITON_CACHE_DIR.
std::vector<DataPath> data_paths(const DataPathQuestion& question);

/// One sentence a path that cannot be written to, or whose contents end with the container, each
/// with the mount to add. Inputs are told where the data would have to be a mount: `in_image` says
/// whether the image has the path; null takes it for missing.
std::vector<std::string> data_path_warnings(
    const DataPathQuestion& question, const std::function<bool(const std::string&)>& in_image);

/// Places of the host that many small reads go to. Empty ones are not asked about.
struct PlaceQuestion {
  std::string roots;             ///< where unpacked images are kept
  std::string sandbox;           ///< an image that is used where it lies
  std::string workdir;           ///< usual on clusters: only for verbose output
  std::vector<DataPath> caches;  ///< of programs, with their places on the host
};
std::vector<std::string> place_warnings(const PlaceQuestion& question,
                                        const std::function<bool(const std::string&)>& on_network);

}  // namespace flense::launch

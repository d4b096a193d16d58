// What `flense init` can write: templates and the files each consists of. The texts are in
// data/init and compiled into the program; data/init/templates.json lists which template uses which
// of them. A line `@@include PATH@@` stands for the text at PATH, which includes nothing itself.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace flense::scaffold {

/// What a template installs, and so what has to be chosen.
enum class Stack : std::uint8_t {
  kTorch,    ///< PyTorch's wheels of one CUDA variant
  kRocm,     ///< PyTorch's wheels of one ROCm variant
  kJax,      ///< JAX with one CUDA plugin
  kConda,    ///< conda-forge's PyTorch
  kToolkit,  ///< nvcc: the program is compiled for the hosts' GPUs
};

struct TemplateFile {
  std::string path;    ///< in the project: "app/main.py"
  std::string source;  ///< below data/init: "service/main.py"
  bool operator==(const TemplateFile&) const = default;
};

struct Template {
  std::string name;     ///< "pytorch-inference"
  std::string summary;  ///< one line
  std::string vendor;   ///< "nvidia", "amd"
  Stack stack = Stack::kTorch;
  /// Distribution that the program is built on, where its final image has an older C library than
  /// the builder's own choice would have: "ubuntu22.04"; empty: the newest.
  std::string build_on;
  std::vector<TemplateFile> files;
};

/// In the order of `flense init --list`. An internal error when the embedded list is damaged.
Result<std::vector<Template>> templates();

/// A usage error with the nearest names for one that does not exist.
Result<Template> find_template(std::string_view name);

/// The text of a file below data/init with what it includes. An internal error when a text is
/// missing.
Result<std::string> template_text(std::string_view path);

/// One file below data/init as it lies there; empty when there is none.
std::string_view embedded_text(std::string_view path);
std::vector<std::string_view> embedded_paths();

}  // namespace flense::scaffold

// The Python files of an image that an import would compile, by the interpreter that would: the
// modules of Python's own library and of installed packages (sysconfig's "stdlib", "purelib",
// "platlib", and Debian's dist-packages). A program's own files are not among them: which
// interpreter runs those is not written anywhere.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "image/layers/merged_tree.h"

namespace flense::closure {

struct PythonSource {
  std::string path;  ///< "usr/lib/python3.11/json/__init__.py"
  std::uint64_t size = 0;
  std::int64_t mtime = 0;  ///< seconds
};

/// What one version of Python reads.
struct PythonSources {
  std::string version;              ///< "python3.11", as its directory under lib is called
  std::string interpreter;          ///< image path without links; empty: the image has none
  std::vector<PythonSource> files;  ///< in the order of the tree
};

/// By version, those without files left out. Python 2 keeps compiled files elsewhere and is not
/// looked at, nor are names with a line break.
std::vector<PythonSources> find_python_sources(const image::MergedTree& tree);

/// Where the compiled file of a source lies (PEP 3147 and 488): `tag` is the interpreter's
/// ("cpython-311"), `optimisation` what PYTHONOPTIMIZE says (0: none).
std::string compiled_path(std::string_view source, std::string_view tag, unsigned optimisation);

}  // namespace flense::closure

// What a place in the file system tells: where software lies that packages bring, which directories
// belong to nobody alone, where Python keeps what.
#pragma once

#include <string>
#include <string_view>

#include "image/layers/merged_tree.h"
#include "inventory/describe/links.h"

namespace flense::closure {

/// Places that hold software and its data, which something must reach to be used: /usr, /opt and
/// their like. Elsewhere lies what people have put there: applications, data, models, settings.
bool is_software_place(std::string_view path);

/// A directory that many programs share, or that says nothing of its content when it is named:
/// /usr/lib, /etc, the directories of PATH, an installation's prefix (it has a bin or lib of its
/// own).
bool is_common_directory(const image::MergedTree& tree, std::string_view directory);

/// The longest beginning of `path` that exists, links followed; empty when only the root does.
/// "/usr/share/app/%s.conf" gives usr/share/app.
std::string existing_beginning(const image::MergedTree& tree, std::string_view path);

/// ".../lib/python3.11" of a file that lies in it; empty when it lies elsewhere.
std::string_view python_library(std::string_view path);
/// ".../site-packages" or ".../dist-packages" of a file that lies in it.
std::string_view python_site(std::string_view path);
/// A file of the standard library: in python_library(), in no python_site().
inline bool is_python_standard(std::string_view path) {
  return !python_library(path).empty() && python_site(path).empty();
}

/// "numpy" of "numpy", "numpy.py" and "numpy.cpython-311-x86_64-linux-gnu.so".
std::string_view module_of_file(std::string_view name);

/// "a/b.py" of "a/__pycache__/b.cpython-311.pyc"; empty for other paths.
std::string source_of_compiled(std::string_view path);

enum class ScriptLanguage { kNone, kPython, kShell, kOther };
/// By the name of the program that runs the script: "python3.11", "bash".
ScriptLanguage script_language(std::string_view program);
/// Of the "#!" line: what is run in the end, which may be a name that is looked for in PATH.
std::string_view script_program(const inventory::Interpreter& interpreter);

}  // namespace flense::closure

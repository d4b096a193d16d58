// What a Python source names: the modules that it imports, and strings that may name a module, a
// program or a file. A tolerant scanner of tokens, no parser: any bytes are taken, nothing fails,
// and what it cannot understand it passes over (Python reference, "Lexical analysis" and "The
// import statement").
#pragma once

#include <cstdint>
#include <functional>
#include <string_view>

namespace flense::closure {

enum class PythonMention : std::uint8_t {
  kImport,   ///< import a.b; from a import b: "a.b"; from a import *: "a"
  kCall,     ///< the literal of import_module(), __import__(), find_spec()
  kStart,    ///< the literal that begins a list which is an argument or a value: ["tar", "xf"]
  kCommand,  ///< the literal of os.system(), popen(), run() and their like: shell words
  kText,     ///< any other literal that has the form of a name or a path
};

/// `name` is valid during the call only; lines count from 1.
using TakePythonName =
    std::function<void(std::string_view name, PythonMention how, std::uint32_t line)>;

/// Relative imports are left out: what they name lies in the same package.
void scan_python(std::string_view text, const TakePythonName& take);

/// Of a file in `site-packages` whose lines name directories or, after "import", run (site.py).
/// Directories come as kText.
void scan_python_path_file(std::string_view text, const TakePythonName& take);

}  // namespace flense::closure

// What the closure reads of an image: Python sources, shell scripts, lists of packages.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "closure/package_metadata.h"
#include "closure/places.h"
#include "closure/python_imports.h"
#include "closure/shell_words.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace flense::closure;
  if (size == 0) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  const auto within = [&](std::string_view name, std::uint32_t line) {
    // A line is one of the text, and nothing is longer than the whole.
    if (name.empty() || name.size() > text.size() || line == 0 || line > text.size() + 1)
      std::abort();
  };
  const TakePythonName take = [&](std::string_view name, PythonMention how, std::uint32_t line) {
    if (how != PythonMention::kCommand) within(name, line);
  };
  switch (data[0] % 4) {
    case 0:
      scan_python(text, take);
      break;
    case 1:
      scan_python_path_file(text, take);
      break;
    case 2: {
      const ShellUnclear unclear = scan_shell(text, {"HOME"}, within);
      if (!unclear.what.empty()) within(unclear.what, unclear.line);
      break;
    }
    default: {
      const std::string_view path = text.substr(0, text.find('\n'));
      const std::string_view rest = text.substr(std::min(path.size() + 1, text.size()));
      for (const ListedPackage& one : parse_file_list(file_list_kind(path), path, rest))
        for (const std::string& file : one.files)
          if (file.empty() || file.front() == '/' || file.find('\0') != std::string::npos)
            std::abort();
      for (const Requirement& one : parse_requirements(rest))
        if (one.name.empty()) std::abort();
      static_cast<void>(parse_plugin_groups(rest));
      static_cast<void>(python_library(path));
      static_cast<void>(python_site(path));
    }
  }
  return 0;
}

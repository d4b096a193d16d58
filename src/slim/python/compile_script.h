#pragma once

#include <string_view>

namespace flense::slim {

/// The text of slim/python/compile_python.py, which travels inside the program.
std::string_view compile_script();

}  // namespace flense::slim

// What the commands of a shell text assign to variables, followed from command to command.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "lint/shell/shell.h"

namespace flense::lint {

/// The variables at a command: those of an outer environment, which must outlive this, and what the
/// commands before it have assigned. A value that a condition, a loop, a pipe or `read` decides is
/// unknown.
class ShellVariables {
 public:
  explicit ShellVariables(const Environment& outer) : values_(&outer) {}
  ShellVariables(const ShellVariables&) = delete;
  ShellVariables& operator=(const ShellVariables&) = delete;

  const Environment& values() const { return *values_; }
  /// In the order of the text.
  void take(const ShellCommand& command);

 private:
  void assign(std::string_view name, std::string_view text, bool dynamic, bool sure);
  void end_list();

  const Environment* values_;
  Environment own_;                    ///< what values_ names from the first assignment on
  std::vector<std::string> unsure_;    ///< assigned behind && of the and-list that goes on
  std::vector<std::string> assigned_;  ///< what a script that is sourced may assign anew
  std::string_view before_ = ";";      ///< what joins the last command to this one
};

}  // namespace flense::lint

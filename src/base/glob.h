// Shell-like patterns over image paths.
#pragma once

#include <string_view>

namespace flense {

/// '*' and '?' stay within a component, "**" spans components, [a-z] classes, '\' takes the next
/// character as it is. A leading '/' is ignored. No pattern takes exponential time.
bool glob_match(std::string_view pattern, std::string_view path);

/// The same of the path or of a directory that it lies in; a '/' at the end is ignored, too.
bool glob_covers(std::string_view pattern, std::string_view path);

/// The same pattern for many paths: what can be seen in it is looked at once.
class Glob {
 public:
  /// The text of `pattern` must outlive the glob.
  explicit Glob(std::string_view pattern);
  bool matches(std::string_view path) const;

 private:
  std::string_view pattern_, head_, tail_;
  bool literal_, by_components_;
};

}  // namespace flense

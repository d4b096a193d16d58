// The Python environments of an image: what is installed in one is not seen from another.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "needs/needs.h"

namespace flense::compat {

/// Those with packages: virtual environments, those of conda, and the Python of the system. Each is
/// called by its prefix: "opt/venv"; empty: the system's.
class PythonEnvironments {
 public:
  explicit PythonEnvironments(const needs::Needs& image);  ///< which it refers to

  /// In their order.
  const std::set<std::string>& prefixes() const { return prefixes_; }
  /// The one in which the image's command runs, as its program, PATH and what activating sets tell;
  /// else the system's, which may have no packages.
  const std::string& started() const { return started_; }
  /// What a program of this environment sees of the image: without the files of the others.
  needs::Needs seen_from(const std::string& prefix) const;

 private:
  /// The environment that a file lies in; nullptr: none, or the system's.
  const std::string* owner_of(std::string_view path) const;
  /// Those that evidence names: "Python package torch 2.10.0; opt/venv/lib/…/libtorch.so, …".
  std::set<std::string> named_in(std::string_view evidence) const;
  std::string find_started() const;

  const needs::Needs& image_;
  std::set<std::string> prefixes_;
  std::map<std::string, std::set<std::string>, std::less<>> by_package_;  ///< by "torch 2.10.0"
  std::string started_;
};

}  // namespace flense::compat

// Which file of the image asks for a library, by its list of needed ones or by name.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "inventory/describe/survey.h"

namespace flense::needs {

class LibraryUsers {
 public:
  explicit LibraryUsers(const inventory::Survey& survey);
  /// Path of one that asks for it, its own where the image starts it; empty: none does. Users
  /// without device code come first: they work on any GPU.
  std::string of(const inventory::SurveyFile& file) const;

 private:
  struct User {
    std::string_view path;
    bool code = false;
  };
  void see(std::string_view library, const inventory::SurveyFile& user);

  std::map<std::string_view, User> users_;
  std::string started_;
};

/// The files that do not load without a library: by their lists of needed ones, and by what they
/// are known to open.
class LibraryAskers {
 public:
  explicit LibraryAskers(const inventory::Survey& survey);
  /// Paths of those that ask for it, then of those that ask for these, `most` at most.
  std::vector<std::string> above(const inventory::SurveyFile& file, std::size_t most) const;

 private:
  std::multimap<std::string_view, const inventory::SurveyFile*> askers_;
};

}  // namespace flense::needs

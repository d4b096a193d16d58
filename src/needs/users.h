// Which file of the image asks for a library, by its list of needed ones or by name.
#pragma once

#include <map>
#include <string>
#include <string_view>

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

}  // namespace flense::needs

#include "cli/shared/places.h"

#include <array>
#include <filesystem>
#include <system_error>

namespace flense::cli {

namespace {

Result<std::filesystem::path> existing_directory(const std::string& word, std::string_view option) {
  std::error_code ignored;
  if (!std::filesystem::is_directory(word, ignored))
    return bad_input("{} {} is not a directory", option, word);
  return word;
}

void add_place(Options& options, std::string_view name, std::string_view help,
               std::optional<std::filesystem::path>& place) {
  options.add(name, "DIR", help, place, existing_directory).directory();
}

}  // namespace

std::string_view PlaceOptions::first_named() const {
  return root ? "--root" : proc ? "--proc" : sys ? "--sys" : dev ? "--dev" : "";
}

void add_root(Options& options, PlaceOptions& places) {
  add_place(options, "--root", "read the machine whose root is mounted here (default: /)",
            places.root);
}

void add_dev(Options& options, PlaceOptions& places) {
  add_place(options, "--dev", "its /dev", places.dev);
}

void declare(Options& options, PlaceOptions& places) {
  add_root(options, places);
  add_place(options, "--proc", "its /proc", places.proc);
  add_place(options, "--sys", "its /sys", places.sys);
  add_dev(options, places);
}

host::Places places_of(const PlaceOptions& places) {
  return {places.root.value_or("/"), places.proc.value_or(""), places.sys.value_or(""),
          places.dev.value_or("")};
}

}  // namespace flense::cli

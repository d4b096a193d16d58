#include "cli/shared/places.h"

#include <array>
#include <filesystem>
#include <system_error>

namespace flense::cli {

namespace {

constexpr OptionSpec place_option(std::string_view name, std::string_view help) {
  return {name, "", "DIR", help, false, {}, Completion::kDirectory};
}

Result<std::filesystem::path> existing_directory(const std::string& word, std::string_view option) {
  std::error_code ignored;
  if (!std::filesystem::is_directory(word, ignored))
    return bad_input("{} {} is no directory", option, word);
  return word;
}

void add_place(Options& options, std::string_view name, std::string_view help,
               std::optional<std::filesystem::path>& place) {
  options.add(name, "DIR", help, place, existing_directory).directory();
}

}  // namespace

const OptionSpec kRootOption =
    place_option("--root", "read the machine whose root is mounted here (default: /)");
const OptionSpec kProcOption = place_option("--proc", "its /proc");
const OptionSpec kSysOption = place_option("--sys", "its /sys");
const OptionSpec kDevOption = place_option("--dev", "its /dev");

Result<host::Places> places_of(const ParsedArgs& args) {
  host::Places out;
  const auto directory = [&](const char* option, std::filesystem::path& place) -> Result<void> {
    if (!args.has(option)) return {};
    place = args.value(option);
    std::error_code ignored;
    if (!std::filesystem::is_directory(place, ignored))
      return bad_input("{} {} is no directory", option, place.string());
    return {};
  };
  TRY_DO(directory("--root", out.root));
  TRY_DO(directory("--proc", out.proc));
  TRY_DO(directory("--sys", out.sys));
  TRY_DO(directory("--dev", out.dev));
  return out;
}

bool names_places(const ParsedArgs& args) {
  for (const char* option : {"--root", "--proc", "--sys", "--dev"})
    if (args.has(option)) return true;
  return false;
}

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

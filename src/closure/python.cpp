#include "closure/python.h"

#include <algorithm>
#include <array>
#include <iterator>

#include "base/path.h"
#include "closure/places.h"
#include "inventory/scan/packages.h"

namespace flense::closure {

namespace {

/// Parts of the standard library that nothing else in it imports.
constexpr auto kOptionalModules = std::to_array<std::string_view>(
    {"tkinter", "turtle", "turtledemo", "idlelib", "test", "ensurepip", "lib2to3"});

bool is_optional_module(std::string_view name) {
  return std::ranges::find(kOptionalModules, name) != kOptionalModules.end();
}

/// "3.11" of "python3.11", "libpython3.11.so.1.0"; empty of others.
std::string_view version_in(std::string_view name, std::string_view beginning) {
  if (!name.starts_with(beginning)) return {};
  name.remove_prefix(beginning.size());
  std::size_t end = 0;
  while (end < name.size() && ((name[end] >= '0' && name[end] <= '9') || name[end] == '.')) ++end;
  std::string_view version = name.substr(0, end);
  while (version.ends_with('.')) version.remove_suffix(1);
  return version.find('.') == std::string_view::npos ? std::string_view() : version;
}

bool is_python_name(std::string_view name) {
  return name.starts_with("python") &&
         name.substr(6).find_first_not_of("0123456789.") == std::string_view::npos;
}

/// "usr" of usr/lib/x86_64-linux-gnu/libpython3.11.so.1.0.
std::string_view prefix_of_library(std::string_view path) {
  for (std::string_view folder = parent_path(path); !folder.empty(); folder = parent_path(folder))
    if (base_name(folder) == "lib" || base_name(folder) == "lib64") return parent_path(folder);
  return {};
}

}  // namespace

void ReachPython::see(PathId id) {
  const std::string_view path = context_.tree.path(id), name = base_name(path);
  const std::string_view folder = parent_path(path);
  if (base_name(folder) == "bin" && is_python_name(name)) {
    add_environment(parent_path(folder), marks_.why(id));
    if (const auto version = version_in(name, "python"); !version.empty())
      add_interpreter(parent_path(folder), version, fmt::format("of {}", marks_.name(id)));
  } else if (const auto version = version_in(name, "libpython"); !version.empty()) {
    add_interpreter(prefix_of_library(path), version, fmt::format("of {}", marks_.name(id)));
  }
}

/// sysconfig's schemes, and those of Debian.
void ReachPython::add_interpreter(std::string_view prefix, std::string_view version,
                                  const std::string& why) {
  const std::string at = prefix.empty() ? std::string() : fmt::format("{}/", prefix);
  for (const char* lib : {"lib", "lib64"}) {
    const std::string library = fmt::format("{}{}/python{}", at, lib, version);
    const auto real = context_.tree.merged().resolve(library);
    const auto id = real ? context_.tree.find(*real) : std::nullopt;
    if (!id || !context_.tree.is_directory(*id)) continue;
    if (libraries_.insert(*id).second) keep_standard(*id, why);
    add_site(library + "/site-packages", why);
    add_site(library + "/dist-packages", why);
  }
  add_site(at + "lib/python3/dist-packages", why);
  if (prefix == "usr") {
    for (const char* kind : {"dist-packages", "site-packages"})
      add_site(fmt::format("usr/local/lib/python{}/{}", version, kind), why);
    add_site("usr/local/lib/python3/dist-packages", why);
  }
  const std::string user = fmt::format(".local/lib/python{}/site-packages", version);
  add_site("root/" + user, why);
  for (const std::string& home : context_.tree.merged().list("home"))
    add_site(fmt::format("home/{}/{}", home, user), why);
}

/// PEP 405: pyvenv.cfg one directory above the interpreter's.
void ReachPython::add_environment(std::string_view prefix, const std::string& why) {
  const std::string settings = fmt::format("{}/pyvenv.cfg", prefix);
  if (!marks_.keep_path(settings, Follow::kKeep, why)) return;
  for (const char* lib : {"lib", "lib64"}) {
    const std::string folder = fmt::format("{}/{}", prefix, lib);
    for (const std::string& name : context_.tree.merged().list(folder))
      if (name.starts_with("python"))
        add_site(fmt::format("{}/{}/site-packages", folder, name), why);
  }
}

void ReachPython::keep_standard(PathId library, const std::string& why) {
  const std::string beginning = std::string(context_.tree.path(library)) + "/";
  const auto [begin, end] = context_.tree.below(library);
  for (PathId id = begin; id < end; ++id) {
    const std::string_view path = context_.tree.path(id);
    if (context_.tree.is_directory(id) || !python_site(path).empty()) continue;
    std::string_view module = path.substr(beginning.size());
    if (module.starts_with("lib-dynload/_tkinter.")) continue;
    module = module_of_file(module.substr(0, module.find('/')));
    if (!is_optional_module(module))
      marks_.keep(id, Follow::kData, fmt::format("standard library {}", why));
  }
  for (const auto& [name, asked] : std::map(optional_)) keep_optional(name, asked);
}

void ReachPython::keep_optional(const std::string& name, const std::string& why) {
  for (const PathId library : libraries_) {
    const std::string folder(context_.tree.path(library));
    if (const auto id = context_.tree.find(fmt::format("{}/{}", folder, name)))
      marks_.keep_tree(*id, Follow::kData, why);
    marks_.keep_path(fmt::format("{}/{}.py", folder, name), Follow::kData, why);
    if (name == "tkinter" || name.starts_with("turtle"))
      marks_.keep_matching("_tkinter.*", Follow::kData, why);
  }
}

void ReachPython::add_site(const std::string& directory, const std::string& why) {
  const auto real = context_.tree.merged().resolve(directory);
  const auto folder = real ? context_.tree.find(*real) : std::nullopt;
  if (!folder || !context_.tree.is_directory(*folder)) return;
  // Where the name leads over links, they stay.
  marks_.keep_path(directory, Follow::kData, why);
  if (!sites_.insert(*real).second) return;
  for (const std::string& name : context_.tree.merged().list(*real)) {
    const auto id = context_.tree.find(fmt::format("{}/{}", *real, name));
    if (!id) continue;
    if (name.ends_with(".pth")) {
      follow_path_file(*real, *id);
    } else if (name == "sitecustomize.py" || name == "usercustomize.py") {
      marks_.keep(*id, Follow::kData, "imported when Python starts");
    } else if (name.ends_with(".dist-info") || name.ends_with(".egg-info")) {
      // Metadata that no list of files claims: whose it is nobody can say.
      if (!context_.tree.is_directory(*id)) {
        if (context_.units.owners(*id).empty()) marks_.keep(*id, Follow::kData, "metadata");
        continue;
      }
      if (!context_.units.owners_below(*id).empty()) continue;
      marks_.keep_tree(*id, Follow::kData, "metadata of a distribution without a list of files");
      const auto asks = context_.facts.requirements.find(fmt::format("{}/{}", *real, name));
      if (asks == context_.facts.requirements.end()) continue;
      for (const Requirement& one : asks->second)
        if (one.for_extra.empty())
          demand_distribution(one.name, one.extras, Wanted::kByPackage,
                              fmt::format("required by /{}/{}", *real, name));
    }
  }
  for (const auto& [module, demand] : std::map(modules_)) locate(*real, module, demand);
}

/// site.py: each line is a directory that is imported from, or code that runs.
void ReachPython::follow_path_file(const std::string& site, PathId id) {
  const std::string why = fmt::format("read when Python starts, in {}", marks_.name(id));
  marks_.keep(id, Follow::kKeep, "read when Python starts");
  for (const knowledge::PathFileRow& row : context_.opened.path_files) {
    if (row.file != base_name(context_.tree.path(id))) continue;
    for (const std::string& pattern : row.keeps)
      marks_.keep_matching(fmt::format("{}/{}", site, pattern), Follow::kKeep, row.source);
    return;
  }
  marks_.keep(id, Follow::kData, "read when Python starts");
  const auto& content = context_.tree.at(id).found.content;
  if (!content) return;
  const auto facts = context_.facts.path_files.find(inventory::key_of(*content));
  if (facts == context_.facts.path_files.end()) return;
  for (const ReachMention& mention : facts->second.mentions) {
    if (mention.how != PythonMention::kText) {
      demand_module(mention.name, true, Wanted::kByImage, why);
      continue;
    }
    const std::string path = resolve_link_text(site, mention.name);
    const auto folder = context_.tree.find(context_.tree.merged().resolve(path).value_or(path));
    if (!folder || !context_.tree.is_directory(*folder)) continue;
    if (!is_common_directory(context_.tree.merged(), context_.tree.path(*folder)))
      marks_.keep_tree(*folder, Follow::kData, why);
    add_site(path, why);
  }
}

void ReachPython::demand_module(std::string_view name, bool import, Wanted wanted,
                                const std::string& why) {
  name = name.substr(0, name.find(':'));
  const std::string_view top = name.substr(0, name.find('.'));
  if (is_optional_module(top)) {
    if (import && optional_.try_emplace(std::string(top), why).second)
      keep_optional(std::string(top), why);
    return;
  }
  if (name.empty()) return;
  const auto [known, first] = modules_.try_emplace(std::string(name), Demand{wanted, why});
  if (!first && known->second.wanted >= wanted) return;
  known->second = {wanted, why};
  for (const std::string& site : std::set(sites_)) locate(site, name, {wanted, why});
}

void ReachPython::keep_unit(UnitId unit, const Demand& demand) {
  if (demand.wanted == Wanted::kByPackage && context_.is_idle(unit))
    passed_over_.insert(unit);
  else
    marks_.keep_unit(unit, demand.why);
}

/// All owners of a file, or the module itself where it has none.
void ReachPython::keep_owned(PathId id, const Demand& demand) {
  const std::string& why = demand.why;
  for (const UnitId unit : context_.units.owners(id)) keep_unit(unit, demand);
  if (!context_.units.owners(id).empty()) return;
  const std::string_view path = context_.tree.path(id);
  std::string_view site = python_site(path);
  if (site.empty()) site = parent_path(path);
  const std::string_view inner = path.substr(site.empty() ? 0 : site.size() + 1);
  const std::string_view top = path.substr(0, path.size() - inner.size() + inner.find('/'));
  const auto folder =
      inner.find('/') == std::string_view::npos ? std::nullopt : context_.tree.find(top);
  if (folder)
    marks_.keep_tree(*folder, Follow::kData, why);
  else
    marks_.keep(id, Follow::kData, why);
}

/// Down the packages until one distribution alone has the directory. A directory that several have
/// is a namespace (PEP 420), or a package into which others install.
void ReachPython::locate(const std::string& site, std::string_view module, const Demand& demand) {
  const std::string& why = demand.why;
  std::string at = site;
  while (true) {
    const std::size_t dot = std::min(module.find('.'), module.size());
    const std::string_view part = module.substr(0, dot);
    const bool last = dot == module.size();
    module.remove_prefix(std::min(dot + 1, module.size()));
    const std::string folder = fmt::format("{}/{}", at, part);
    const auto real = context_.tree.merged().resolve(folder);
    const auto id = real ? context_.tree.find(*real) : std::nullopt;
    if (!id || !context_.tree.is_directory(*id)) {
      for (const std::string& name : context_.tree.merged().list(at))
        if (module_of_file(name) == part && name != part)
          if (const auto file = context_.tree.find(fmt::format("{}/{}", at, name));
              file && !context_.tree.is_directory(*file))
            keep_owned(*file, demand);
      return;
    }
    if (*real != folder) marks_.keep_path(folder, Follow::kData, why);
    const std::vector<UnitId>& owners = context_.units.owners_below(*id);
    if (owners.size() <= 1) {
      if (owners.size() == 1) {
        keep_unit(owners.front(), demand);
      } else if (python_site(*real + "/x") != *real) {
        marks_.keep_tree(*id, Follow::kData, why);
      }
      return;
    }
    const auto init = context_.tree.find(*real + "/__init__.py");
    if (init) {
      keep_owned(*init, demand);
    } else if (last) {
      for (const UnitId unit : owners) keep_unit(unit, demand);
    }
    if (last) return;
    at = *real;
  }
}

void ReachPython::demand_distribution(std::string_view name, const std::vector<std::string>& extras,
                                      Wanted wanted, const std::string& why) {
  for (const UnitId unit : context_.units.distribution(inventory::normalised_python_name(name))) {
    keep_unit(unit, {wanted, why});
    for (const std::string& extra : extras) require(unit, extra);
  }
}

void ReachPython::demand_plugins(std::string_view group, Wanted wanted, const std::string& why) {
  for (const UnitId unit : context_.units.plugins(group)) keep_unit(unit, {wanted, why});
}

/// An extra that is there as a whole was asked for by whoever installed the distribution, which is
/// written nowhere: the libraries of tensorflow[and-cuda], that it opens by names which it puts
/// together.
std::set<std::string> ReachPython::installed_extras(UnitId unit) const {
  std::set<std::string> some, lacking;
  for (const Requirement& asked : context_.units.at(unit).requirements) {
    if (asked.for_extra.empty()) continue;
    if (!context_.units.distribution(asked.name).empty())
      some.insert(asked.for_extra);
    else if (!asked.conditional)
      lacking.insert(asked.for_extra);
  }
  std::set<std::string> out;
  std::ranges::set_difference(some, lacking, std::inserter(out, out.end()));
  return out;
}

void ReachPython::follow_unit(UnitId unit) {
  const ReachUnit& one = context_.units.at(unit);
  require(unit, "");
  for (const std::string& extra : installed_extras(unit)) require(unit, extra);
  for (const std::string& name : one.depends)
    for (const UnitId other : context_.units.conda(name))
      keep_unit(other, {Wanted::kByPackage, fmt::format("required by {}", one.text())});
}

void ReachPython::require(UnitId unit, const std::string& extra) {
  if (!required_.emplace(unit, extra).second) return;
  asked_.emplace_back(unit, extra);
  // The outermost call works the list off: extras may ask for extras without end.
  if (asked_.size() > 1) return;
  for (std::size_t i = 0; i < asked_.size(); ++i) {
    const auto [one, for_extra] = asked_[i];
    const std::string why = fmt::format("required by {}", context_.units.at(one).text());
    const Wanted wanted = context_.is_idle(one) ? Wanted::kByImage : Wanted::kByPackage;
    for (const Requirement& asked : context_.units.at(one).requirements)
      if (asked.for_extra == for_extra) demand_distribution(asked.name, asked.extras, wanted, why);
  }
  asked_.clear();
}

}  // namespace flense::closure

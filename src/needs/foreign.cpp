// Packages in Python's site-packages that were built for another Python or another processor:
// copied from another machine, or installed with pip's --platform and --target.
#include <elf.h>

#include <algorithm>
#include <map>
#include <optional>
#include <utility>

#include "base/ascii.h"
#include "base/path.h"
#include "inventory/names/cuda_libraries.h"
#include "inventory/names/file_names.h"
#include "needs/collectors.h"

namespace flense::needs {

namespace {

constexpr std::size_t kMostForeign = 50;
constexpr std::string_view kPython = "python";

/// A file of a package: "…/python3.11/site-packages/torch/_C.cpython-311-x86_64-linux-gnu.so".
struct PackageFile {
  std::string_view root;     ///< "…/python3.11/site-packages"
  std::string_view package;  ///< "torch"; of a single module its name
  std::string_view python;   ///< "3.11", "3.13t"; empty: the path does not tell ("python3")
};

std::optional<PackageFile> package_file(std::string_view path) {
  for (const std::string_view folder : {"/site-packages/", "/dist-packages/"}) {
    const std::size_t at = path.rfind(folder);
    if (at == std::string_view::npos) continue;
    PackageFile out;
    out.root = path.substr(0, at + folder.size() - 1);
    const std::string_view inside = path.substr(at + folder.size());
    out.package = inside.substr(0, inside.find_first_of("/."));
    const std::string_view above = base_name(path.substr(0, at));
    if (above.starts_with(kPython) && above.find('.') != std::string_view::npos)
      out.python = above.substr(kPython.size());
    return out;
  }
  return std::nullopt;
}

/// The Python that an extension module names: "3.12" of "_C.cpython-312-x86_64-linux-gnu.so" and of
/// "_C.cp312-win_amd64.pyd"; empty: none (PEP 3149), or any of Python 3 (abi3).
std::string python_of_module(std::string_view name) {
  for (const std::string_view tag : {".cpython-3", ".cp3"}) {
    const std::size_t at = name.find(tag);
    if (at == std::string_view::npos) continue;
    std::string_view minor = name.substr(at + tag.size());
    minor = minor.substr(0, minor.find_first_of("-."));
    while (minor.ends_with('d') || minor.ends_with('m')) minor.remove_suffix(1);
    std::string_view digits = minor;
    if (digits.ends_with('t')) digits.remove_suffix(1);
    if (digits.empty() || !std::ranges::all_of(digits, is_digit)) return {};
    return fmt::format("3.{}", minor);
  }
  return {};
}

/// "3.9" where the image has one Python, by its program or its library; else empty.
std::string only_python(const inventory::Survey& survey) {
  constexpr std::string_view kLibrary = "libpython3.";
  std::string out;
  for (const inventory::SurveyFile& file : survey.files) {
    if (file.elf == nullptr || file.elf->machine != survey.machine) continue;
    const std::string_view name = base_name(file.path);
    std::string_view version;
    if (name.starts_with("python3."))
      version = name.substr(kPython.size());
    else if (name.starts_with(kLibrary))
      version = name.substr(kLibrary.size() - 2, name.find(".so") - (kLibrary.size() - 2));
    std::string_view minor = version.substr(std::min<std::size_t>(2, version.size()));
    if (minor.ends_with('t')) minor.remove_suffix(1);
    if (!all_digits(minor)) continue;
    if (!out.empty() && out != version) return {};
    out = version;
  }
  return out;
}

/// What the files of one package are for.
struct Package {
  /// The first file that does not fit.
  struct Misfit {
    std::string path, built_for;
  };
  std::string python;
  Misfit elsewhere, other_python;
  std::size_t own_libraries = 0;  ///< for this processor
  std::size_t own_modules = 0;    ///< extension modules that name this Python
  bool gpu = false;
};

class Packages {
 public:
  explicit Packages(const inventory::Survey& survey)
      : survey_(survey), only_python_(only_python(survey)) {}

  void see(const inventory::VisibleFile& file) {
    const std::string_view name = base_name(file.path);
    const bool windows = name.ends_with(".pyd");
    const inventory::ElfFacts* elf = survey_.contents.elf(file.content);
    const bool mac = elf == nullptr && name.ends_with("-darwin.so");
    // AMD's code objects are shared objects too.
    if (!windows && !mac &&
        (elf == nullptr || elf->type != ET_DYN || processor_name(elf->machine).empty()))
      return;
    const auto place = package_file(file.path);
    if (!place) {
      if (elf != nullptr) see_alone(file.path, *elf);
      return;
    }
    Package& package = packages_[{std::string(place->root), std::string(place->package)}];
    package.python = place->python.empty() ? only_python_ : place->python;
    if (windows || mac) return keep(package.elsewhere, file.path, windows ? "Windows" : "macOS");
    see_gpu(*elf, package);
    if (elf->machine != survey_.machine)
      return keep(package.elsewhere, file.path, processor_name(elf->machine));
    ++package.own_libraries;
    const std::string python = python_of_module(name);
    if (python.empty() || package.python.empty()) return;
    if (python == package.python)
      ++package.own_modules;
    else
      keep(package.other_python, file.path, fmt::format("Python {}", python));
  }

  std::vector<ForeignPackage> foreign() const {
    std::vector<ForeignPackage> out;
    for (const auto& [place, package] : packages_) {
      if (out.size() == kMostForeign) break;
      if (package.own_libraries == 0)
        out.push_back({place.second, package.elsewhere.path, package.elsewhere.built_for,
                       std::string(processor_name(survey_.machine)), package.gpu});
      else if (package.own_modules == 0 && !package.other_python.path.empty())
        out.push_back({place.second, package.other_python.path, package.other_python.built_for,
                       fmt::format("Python {}", package.python), package.gpu});
    }
    return out;
  }

 private:
  /// A module beside the packages, of a program's own: "app/_ext.cpython-311-….so".
  void see_alone(std::string_view path, const inventory::ElfFacts& elf) {
    const std::string python = python_of_module(base_name(path));
    // Programs bring Pythons of their own, whose folders tell their version.
    if (only_python_.empty() || python.empty() || elf.machine != survey_.machine ||
        path.contains("python3."))
      return;
    const std::string_view name = base_name(path);
    Package& package =
        packages_[{std::string(parent_path(path)), std::string(name.substr(0, name.find('.')))}];
    package.python = only_python_;
    see_gpu(elf, package);
    ++package.own_libraries;
    if (python == only_python_)
      ++package.own_modules;
    else
      keep(package.other_python, path, fmt::format("Python {}", python));
  }

  static void keep(Package::Misfit& misfit, std::string_view path, std::string_view built_for) {
    if (misfit.path.empty()) misfit = {std::string(path), std::string(built_for)};
  }

  static void see_gpu(const inventory::ElfFacts& elf, Package& package) {
    package.gpu |= !elf.code.empty() || std::ranges::any_of(elf.needed, [](const auto& needed) {
      return inventory::is_driver_library(needed) ||
             inventory::flavour_of_library(needed).has_value();
    });
  }

  const inventory::Survey& survey_;
  const std::string only_python_;
  std::map<std::pair<std::string, std::string>, Package> packages_;
};

}  // namespace

void collect_foreign(const inventory::Survey& survey, Needs& needs) {
  if (processor_name(survey.machine).empty()) return;
  Packages packages(survey);
  survey.contents.for_each_file([&](const inventory::VisibleFile& file) { packages.see(file); });
  needs.foreign = packages.foreign();
}

}  // namespace flense::needs

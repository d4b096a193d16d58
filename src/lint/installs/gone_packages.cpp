// Packages that are no more, by what PyPI holds under their names.
#include <algorithm>
#include <array>

#include "base/format.h"
#include "base/version_numbers.h"
#include "lint/facts/open_torch.h"
#include "lint/facts/placed_lists.h"
#include "lint/facts/sure_installs.h"
#include "lint/packages/requirement_text.h"
#include "lint/rules/rules.h"

namespace flense::lint {

namespace {

/// A name that PyPI keeps for a message, or no more.
struct GonePackage {
  std::string_view name, instead, why;
  std::string_view from;   ///< the first such version; empty: all
  std::string_view whole;  ///< a version that still installs; empty: none
  std::string_view allow;  ///< a variable that switches the message off
};
constexpr auto kGone = std::to_array<GonePackage>(
    {{"tensorflow-gpu",
      "tensorflow[and-cuda] (2.14 and newer), which brings its own CUDA, or for a program of "
      "TensorFlow 1 the version that it was written for",
      "tensorflow-gpu is removed since 2.12", "2.12", "", ""},
     {"tf-nightly-gpu", "tf-nightly[and-cuda]", "tf-nightly-gpu is removed", "", "", ""},
     {"pytorch", "torch", "the package named for PyTorch is torch", "", "", ""},
     {"sklearn", "scikit-learn", "the package named for it is scikit-learn", "", "0.0",
      "SKLEARN_ALLOW_DEPRECATED_SKLEARN_PACKAGE_INSTALL"}});

/// The last TensorFlow of a Python that has no tensorflow[and-cuda], and the CUDA that it loads.
struct LastTensorflow {
  std::string_view python, version, cuda;
};
constexpr auto kLastTensorflow = std::to_array<LastTensorflow>(
    {{"3.8", "2.13", "11.8"}, {"3.7", "2.11", "11.2"}, {"3.6", "2.6", "11.2"}});

/// In place of tensorflow-gpu, by the Python that installs it; empty: what a current one takes.
std::string older_tensorflow(std::string_view python) {
  if (python.empty())
    return "the version that the program was written for, by its number, or tensorflow[and-cuda], "
           "2.14 and newer, of Python 3.9 and newer, which brings its own CUDA";
  if (compare_versions(python, "3.9") >= 0) return {};
  const auto row = std::ranges::find(kLastTensorflow, major_minor(python), &LastTensorflow::python);
  if (row == kLastTensorflow.end())
    return "the tensorflow-gpu that the program was written for, by its number";
  return fmt::format(
      "tensorflow=={}.*, the last for Python {}, which loads CUDA {} and cuDNN 8{}", row->version,
      row->python, row->cuda,
      row->python == "3.8"
          ? ""
          : ", or for a program of TensorFlow 1 the version that it was written for");
}

/// An earlier command has installed a version that satisfies the request.
bool is_there(const PlacedList& place, const PackageRequest& request) {
  return std::ranges::any_of(
      place.view->installs_in(place.install->stage), [&](const Install* other) {
        return other->command.span.begin < place.install->command.span.begin &&
               std::ranges::any_of(
                   lists_of(*other),
                   [&](const PackageList* list) {
                     const PackageRequest* before = list->find(request.name);
                     return before != nullptr && is_version(before->version) &&
                            meets(before->version, request.specifier);
                   });
      });
}

void gone_package(const PlacedList& place, FindingSink& sink) {
  if (place.view == nullptr || place.file->kind == FileKind::kUvLock) return;
  const PackageManager manager = place.install->command.manager;
  if ((manager != PackageManager::kPip && manager != PackageManager::kUv) ||
      !place.list->indexes.empty() || !place.install->command.indexes.empty())
    return;
  for (const PackageRequest& request : place.list->packages) {
    const auto row = std::ranges::find(kGone, request.name, &GonePackage::name);
    if (row == kGone.end() || !request.url.empty() || !request.marker.empty() ||
        request.manager == PackageManager::kConda || request.specifier.contains('$'))
      continue;
    if (!row->from.empty() &&
        (request.version.empty() ? !meets(row->from, request.specifier)
                                 : compare_versions(request.version, row->from) < 0))
      continue;
    if ((!row->whole.empty() && is_version(request.version) &&
         compare_versions(request.version, row->whole) == 0) ||
        (!row->allow.empty() && place.view->file->source.text().contains(row->allow)))
      continue;
    Finding& found = sink.add("package-gone", *place.file, request.span,
                              fmt::format("PyPI's {}{} ends with a message: {}", request.name,
                                          request.specifier, row->why));
    found.evidence = {"package index: " + request.name};
    const std::string older =
        request.name == "tensorflow-gpu"
            ? older_tensorflow(python_of(
                  {place.view, place.install->stage, place.install, &place.install->command}))
            : std::string();
    found.fix = fmt::format("take {}", older.empty() ? row->instead : std::string_view(older));
    found.pedantic = !is_sure(place, request) || is_constrained(*place.list, place.install) ||
                     is_there(place, request) || is_rewritten(place);
  }
}

}  // namespace

void judge_gone_packages(const Project& project, const std::vector<FileView>& views,
                         FindingSink& sink) {
  for (const PlacedList& place : placed_lists(project, views)) gone_package(place, sink);
}

}  // namespace flense::lint

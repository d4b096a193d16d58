#include "inventory/describe/flavour.h"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "base/ascii.h"
#include "base/path.h"

namespace flense::inventory {

namespace {

/// Where the user of a bundled library may sit: its site-packages directory, or the first two
/// components ("opt/app"). A target that is a site-packages directory itself is one bundle.
std::string_view bundle_root(std::string_view path) {
  for (const std::string_view mark : {"/site-packages/", "/dist-packages/"}) {
    if (const std::size_t at = path.find(mark); at != std::string_view::npos)
      return path.substr(0, at + mark.size());
  }
  if (!starts_with_any(
          path, {"usr/", "opt/", "home/", "root/", "srv/", "var/", "lib/", "app/", "workspace/"}))
    return {};
  std::size_t slash = path.find('/');
  if (slash != std::string_view::npos) slash = path.find('/', slash + 1);
  return slash == std::string_view::npos ? std::string_view{} : path.substr(0, slash + 1);
}

}  // namespace

BaseFlavour smallest_flavour(const std::vector<LibraryUse>& files, const BuildNeeds& needs) {
  // A copy that came with an application serves the application's own tree.
  std::set<std::pair<std::string_view, std::string_view>> bundled;
  for (const LibraryUse& file : files)
    if (!in_system_cuda(file.path) && flavour_of_library(file.soname))
      bundled.emplace(bundle_root(file.path), file.soname);

  const auto is_bundled = [&](std::string_view root, std::string_view library) {
    // "libnvrtc-builtins.so.13" is opened by its full name, "….so.13.2".
    const auto at = bundled.lower_bound({root, library});
    return at != bundled.end() && at->first == root && at->second.starts_with(library) &&
           (at->second.size() == library.size() || at->second[library.size()] == '.');
  };

  std::map<std::string, FlavourReason, std::less<>> reasons;
  const auto ask = [&](const LibraryUse& user, std::string_view library, std::string_view how) {
    const auto flavour = flavour_of_library(library);
    if (!flavour || is_bundled(bundle_root(user.path), library)) return;
    reasons.try_emplace(std::string(library),
                        FlavourReason{*flavour, std::string(library), user.path, std::string(how)});
  };
  for (const LibraryUse& file : files) {
    // The vendor's own system libraries are what a flavour brings, not what asks for it.
    if (in_system_cuda(file.path) && flavour_of_library(file.soname)) continue;
    if (file.path.starts_with("usr/local/cuda")) continue;
    for (const std::string& needed : file.needed) ask(file, needed, "DT_NEEDED");
    for (const std::string_view opened :
         opened_by_name(file.soname, file.device_code, file.search_path))
      ask(file, opened, "dlopen");
  }
  // Only this flavour holds the compiler, and only it the headers.
  if (!needs.cuda_compiler.empty())
    reasons.try_emplace("nvcc", FlavourReason{Flavour::kDevel, "nvcc", needs.cuda_compiler,
                                              "compiles at run time"});
  else if (!needs.cuda_headers.empty())
    reasons.try_emplace("CUDA headers", FlavourReason{Flavour::kDevel, "CUDA headers",
                                                      needs.cuda_headers, "compiles at run time"});

  BaseFlavour out;
  for (auto& [library, reason] : reasons) {
    out.flavour = std::max(out.flavour, reason.flavour);
    out.reasons.push_back(std::move(reason));
  }
  std::stable_sort(out.reasons.begin(), out.reasons.end(),
                   [](const auto& a, const auto& b) { return a.flavour > b.flavour; });
  return out;
}

}  // namespace flense::inventory

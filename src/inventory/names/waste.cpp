#include "inventory/names/waste.h"

#include <algorithm>
#include <array>

#include "base/ascii.h"
#include "base/path.h"

namespace flense::inventory {

namespace {

bool is_literal(std::string_view text) {
  return text.find_first_of("*?[\\") == std::string_view::npos;
}

std::string_view extension(std::string_view path) {
  const std::string_view name = base_name(path);
  const std::size_t dot = name.rfind('.');
  return dot == std::string_view::npos ? std::string_view{} : name.substr(dot);
}

/// The last component without wildcards: rarer than the first ones ("usr", "lib").
std::string_view key_component(std::string_view glob) {
  std::string_view found;
  while (!glob.empty()) {
    const std::size_t slash = glob.find('/');
    const std::string_view component = glob.substr(0, slash);
    if (is_literal(component)) found = component;
    if (slash == std::string_view::npos) break;
    glob.remove_prefix(slash + 1);
  }
  return found;
}

/// "libnccl" of "a/libnccl.so.2" and of "**/libnccl.so*": what a name begins with.
std::string_view stem(std::string_view path) {
  const std::string_view name = base_name(path);
  return name.substr(0, name.find('.'));
}

bool matches_any(std::span<const std::string_view> globs, std::string_view path) {
  return std::any_of(globs.begin(), globs.end(),
                     [&](std::string_view glob) { return glob_match(glob, path); });
}

bool starts_with_word(std::string_view name, std::string_view word) {
  if (!same_text(name.substr(0, word.size()), word)) return false;
  return name.size() == word.size() ||
         std::string_view("._- ").find(name[word.size()]) != std::string_view::npos;
}

}  // namespace

bool is_licence_text(std::string_view path) {
  static constexpr std::array<std::string_view, 8> kWords = {
      "COPYRIGHT", "LICENSE", "LICENCE", "COPYING", "NOTICE", "EULA", "LICENSES", "NOTICES"};
  const std::string_view name = base_name(path);
  if (std::any_of(kWords.begin(), kWords.end(),
                  [&](std::string_view word) { return starts_with_word(name, word); }))
    return true;
  // Package managers install licence texts under these directories with free names.
  return path.starts_with("usr/share/common-licenses/") ||
         path.starts_with("usr/share/licenses/") ||
         path.find(".dist-info/licenses/") != std::string_view::npos;
}

std::string_view held_back(const WasteRule& rule, const BuildNeeds& needs) {
  if (!rule.reported.empty()) return rule.reported;
  const bool any = rule.guard == Guard::kAnyCompiler;
  const bool headers = any || rule.guard == Guard::kCudaHeaders;
  const bool cuda = headers || rule.guard == Guard::kCudaCompiler;
  const bool host = any || rule.guard == Guard::kHostCompiler;
  if (host && !needs.host_compiler.empty()) return needs.host_compiler;
  if (cuda && !needs.cuda_compiler.empty()) return needs.cuda_compiler;
  if (headers && !needs.cuda_headers.empty()) return needs.cuda_headers;
  return {};
}

std::string_view to_string(PassVerdict verdict) {
  switch (verdict) {
    case PassVerdict::kSafe:
      return "safe";
    case PassVerdict::kConditional:
      return "conditional";
    case PassVerdict::kOwner:
      break;
  }
  return "owner";
}

bool spares(const WasteRule& rule, const image::LayerListing::Entry& entry) {
  constexpr unsigned kOthersWrite = 022;
  return rule.spares_users_files &&
         (entry.size == 0 || entry.uid != 0 || (entry.mode & kOthersWrite) != 0);
}

WasteClassifier::WasteClassifier() {
  const std::span<const WasteRule> rules = waste_rules();
  for (std::size_t rule = 0; rule < rules.size(); ++rule) {
    for (std::string_view glob : rules[rule].patterns) {
      const Pattern pattern{Glob(glob), rule};
      // "**/*.deb" has no literal component; "**/libcu*_static.a" neither: both end in a literal
      // extension. "**/libnccl.so*" begins with a literal stem.
      if (const std::string_view key = key_component(glob); !key.empty())
        by_component_[key].push_back(pattern);
      else if (!is_literal(extension(glob)))
        by_component_[stem(glob)].push_back(pattern);
      else
        by_extension_[extension(glob)].push_back(pattern);
    }
  }
}

void WasteClassifier::consider(std::span<const Pattern> patterns, std::string_view path,
                               std::size_t& best) const {
  for (const Pattern& pattern : patterns) {
    if (pattern.rule >= best || !pattern.glob.matches(path)) continue;
    if (matches_any(waste_rules()[pattern.rule].keep, path)) continue;
    best = pattern.rule;
  }
}

const WasteRule* WasteClassifier::classify(std::string_view path) const {
  const std::span<const WasteRule> rules = waste_rules();
  std::size_t best = rules.size();
  std::string_view rest = path;
  while (!rest.empty()) {
    const std::size_t slash = rest.find('/');
    if (auto at = by_component_.find(rest.substr(0, slash)); at != by_component_.end())
      consider(at->second, path, best);
    if (slash == std::string_view::npos) break;
    rest.remove_prefix(slash + 1);
  }
  if (auto at = by_component_.find(stem(path)); at != by_component_.end())
    consider(at->second, path, best);
  if (auto at = by_extension_.find(extension(path)); at != by_extension_.end())
    consider(at->second, path, best);
  if (best == rules.size() || is_licence_text(path)) return nullptr;
  return &rules[best];
}

}  // namespace flense::inventory

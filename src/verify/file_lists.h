// The lists in which package managers name files with their digests: what each has to say after
// some of the files were changed or removed. PyPA "Recording installed projects"; deb-md5sums(5);
// apk database format v2; conda-meta.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.h"

namespace flense::verify {

/// kWheelTags is the file WHEEL, if a wheel is the target: the slim one has another build tag.
enum class ListKind { kWheel, kWheelTags, kDebian, kAlpine, kConda };
std::optional<ListKind> list_kind(std::string_view path, bool of_wheel);

/// What became of a file that a list names.
struct ListedFile {
  bool gone = false;
  Bytes content;  ///< otherwise: the new content
};
/// nullopt: it is what it was.
using Fate = std::function<std::optional<ListedFile>(const std::string& path)>;

/// The first place where `after` is not what `before` has to become; empty when it is.
struct ListDifference {
  std::string where, expected, found;
};
std::optional<ListDifference> compare_list(ListKind kind, std::string_view path,
                                           std::string_view before, std::string_view after,
                                           const Fate& fate);

}  // namespace flense::verify

// The two formats, each behind the same two questions.
#pragma once

#include <string>
#include <vector>

#include "sbom/sbom.h"

namespace flense::sbom {

/// What a reissue asks and tells on its way; `out.document` is the document.
struct Task {
  const Fates& fates;
  const ContentDigests& digests;
  const Origin& origin;
  Reissued& out;

  /// Of a changed file; an internal error where the caller has none.
  Result<const Digests*> digests_of(const std::string& path) const;
  void note(std::string notice) const { out.notices.push_back(std::move(notice)); }
};

std::vector<std::string> spdx_changed(const text::Json& document, const Fates& fates);
Result<void> reissue_spdx(const Task& task);

std::vector<std::string> cyclonedx_changed(const text::Json& document, const Fates& fates);
Result<void> reissue_cyclonedx(const Task& task);

}  // namespace flense::sbom

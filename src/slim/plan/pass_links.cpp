// Passes that put a link where a copy was.
#include <algorithm>

#include "slim/candidates/cuda_copies.h"
#include "slim/candidates/equal_files.h"
#include "slim/candidates/hub_cache.h"
#include "slim/plan/draft.h"

namespace flense::slim {

namespace {

/// Nothing has been planned for the member so far; what --keep names stays, too.
Stays untouched(const Draft& draft) {
  return
      [&draft](image::EntryRef entry, std::string_view) { return draft.edit_at(entry) == nullptr; };
}

/// Installers make files of all that a wheel holds.
bool holds_links(const PassContext& context) {
  return context.image.form != image::Form::kWheel;
}

}  // namespace

void hub_cache_pass(const PassContext& context, Draft& draft) {
  if (context.options.cuts.level < device::Level::kStandard || !holds_links(context)) return;
  for (const HubCopy& copy : find_hub_copies(context.contents, untouched(draft)))
    if (draft.may_claim(copy.entry, copy.path))
      draft.claim(copy.entry,
                  {Action::kSymlink, kHubCache, copy.path, copy.link_text, copy.bytes, 0});
}

void cuda_copies_pass(const PassContext& context, Draft& draft) {
  if (context.options.cuts.level < device::Level::kAggressive || !holds_links(context)) return;
  draft.breaks_sharing(kCudaCopies);
  for (const CudaCopy& copy : find_cuda_copies(context.image, context.contents, untouched(draft))) {
    if (!draft.may_claim(copy.entry, copy.path)) continue;
    if (copy.stays.empty())
      draft.claim(copy.entry,
                  {Action::kSymlink, kCudaCopies, copy.path, copy.link_text, copy.bytes, 0});
    else
      draft.leave_alone({copy.path, copy.bytes,
                         fmt::format("a copy of /{}, but {}", copy.twin, copy.stays), kCudaCopies,
                         copy.entry});
  }
}

void equal_files_pass(const PassContext& context, Draft& draft) {
  if (context.options.cuts.level < device::Level::kStandard || !holds_links(context)) return;
  const bool layers = context.image.form != image::Form::kDirectory;
  for (const EqualFile& file :
       find_equal_files(context.contents, context.self_checked, untouched(draft), layers))
    if (draft.may_claim(file.entry, file.path))
      draft.claim(file.entry,
                  {Action::kLink, kEqualFiles, file.path, file.target_path, file.bytes, 0});
}

void withdraw_few_links(const PassContext& context, Draft& draft) {
  constexpr std::uint64_t kWorthALayer = 1000;
  for (std::size_t i = 0; i < draft.layers().size(); ++i) {
    std::map<std::uint64_t, Edit>& edits = draft.layers()[i];
    std::uint64_t gain = 0;
    for (const auto& [position, edit] : edits) gain += edit.bytes_before - edit.bytes_after;
    const bool links_alone = std::ranges::all_of(
        edits, [](const auto& row) { return row.second.pass == Pass(kEqualFiles); });
    if (links_alone && gain < context.contents.scans()[i]->unpacked_bytes / kWorthALayer)
      edits.clear();
  }
}

}  // namespace flense::slim

// Wheels that an index has no more, and those that it never had for Arm.
#include <algorithm>
#include <optional>
#include <set>

#include "base/ascii.h"
#include "base/format.h"
#include "base/numbers.h"
#include "base/version_numbers.h"
#include "lint/facts/placed_lists.h"
#include "lint/facts/purpose.h"
#include "lint/rules/rules.h"
#include "lint/source/blanks.h"

namespace flense::lint {

namespace {

/// "20231013" of "2.2.0.dev20231013+cu118"; empty: no nightly, or none with a day.
std::string_view day_of(std::string_view version) {
  const std::size_t at = version.find(".dev20");
  if (at == version.npos) return {};
  const std::string_view day = version.substr(at + 4, 8);
  return day.size() == 8 && std::ranges::all_of(day, is_digit) ? day : std::string_view();
}

/// Months since the year 0 of "2026-11" or "20231013".
std::optional<std::uint64_t> month_of(std::string_view date) {
  const std::size_t month = date.contains('-') ? 5 : 4;
  if (date.size() < month + 2) return std::nullopt;
  const auto years = parse_number(date.substr(0, 4)), months = parse_number(date.substr(month, 2));
  if (!years || !months) return std::nullopt;
  return *years * 12 + *months;
}

/// PyTorch's index, or a mirror's words for it; a folder, a variable or anybody's own may keep what
/// PyTorch drops.
bool drops_nightlies(std::string_view url) {
  return url.contains("pytorch.org") || url.contains("pypi.org") ||
         url.contains("storage.googleapis.com/jax");
}

/// torch==2.2.0.dev20231013, of which the index keeps those of the last months.
void old_nightly(const Project& project, const PlacedList& place, FindingSink& sink) {
  if (place.file->kind == FileKind::kUvLock) return;
  const auto today = month_of(project.knowledge->images.date);
  for (const PackageList* one :
       {place.list, place.install == nullptr ? place.list : &place.install->command}) {
    if (std::ranges::any_of(one->options, [](const std::string& option) {
          return starts_with_any(option, {"--no-index", "--find-links=", "-f="});
        }))
      return;
    for (const Word& index : one->indexes)
      if (!drops_nightlies(index.text)) return;
  }
  for (const PackageRequest& request : place.list->packages) {
    const auto day = month_of(day_of(request.version));
    if (!day || !today || *day + 12 >= *today || request.manager == PackageManager::kConda ||
        (!request.url.empty() && !drops_nightlies(request.url)) ||
        (!request.index.empty() && !drops_nightlies(request.index)) ||
        !is_one_of(request.name, {"torch", "torchvision", "torchaudio", "torchtext", "torchao",
                                  "triton", "pytorch-triton", "jax", "jaxlib"}))
      continue;
    Finding& found = sink.add(
        "index-lacks-package", *place.file, request.span,
        fmt::format("{} {} is a build of one night, of which the index keeps the last months "
                    "alone: \"No matching distribution found\"",
                    request.name, request.version));
    found.evidence = {"download.pytorch.org/whl/nightly: older days are deleted"};
    found.fix = "write a release, or keep the wheel where the build finds it";
    found.pedantic = true;
    return;  // the others of the list are of the same night
  }
}

/// The first of PyTorch's indexes with wheels of CUDA for 64-bit Arm.
constexpr std::uint64_t kFirstForArm = 124;

bool is_arm(const PlacedList& place) {
  const StageView& stage = place.view->stages[place.install->stage];
  return is_for_arm(*place.view, stage) || stage.image.platform == "jetson";
}

/// cu111 on Arm: the index has wheels for x86-64, and pip takes PyPI's or finds none.
void no_wheels_for_arm(const PlacedList& place, FindingSink& sink) {
  if (place.view == nullptr || place.install->conditional || !is_arm(place)) return;
  std::vector<Word> indexes = place.list->indexes;
  if (place.list != &place.install->command)
    indexes.insert(indexes.end(), place.install->command.indexes.begin(),
                   place.install->command.indexes.end());
  // Others have wheels for Arm: NVIDIA's for Jetson.
  for (const Word& index : indexes)
    if (!index.text.contains("pytorch.org") && !index.text.contains("pypi.org")) return;
  for (const PackageRequest& request : place.list->packages) {
    if (!is_one_of(request.name, {"torch", "torchvision", "torchaudio"}) || !request.url.empty() ||
        request.manager == PackageManager::kConda || !request.marker.empty())
      continue;
    std::string variant = knowledge::local_version(request.version);
    for (const Word& index : indexes)
      if (variant.empty()) variant = variant_of_index(index.text);
    const auto number = variant.starts_with("cu") ? parse_number(variant.substr(2)) : std::nullopt;
    if (!number || *number < 90 || *number >= kFirstForArm) continue;
    const bool exact = !knowledge::local_version(request.version).empty();
    Finding& found = sink.add(
        "wheel-cuda-mismatch", *place.file, request.span,
        fmt::format(
            "this image is for Arm, and the wheels of {} are for x86-64: pip {}", variant,
            exact ? "finds none" : "takes PyPI's, which is for the processor, or finds none"));
    found.evidence = {place.view->stages[place.install->stage].stage->base.text,
                      "download.pytorch.org/whl: CUDA for aarch64 from cu124 on"};
    found.fix = place.view->stages[place.install->stage].image.platform == "jetson"
                    ? "take NVIDIA's wheels for Jetson, or keep the torch that the base holds"
                    : "take a torch and an index of cu126 or later, or a base that holds torch "
                      "for Arm";
    found.pedantic = true;
    return;
  }
}

}  // namespace

void judge_gone_wheels(const Project& project, const std::vector<FileView>& views,
                       FindingSink& sink) {
  std::set<const PackageList*> seen;
  for (const PlacedList& place : placed_lists(project, views)) {
    if (seen.insert(place.list).second) old_nightly(project, place, sink);
    no_wheels_for_arm(place, sink);
  }
}

}  // namespace flense::lint

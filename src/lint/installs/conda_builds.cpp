#include "lint/installs/conda_builds.h"

#include <algorithm>
#include <array>

#include "base/format.h"
#include "base/version_numbers.h"
#include "lint/source/blanks.h"

namespace flense::lint {

/// "=2.5.1=py3.11_cuda12.4_cudnn9.1.0_0"
bool has_build(const PackageRequest& one) {
  const std::string_view text = one.specifier;
  const std::size_t version = std::min(text.find_first_not_of('='), text.size());
  return one.manager == PackageManager::kConda && text.find('=', version) != text.npos;
}

namespace {

/// A channel of somebody's own, or a mirror: it may have anything.
bool has_own_channel(const PackageList& list) {
  return std::ranges::any_of(list.indexes, [](const Word& channel) {
    return channel.text.contains("://") || starts_with_any(channel.text, {"/", ".", "~", "$"});
  });
}

bool has_conda_forge(const PackageList& list) {
  return std::ranges::any_of(list.indexes,
                             [](const Word& one) { return one.text.contains("conda-forge"); });
}

/// pytorch-cuda was made for some CUDA alone, by a channel that ended with PyTorch 2.5.
bool no_such_metapackage(const PackageList& list, const ProjectFile& file, FindingSink& sink) {
  const PackageRequest* asked = list.find("pytorch-cuda");
  if (asked == nullptr || asked->manager != PackageManager::kConda || asked->version.empty() ||
      has_own_channel(list))
    return false;
  const std::string cuda = major_minor(asked->version);
  if (!cuda.contains('.') || is_one_of(cuda, {"11.6", "11.7", "11.8", "12.1", "12.4"}))
    return false;
  Finding& found = sink.add(
      "conda-cuda-mismatch", file, asked->span,
      fmt::format(
          "there is no pytorch-cuda of {}: the channel pytorch made it for 11.6, 11.7, 11.8, "
          "12.1 and 12.4, and ended with PyTorch 2.5",
          cuda));
  found.severity = Severity::kError;
  found.evidence = {fmt::format("{}{}", asked->name, asked->specifier),
                    "pytorch/pytorch#138506: the conda channel is no longer published to"};
  found.fix = fmt::format(
      "take torch from https://download.pytorch.org/whl by pip, or pytorch-gpu and "
      "cuda-version={} of conda-forge",
      cuda);
  return true;
}

/// What the channel pytorch built: pytorch.org, "previous versions", and the channel itself. Up to
/// 1.12 by cudatoolkit, then by pytorch-cuda.
constexpr auto kCondaBuilds = std::to_array<std::pair<std::string_view, std::string_view>>({
    {"1.7", "9.2, 10.1, 10.2, 11.0"},
    {"1.8", "10.1, 10.2, 11.1, 11.3"},
    {"1.9", "10.2, 11.1, 11.3"},
    {"1.10", "10.2, 11.1, 11.3"},
    {"1.11", "10.2, 11.3, 11.5"},
    {"1.12", "10.2, 11.3, 11.6"},
    {"1.13", "11.6, 11.7"},
    {"2.0", "11.7, 11.8"},
    {"2.1", "11.8, 12.1"},
    {"2.2", "11.8, 12.1"},
    {"2.3", "11.8, 12.1"},
    {"2.4", "11.8, 12.1, 12.4"},
    {"2.5", "11.8, 12.1, 12.4"},
});
constexpr std::string_view kFirstOfMetapackage = "1.13";

/// Some package holds pytorch at a version of its own time.
bool holds_pytorch(const PackageList& list) {
  return std::ranges::any_of(list.packages, [](const PackageRequest& one) {
    return one.manager == PackageManager::kConda &&
           !is_one_of(one.name, {"pytorch", "pytorch-cuda"}) && !one.specifier.empty() &&
           (starts_with_any(one.name, {"torch", "pytorch", "fastai", "pyg", "ignite", "dgl"}));
  });
}

const std::pair<std::string_view, std::string_view>* builds_of(std::string_view version) {
  const auto row = std::ranges::find(kCondaBuilds, major_minor(version),
                                     &std::pair<std::string_view, std::string_view>::first);
  return row == kCondaBuilds.end() ? nullptr : &*row;
}

/// "12.4" of "11.8, 12.1, 12.4"
std::string_view last_of(std::string_view builds) {
  return builds.substr(builds.rfind(' ') + 1);
}

/// Without a version or an upper bound, and nothing else bounds it: the newest that fits.
bool is_open(const PackageRequest& torch, const PackageList& list, const CondaPlace& place) {
  return torch.version.empty() && !place.old_python && !holds_pytorch(list) &&
         (torch.specifier.empty() ||
          (torch.specifier.starts_with(">") && !torch.specifier.contains(',')));
}

/// The solver prefers the newest pytorch to one that is built for the CUDA beside it.
bool newest_is_for_another(const PackageList& list, const ProjectFile& file,
                           const CondaPlace& place, const PackageRequest& cuda,
                           const PackageRequest& torch, FindingSink& sink) {
  const std::string wanted = major_minor(cuda.version);
  if (!is_open(torch, list, place) || !wanted.contains('.') ||
      kCondaBuilds.back().second.contains(wanted))
    return false;
  std::string_view last;
  for (const auto& [version, builds] : kCondaBuilds)
    if (builds.contains(wanted)) last = version;
  Finding& found = sink.add(
      "conda-cuda-mismatch", file, cuda.span,
      fmt::format("{} has no version, and the last that was built for pytorch-cuda {} is {}: the "
                  "solver may take a newer one, for the processor",
                  torch.name, wanted, last));
  found.evidence = {fmt::format("{}{}", torch.name, torch.specifier),
                    fmt::format("{}{}", cuda.name, cuda.specifier),
                    "pytorch.org, previous versions"};
  found.fix = fmt::format("write pytorch={}, or pytorch-cuda={}", last,
                          last_of(kCondaBuilds.back().second));
  found.pedantic = place.unknown_python;
  return true;
}

/// cudatoolkit beside a pytorch of 1.13 or later, or beside one without a version, which is such a
/// one wherever the solver is free.
bool toolkit_without_effect(const PackageList& list, const ProjectFile& file,
                            const CondaPlace& place, const PackageRequest& cuda,
                            const PackageRequest& torch, FindingSink& sink) {
  const auto* row = builds_of(torch.version);
  if (torch.version.empty() ? !is_open(torch, list, place)
                            : row == nullptr || !version_at_least(row->first, kFirstOfMetapackage))
    return false;
  const std::string wanted = major_minor(cuda.version);
  std::string_view instead = "11.8", last;
  if (row != nullptr && !row->second.contains(instead)) instead = last_of(row->second);
  for (const auto& [version, builds] : kCondaBuilds)
    if (row == nullptr && wanted.contains('.') && builds.contains(wanted) &&
        !version_at_least(version, kFirstOfMetapackage))
      last = version;
  Finding& found = sink.add(
      "conda-cuda-mismatch", file, cuda.span,
      fmt::format("cudatoolkit chooses no CUDA for pytorch: since 1.13 its channel builds it for "
                  "pytorch-cuda, and the solver takes {}",
                  row != nullptr ? "a build for the processor, or for another CUDA"
                                 : "a pytorch of 2022 at the latest, or one for the processor"));
  found.evidence = {fmt::format("{}{}", torch.name, torch.specifier),
                    fmt::format("{}{}", cuda.name, cuda.specifier),
                    "pytorch.org, previous versions"};
  found.fix = fmt::format("write pytorch-cuda={} in place of cudatoolkit, with the channel nvidia",
                          instead);
  if (!last.empty())
    found.fix += fmt::format("; or pytorch={}, the last that was built for {}", last, wanted);
  found.pedantic = row == nullptr && (place.unknown_python || has_conda_forge(list));
  return true;
}

/// conda-forge built pytorch for cudatoolkit as well, for 11.2 and 11.8 up to 2.1, for the others
/// up to 1.10.
bool beside_conda_forge(const PackageList& list, const ProjectFile& file, const CondaPlace& place,
                        const PackageRequest& cuda, const PackageRequest& torch,
                        FindingSink& sink) {
  // The first channel's packages go before.
  const auto at = [&](std::string_view name) {
    return std::ranges::find_if(list.indexes,
                                [&](const Word& one) { return one.text.contains(name); });
  };
  return cuda.name == "cudatoolkit" && at("pytorch") < at("conda-forge") && torch.version.empty() &&
         list.find("cpuonly") == nullptr &&
         !is_one_of(major_minor(cuda.version), {"11.2", "11.8"}) &&
         toolkit_without_effect(list, file, place, cuda, torch, sink);
}

/// A pytorch that was not made for this CUDA; conda-forge's is another package, and conda's own
/// channel has one for cudatoolkit.
bool no_such_build(const PackageList& list, const ProjectFile& file, const CondaPlace& place,
                   FindingSink& sink) {
  const PackageRequest* meta = list.find("pytorch-cuda");
  const PackageRequest* cuda = meta == nullptr ? list.find("cudatoolkit") : meta;
  const PackageRequest* torch = list.find("pytorch");
  if (cuda == nullptr || torch == nullptr || cuda->manager != PackageManager::kConda ||
      torch->manager != PackageManager::kConda || !is_version(cuda->version) ||
      has_own_channel(list) || has_build(*torch) || file.source.slice(torch->span).contains("::"))
    return false;
  if (has_conda_forge(list)) return beside_conda_forge(list, file, place, *cuda, *torch, sink);
  if (meta == nullptr) {
    if (list.find("cpuonly") != nullptr ||
        std::ranges::find(list.indexes, "pytorch", &Word::text) == list.indexes.end())
      return false;
    if (toolkit_without_effect(list, file, place, *cuda, *torch, sink)) return true;
  } else if (newest_is_for_another(list, file, place, *cuda, *torch, sink)) {
    return true;
  }
  const auto* row = is_version(torch->version) ? builds_of(torch->version) : nullptr;
  const std::string wanted = major_minor(cuda->version);
  if (row == nullptr || !wanted.contains('.') || row->second.contains(wanted)) return false;
  Finding& found =
      sink.add("conda-cuda-mismatch", file, cuda->span,
               fmt::format("there is no pytorch {} for {} {}: the channel pytorch built it for {}",
                           torch->version, cuda->name, wanted, row->second));
  // Without pytorch-cuda the solver has a build for the processor left.
  if (meta != nullptr) found.severity = Severity::kError;
  found.evidence = {fmt::format("{}{}", torch->name, torch->specifier),
                    "pytorch.org, previous versions"};
  found.fix = fmt::format("write {}={}", cuda->name, last_of(row->second));
  return true;
}

/// cudatoolkit ended with 11.8: of CUDA 12 conda's packages have other names.
bool no_such_toolkit(const PackageList& list, const ProjectFile& file, FindingSink& sink) {
  const PackageRequest* asked = list.find("cudatoolkit");
  if (asked == nullptr || asked->manager != PackageManager::kConda || !is_version(asked->version) ||
      first_number(asked->version).value_or(0) < 12 || has_own_channel(list))
    return false;
  const std::string cuda = major_minor(asked->version);
  Finding& found =
      sink.add("conda-cuda-mismatch", file, asked->span,
               fmt::format("there is no cudatoolkit of {}: conda's channels end with 11.8", cuda));
  found.severity = Severity::kError;
  found.evidence = {fmt::format("{}{}", asked->name, asked->specifier),
                    "conda-forge/cudatoolkit-feedstock: of CUDA 12 there are cuda-version and one "
                    "package for each part"};
  const bool torch = list.find("pytorch") != nullptr;
  found.fix = torch && is_one_of(cuda, {"12.1", "12.4"}) &&
                      std::ranges::find(list.indexes, "pytorch", &Word::text) != list.indexes.end()
                  ? fmt::format("write pytorch-cuda={}, with the channels pytorch and nvidia", cuda)
                  : fmt::format("write cuda-version={}, with {} of conda-forge", cuda,
                                torch ? "pytorch-gpu" : "the parts that are used (cuda-toolkit)");
  return true;
}

/// The channel has this package in no version that is asked for: cudatoolkit 11.1 is conda-forge's
/// and NVIDIA's, and what pytorch-cuda requires is NVIDIA's.
bool channel_lacks(const PackageList& list, const ProjectFile& file, const CondaPlace& place,
                   FindingSink& sink) {
  if (place.image == nullptr || place.more_channels || list.indexes.empty() ||
      std::ranges::any_of(list.indexes, [](const Word& one) {
        return !is_one_of(one.text, {"pytorch", "pytorch-nightly", "defaults", "main", "anaconda"});
      }))
    return false;
  const PackageRequest* asked = list.find("pytorch-cuda");
  const bool meta = asked != nullptr;
  if (!meta) asked = list.find("cudatoolkit");
  if (asked == nullptr || asked->manager != PackageManager::kConda ||
      file.source.slice(asked->span).contains("::"))
    return false;
  const std::string cuda = major_minor(asked->version);
  const bool lacks = meta ? is_one_of(cuda, {"11.6", "11.7", "11.8", "12.1"})
                          : is_one_of(cuda, {"11.1", "11.2", "11.4", "11.5", "11.6", "11.7"});
  if (!lacks) return false;
  Finding& found = sink.add(
      "conda-cuda-mismatch", file, asked->span,
      meta ? fmt::format("what pytorch-cuda {} requires is in the channel nvidia, which is not "
                         "named: the solver finds no solution",
                         cuda)
           : fmt::format("cudatoolkit {} is in the channels conda-forge and nvidia, and none of "
                         "them is named: the solver finds no solution",
                         cuda));
  found.evidence = {fmt::format("{}{}", asked->name, asked->specifier),
                    "pytorch.org, previous versions: its commands name both channels"};
  found.fix = meta ? "add -c nvidia" : "add -c conda-forge, behind -c pytorch";
  found.pedantic = true;
  return true;
}

}  // namespace

bool asks_for_what_was_never_made(const PackageList& list, const ProjectFile& file,
                                  const CondaPlace& place, FindingSink& sink) {
  return no_such_metapackage(list, file, sink) || no_such_toolkit(list, file, sink) ||
         no_such_build(list, file, place, sink) || channel_lacks(list, file, place, sink);
}

}  // namespace flense::lint

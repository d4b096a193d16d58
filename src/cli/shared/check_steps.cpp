#include "cli/shared/check_steps.h"

#include <algorithm>

#include "cli/shared/common.h"
#include "cli/shared/places.h"
#include "cli/shared/suggest.h"
#include "compat/explain.h"
#include "compat/facts/image_facts.h"
#include "host/host_argument.h"
#include "host/probe.h"
#include "inventory/describe/inventory.h"
#include "inventory/scan/contents.h"
#include "needs/cache.h"
#include "needs/collect.h"

namespace flense::cli {

namespace {

using compat::Check;
using compat::Verdict;

constexpr std::string_view kThisHost = "this";

/// 0, 5 or 1 for one check.
int status_of(const Check& check, const Allowances& allowances) {
  const auto is_among = [&](const std::vector<std::string>& ids) {
    return std::ranges::find(ids, check.id) != ids.end();
  };
  switch (check.verdict) {
    case Verdict::kFail:
      return 1;
    case Verdict::kUnsupported:
      return is_among(allowances.unsupported) ? 0 : 1;
    case Verdict::kUnknown:
      return !check.decisive || is_among(allowances.unknown) ? 0 : 5;
    case Verdict::kWarn:
    case Verdict::kOk:
      break;
  }
  return 0;
}

/// Files without a container around them start on the host itself.
bool stands_alone(const needs::Needs& image) {
  return image.contents && image.platform.empty() && image.libc.empty();
}

/// Whether each layer has been read before, so that none has to be read now.
bool layers_known(const inventory::InventoryCache* cache, const image::Image& image,
                  inventory::CacheTrust trust) {
  if (cache == nullptr || image.layers.empty()) return false;
  for (std::size_t i = 0; i < image.layers.size(); ++i)
    if (!cache->load_scan(image, i, {}, trust)) return false;
  return true;
}

}  // namespace

Result<void> known_check(const std::string& id, const knowledge::Knowledge& tables) {
  const std::vector<std::string> ids = compat::explained_checks(tables);
  if (std::ranges::find(ids, id) != ids.end()) return {};
  const std::vector<std::string_view> words(ids.begin(), ids.end());
  const std::string near = nearest(id, words);
  return fail(Code::kUsage, "there is no check '{}'", id)
      .hint(near.empty() ? "flense explain lists the checks"
                         : fmt::format("did you mean {}?", near));
}

int verdict_status(const std::vector<compat::HostVerdict>& verdicts, const Allowances& allowances) {
  bool unknown = false;
  for (const compat::HostVerdict& host : verdicts) {
    if (host.checks.empty()) unknown = true;
    for (const Check& check : host.checks) {
      const int status = status_of(check, allowances);
      if (status == 1) return 1;
      unknown = unknown || status == 5;
    }
  }
  return unknown ? 5 : 0;
}

Result<needs::Needs> needs_of(const std::string& target, const Request& request,
                              const ImageOptions& how, bool config_only, Io& io) {
  TRY(const auto cache, open_inventory_cache(request, how, io));
  // What engines verify when they take an image in need not be read again to know what it needs.
  constexpr auto kTrust = inventory::CacheTrust::kDigest;
  const auto known = [&](const image::Image& told) {
    return layers_known(cache.get(), told, kTrust);
  };
  TRY(const auto image, config_only ? open_config(target, how, request, io)
                                    : open_target(target, how, request, io, known));
  if (cache != nullptr)
    if (auto found = needs::load_needs(*cache, *image, {}, kTrust)) return std::move(found->value);
  if (config_only && !known(*image)) return needs::config_needs(*image);

  inventory::InventoryOptions options;
  options.scan.scratch_directory = scratch_directory(how, io);
  options.scan.cache = cache.get();
  options.scan.trust = kTrust;
  const auto progress = make_progress(request, io);
  progress->begin("reading layers", image::stored_size(*image));
  options.scan.progress = progress.get();
  TRY(const inventory::Contents contents, inventory::Contents::read(*image, options.scan));
  TRY(const inventory::Inventory inventory, inventory::describe(*image, contents, options));
  progress->clear();
  needs::Needs needs = needs::collect_needs(*image, contents, inventory);
  if (cache != nullptr && contents.origin().hashed) needs::store_needs(*cache, *image, {}, needs);
  return needs;
}

std::optional<host::Profile> this_host(const std::vector<std::string>& words,
                                       const host::Places& places,
                                       const knowledge::Knowledge& tables) {
  if (!words.empty() && std::ranges::find(words, kThisHost) == words.end()) return std::nullopt;
  return host::probe(host::Machine(places), tables);
}

Result<std::vector<host::Profile>> hosts_of(const std::vector<std::string>& words,
                                            const std::optional<host::Profile>& here,
                                            const knowledge::Knowledge& tables) {
  std::vector<host::Profile> out;
  if (words.empty() && here) out.push_back(*here);
  for (const std::string& spec : words) {
    if (spec == kThisHost && here) {
      out.push_back(*here);
      continue;
    }
    TRY(std::vector<host::Profile> profiles,
        with_context(host::profiles_of(spec, {}, tables), "reading the host '{}'", spec));
    std::ranges::move(profiles, std::back_inserter(out));
  }
  return out;
}

std::vector<compat::HostVerdict> judge_hosts(const needs::Needs& image,
                                             const std::vector<host::Profile>& hosts,
                                             const knowledge::Knowledge& tables,
                                             std::optional<compat::Launcher> launcher,
                                             bool redistribution) {
  std::vector<compat::HostVerdict> out;
  out.reserve(hosts.size());
  const compat::ImageFacts facts(image, tables);
  // Clusters have many nodes of few kinds.
  constexpr std::size_t kMostKinds = 64;
  std::vector<std::size_t> kinds;
  for (std::size_t i = 0; i < hosts.size(); ++i) {
    const host::Profile& host = hosts[i];
    const auto known = std::ranges::find_if(
        kinds, [&](std::size_t kind) { return host::is_same_kind(hosts[kind], host); });
    if (known != kinds.end()) {
      out.push_back(out[*known]);
      out.back().name = host.source;
      continue;
    }
    if (kinds.size() < kMostKinds) kinds.push_back(i);
    compat::ChosenLauncher chosen{compat::Launcher::kNone, "the files start on the host itself"};
    if (launcher)
      chosen = {*launcher, "--launcher"};
    else if (!stands_alone(image))
      chosen = compat::likely_launcher(host);
    out.push_back(compat::judge(
        {image, host, tables, chosen.launcher, redistribution, &facts, chosen.assumed}));
    out.back().launcher_reason = chosen.reason;
  }
  return out;
}

}  // namespace flense::cli

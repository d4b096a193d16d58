#include "launch/gpus/preflight.h"

#include <algorithm>
#include <set>

#include "base/clock.h"
#include "base/numbers.h"
#include "base/version.h"
#include "codec/sha256.h"
#include "compat/facts/driver_mode.h"
#include "compat/facts/image_facts.h"
#include "compat/judge.h"
#include "host/probe.h"
#include "host/text_formats.h"
#include "inventory/describe/inventory.h"
#include "inventory/scan/contents.h"
#include "inventory/scan/own_build.h"
#include "knowledge/knowledge.h"
#include "launch/gpus/preflight_host.h"
#include "launch/gpus/slurm_job.h"
#include "needs/cache.h"
#include "needs/collect.h"
#include "text/fields.h"

namespace flense::launch {

template <text::FieldsOf<PreflightFinding> F, class See>
void each_field(F& value, See see) {
  see("id", value.id);
  see("message", value.message);
  see("fix", value.fix);
}

template <text::FieldsOf<Preflight> P, class See>
void each_field(P& value, See see) {
  see("failures", value.failures);
  see("warnings", value.warnings);
  see("notices", value.notices);
  see("use_image_compat", value.use_image_compat);
  see("layers_known", value.layers_known);
}

namespace {

constexpr std::string_view kKind = "verdict", kVerdictForm = "verdict-1";
constexpr const char* kNotRead =
    "what is in the image's layers was not checked: flense check reads them once, for all later "
    "runs";

/// The image by its digests; empty when nothing names it.
std::string image_key(const image::Image& image) {
  if (image.config_digest.empty() || image.entries() != nullptr) return {};
  std::string text = image.config_digest;
  for (const image::Layer& layer : image.layers) {
    if (layer.blob.digest.empty() && layer.diff_id.empty()) return {};
    text += fmt::format(" {} {}", layer.blob.digest, layer.diff_id);
  }
  return text;
}

std::string key_of(const std::string& image, const std::string& host,
                   const PreflightOptions& options, bool layers) {
  std::vector<std::string> devices = options.devices;
  std::ranges::sort(devices);
  codec::Sha256 sum;
  sum.update(as_bytes(fmt::format("{}\n{}\n{}\n{}\n{}\n{}\n{}\n{}", kVerdictForm, kVersion,
                                  inventory::own_build(), options.tables.digest(), image, host,
                                  layers, fmt::join(devices, "\n"))));
  return sum.hex();
}

/// The entry, as it was made; damaged ones count as missing.
std::optional<Preflight> load(const inventory::InventoryCache& cache, const std::string& key) {
  const auto entry = cache.store().load(kKind, key);
  if (!entry || entry->head.form != kVerdictForm) return std::nullopt;
  const auto json = text::parse_json(as_text(entry->payload()), "cached verdict");
  if (!json) return std::nullopt;
  Preflight out;
  text::FieldReader reader("cached verdict");
  reader.read(*json, "$", out);
  if (!reader.complaint().empty()) return std::nullopt;
  return out;
}

void keep(inventory::InventoryCache& cache, const std::string& key, const image::Image& image,
          const Preflight& verdict) {
  inventory::EntryHead head;
  head.kind = kKind;
  head.key = key;
  head.form = kVerdictForm;
  head.label = image.name.substr(0, 200);
  head.made = wall_clock() / 1'000'000'000;
  cache.store().store(head, text::dump_json(text::fields_to_json(verdict)));
}

/// Whether a CDI name asks for this GPU; names that plain files do not know ask for any of them.
bool is_chosen(const GpuSlot& slot, const std::vector<std::string>& devices) {
  const std::string kind = slot.vendor + ".com/gpu=";
  return std::ranges::any_of(devices, [&](const std::string& name) {
    if (!name.starts_with(kind)) return false;
    const std::string_view device = std::string_view(name).substr(kind.size());
    const std::string_view gpu = device.substr(0, device.find(':'));
    if (const auto index = parse_number(gpu)) return *index == slot.index;
    if (device.starts_with("GPU-")) return slot.uuid.empty() || device == slot.uuid;
    return device != slot.address ? device.find('.') == device.npos : true;
  });
}

/// The machine as the container sees it: with the GPUs that it gets.
void keep_chosen(host::Profile& host, const std::vector<std::string>& devices) {
  std::set<std::string> addresses;
  for (const GpuSlot& slot : slots_of(host))
    if (is_chosen(slot, devices)) addresses.insert(slot.address);
  std::erase_if(host.gpus, [&](const host::Gpu& gpu) {
    return !addresses.contains(gpu.pci_address.value.value_or(""));
  });
  // Where the driver lists no GPU (WSL2), a requested one counts as present.
  if (!host.gpus.empty() || devices.empty())
    host.gpu_count = host::Number::known(host.gpus.size(), "the GPUs of the container");
}

bool asks_for_gpu(const std::vector<std::string>& devices) {
  return std::ranges::any_of(devices, [](const std::string& name) {
    return name.starts_with("nvidia.com/") || name.starts_with("amd.com/");
  });
}

/// Without a GPU only these are asked: may the program start at all?
bool is_of_the_machine(std::string_view id) {
  return id == "platform" || id == "cpu-level" || id == "kernel-distance";
}

/// What injection settles, whatever the image has.
bool is_settled(std::string_view id) {
  return id == "driver-baked" || id == "stub-in-path" || id == "visible-devices";
}

Result<Preflight> judge(const needs::Needs& needs, const host::Machine& machine,
                        const PreflightOptions& options) {
  TRY(const knowledge::Knowledge tables,
      with_context(knowledge::Knowledge::load(options.tables, knowledge::kVerdictTables),
                   "reading the tables"));
  host::Profile host = host::probe(machine, tables);
  const bool gpus = asks_for_gpu(options.devices);
  if (gpus)
    keep_chosen(host, options.devices);
  else
    host.gpus.clear();
  const compat::ImageFacts facts(needs, tables);
  const compat::Question question{needs, host, tables, compat::Launcher::kFlense, false, &facts};
  const compat::HostVerdict verdict = compat::judge(question);
  Preflight out;
  out.layers_known = needs.contents;
  for (const compat::Check& check : verdict.checks) {
    if (is_settled(check.id) || (!gpus && !is_of_the_machine(check.id))) continue;
    const PreflightFinding finding{check.id, check.message, check.fix};
    if (check.verdict == compat::Verdict::kFail) out.failures.push_back(finding);
    const bool open = check.verdict == compat::Verdict::kUnknown && check.decisive;
    if (check.verdict == compat::Verdict::kWarn || check.verdict == compat::Verdict::kUnsupported ||
        (open && out.layers_known))
      out.warnings.push_back(finding);
  }
  out.use_image_compat =
      gpus && compat::compat_use(question).state == compat::CompatUse::State::kUsed &&
      std::ranges::none_of(out.failures,
                           [](const PreflightFinding& one) { return one.id == "forward-compat"; });
  if (gpus && !out.layers_known) out.notices.emplace_back(kNotRead);
  std::ranges::move(knowledge::age_notices(tables.tables), std::back_inserter(out.notices));
  return out;
}

Result<needs::Needs> read_needs(const image::Image& image, const PreflightOptions& options) {
  inventory::InventoryOptions reading;
  reading.scan.scratch_directory = options.scratch_directory;
  reading.scan.cache = options.cache;
  reading.scan.trust = inventory::CacheTrust::kDigest;
  reading.scan.progress = options.progress;
  TRY(const inventory::Contents contents, inventory::Contents::read(image, reading.scan));
  TRY(const inventory::Inventory inventory, inventory::describe(image, contents, reading));
  needs::Needs needs = needs::collect_needs(image, contents, inventory);
  if (options.cache != nullptr && contents.origin().hashed)
    needs::store_needs(*options.cache, image, {}, needs);
  return needs;
}

}  // namespace

Result<Preflight> preflight(const image::Image& image, const host::Machine& machine,
                            const PreflightOptions& options) {
  const std::string name = image_key(image);
  const bool gpus = asks_for_gpu(options.devices);
  const bool read_layers = options.read_layers && gpus;
  if (name.empty() || options.cache == nullptr) {
    // Without a name nothing can be cached, and judging costs more than many a start.
    if (!read_layers) {
      Preflight out;
      if (!gpus) return out;
      out.notices.emplace_back(
          name.empty() ? "the image was not checked: it has no digest, so nothing about it is "
                         "cached (flense check reads it)"
                       : "the image was not checked: there is no cache (flense check reads it)");
      return out;
    }
    TRY(const needs::Needs needs, read_needs(image, options));
    return judge(needs, machine, options);
  }
  inventory::InventoryCache& cache = *options.cache;
  const std::string host = host_fingerprint(machine);
  const std::string whole = key_of(name, host, options, true);
  if (auto known = load(cache, whole)) return *std::move(known);
  auto needs = needs::load_needs(cache, image, {}, inventory::CacheTrust::kDigest);
  if (needs || read_layers) {
    if (!needs) {
      TRY(needs::Needs read, read_needs(image, options));
      needs = inventory::Cached<needs::Needs>{std::move(read), 0};
    }
    TRY(Preflight out, judge(needs->value, machine, options));
    keep(cache, whole, image, out);
    return out;
  }
  const std::string bare = key_of(name, host, options, false);
  if (auto known = load(cache, bare)) return *std::move(known);
  TRY(Preflight out, judge(needs::config_needs(image), machine, options));
  keep(cache, bare, image, out);
  return out;
}

Result<void> refuse(const Preflight& preflight) {
  if (preflight.failures.empty()) return {};
  const PreflightFinding& first = preflight.failures.front();
  Failure failure =
      fail(Code::kEnvironment, "the image will not run here: {} ({})", first.message, first.id)
          .hint(fmt::format("{}{}--no-preflight starts it anyway", first.fix,
                            first.fix.empty() ? "" : "; "));
  for (std::size_t i = 1; i < preflight.failures.size(); ++i)
    failure.error().context.push_back(fmt::format("it also fails {}: {}", preflight.failures[i].id,
                                                  preflight.failures[i].message));
  return failure;
}

}  // namespace flense::launch

#include "slim/plan/labels.h"

#include <algorithm>
#include <charconv>
#include <functional>
#include <set>

#include "base/version.h"
#include "base/version_numbers.h"

namespace flense::slim {

namespace {

/// The CUDA whose drivers read device code in zstd frames.
constexpr std::string_view kZstdCode = "12.4";

/// "python3 app.py --selftest (1234 paths); gpu.trace (5678 paths)"; empty without a trace.
std::string traced_label(const SlimOptions& options) {
  std::string out;
  for (const TraceSource& trace : options.traced.sources)
    out += fmt::format("{}{} ({} paths)", out.empty() ? "" : "; ",
                       trace.file.empty() ? trace.command : trace.file, trace.used + trace.looked);
  if (options.traced.decide) out += "; decides among packages";
  return out;
}

/// What this run and earlier ones cut by, in the order of the alphabet: what those took is still
/// missing.
std::string rules_label(std::string_view earlier, const Plan& plan) {
  std::set<std::string, std::less<>> rules;
  constexpr std::size_t kMostEarlier = 100;
  while (!earlier.empty() && rules.size() < kMostEarlier) {
    const std::size_t comma = std::min(earlier.find(','), earlier.size());
    if (comma > 0) rules.emplace(earlier.substr(0, comma));
    earlier.remove_prefix(std::min(comma + 1, earlier.size()));
  }
  for (const PassTotal& total : plan.passes) rules.emplace(total.pass.id());
  return fmt::format("{}", fmt::join(rules, ","));
}

/// The label's text; empty without --recompress-code.
std::string recompressed(const SlimOptions& options) {
  if (options.cuts.recompress == device::CodeCompression::kKeep) return {};
  return std::string(device::to_string(options.cuts.recompress));
}

}  // namespace

DriverFloor driver_floor(const knowledge::Drivers& drivers,
                         const std::vector<std::string>& cuda_versions, bool raised) {
  DriverFloor out;
  if (raised) out.code = drivers.floor_for_cuda(kZstdCode);
  std::vector<std::string> floors = {out.code};
  for (const std::string& version : cuda_versions)
    floors.push_back(drivers.floor_for_cuda(version));
  for (std::string& candidate : floors)
    if (compare_versions(out.driver, candidate) < 0) out.driver = std::move(candidate);
  return out;
}

std::string driver_floor_notice(const knowledge::Drivers& drivers) {
  return fmt::format(
      "device code was compressed anew with zstd, which drivers before CUDA {} ({}) do not read",
      kZstdCode, drivers.floor_for_cuda(kZstdCode));
}

AddedFile marker_file(const SlimOptions& options) {
  text::Json out = text::Json::object();
  out.set("schema", "flense/marker/v1");
  out.set("flense", kVersion);
  out.set("targets", to_json(options.cuts.targets));
  out.set("level", device::to_string(options.cuts.level));
  out.set("ptx_kept", options.cuts.keep_ptx || options.cuts.level == device::Level::kSafe);
  if (options.cuts.recompress != device::CodeCompression::kKeep)
    out.set("recompressed_code", device::to_string(options.cuts.recompress));
  if (options.closure.wanted) out.set("closure", true);
  out.set("note",
          "Device code for other GPUs was removed from this layer. Vendor libraries changed this "
          "way are for your own use; their licence does not cover passing them on.");
  return {kMarkerPath, text::dump_json(out, 2) + "\n"};
}

text::Json slim_config(const text::Json& config, const std::vector<std::string>& diff_ids,
                       const SlimOptions& options, const DriverFloor& floor,
                       const std::string& input_digest, const Plan& plan) {
  text::Json out = config;
  text::Json ids = text::Json::array();
  for (const std::string& id : diff_ids) ids.push(id);
  text::Json rootfs = config["rootfs"].is_object() ? config["rootfs"] : text::Json::object();
  rootfs.set("type", "layers");
  rootfs.set("diff_ids", std::move(ids));
  out.set("rootfs", std::move(rootfs));
  text::Json container = config["config"].is_object() ? config["config"] : text::Json::object();
  text::Json labels = container["Labels"].is_object() ? container["Labels"] : text::Json::object();
  labels.set(kLabelTargets, options.cuts.targets.text());
  labels.set(kLabelLevel, device::to_string(options.cuts.level));
  labels.set(kLabelVersion, kVersion);
  labels.set(kLabelInput, input_digest);
  const auto set_or_erase = [&](const char* label, const std::string& value) {
    if (value.empty()) {
      labels.erase(label);
    } else {
      labels.set(label, value);
    }
  };
  set_or_erase(kLabelDriverFloor, floor.driver);
  set_or_erase(kLabelCodeFloor, floor.code);
  set_or_erase(kLabelRecompressed, recompressed(options));
  set_or_erase(kLabelRules, rules_label(labels[kLabelRules].text(), plan));
  set_or_erase(kLabelTables, floor.tables);
  // An earlier run's word stays true: what it took is still missing.
  if (!options.traced.sources.empty()) labels.set(kLabelTraced, traced_label(options));
  if (plan.closure) labels.set(kLabelClosure, closure_text(*plan.closure));
  container.set("Labels", std::move(labels));
  out.set("config", std::move(container));
  return out;
}

bool already_labelled(const text::Json& config, const SlimOptions& options) {
  const text::Json& labels = config["config"]["Labels"];
  return labels[kLabelTargets].text() == options.cuts.targets.text() &&
         labels[kLabelLevel].text() == device::to_string(options.cuts.level) &&
         labels[kLabelRecompressed].text() == recompressed(options) &&
         labels[kLabelVersion].text() == kVersion &&
         (options.traced.sources.empty() || labels[kLabelTraced].text() == traced_label(options));
}

}  // namespace flense::slim

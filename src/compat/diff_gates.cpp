#include "compat/diff_gates.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

#include "base/format.h"
#include "base/numbers.h"
#include "inventory/compare/budget.h"

namespace flense::compat {

namespace {

using inventory::InventoryChanges;

constexpr auto kGates = std::to_array<std::string_view>(
    {"any", "arch", "cold-start", "configuration", "cpu", "driver-floor", "driver-native", "files",
     "future-gpus", "glibc", "host", "packages", "platform", "ptx-driver", "runtimes", "size",
     "unpacked"});

Failure usage(std::string message, std::string hint) {
  return fail(Code::kUsage, "{}", message).hint(std::move(hint));
}

Result<void> read_growth(std::string_view text, Gate& gate) {
  const auto wrong = [&] {
    return usage(fmt::format("'{}' is not a growth limit", text), "size:+5% or size:+200MB");
  };
  if (!text.starts_with('+')) return wrong();
  text.remove_prefix(1);
  if (!text.ends_with('%')) {
    const auto bytes = parse_size(text);
    if (!bytes) return wrong();
    gate.bytes = *bytes;
    return {};
  }
  text.remove_suffix(1);
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || !std::isfinite(value) ||
      value < 0)
    return wrong();
  gate.percent = value;
  return {};
}

GateResult growth(const Gate& gate, const char* what, std::uint64_t before, std::uint64_t after) {
  const std::uint64_t grown = after > before ? after - before : 0;
  bool failed = grown > gate.bytes.value_or(0);
  if (gate.percent)
    failed = static_cast<long double>(grown) * 100 >
             static_cast<long double>(before) * static_cast<long double>(*gate.percent);
  if (!failed) return {gate.text, "passed", {}};
  return {gate.text, "failed",
          fmt::format("{} grew from {} to {}, by {}", what, human_bytes(before), human_bytes(after),
                      human_bytes(grown))};
}

GateResult of_hosts(const Gate& gate, const HostChanges& hosts) {
  std::string unknown;
  for (const HostChange& change : hosts.changes) {
    if (change.id != gate.id) continue;
    if (change.direction == Direction::kNarrower) return {gate.text, "failed", change.text};
    if (change.direction == Direction::kUnknown) unknown = change.text;
  }
  for (const Untold& one : hosts.untold)
    if (one.id == gate.id) unknown = one.reason;
  return unknown.empty() ? GateResult{gate.text, "passed", {}}
                         : GateResult{gate.text, "unknown", unknown};
}

bool stops(std::string_view verdict) {
  return verdict == to_string(Verdict::kFail) || verdict == to_string(Verdict::kUnsupported);
}

GateResult of_verdicts(const Gate& gate, std::span<const VerdictChange> verdicts) {
  if (verdicts.empty()) return {gate.text, "unknown", "no --host is named, or no side is an image"};
  std::string unknown;
  for (const VerdictChange& one : verdicts) {
    for (const CheckChange& check : one.checks)
      if (stops(check.after) && !stops(check.before))
        return {gate.text, "failed", fmt::format("{}: {}", one.host, check.message)};
    if (one.after == Verdict::kUnknown && one.before < Verdict::kUnknown)
      unknown = fmt::format("{}: {} before, unknown now", one.host, to_string(one.before));
  }
  return unknown.empty() ? GateResult{gate.text, "passed", {}}
                         : GateResult{gate.text, "unknown", unknown};
}

std::string counted(std::size_t count, const char* what) {
  return fmt::format("{} {}{} differ{}", count, what, count == 1 ? "" : "s", count == 1 ? "s" : "");
}

GateResult of_list(const Gate& gate, std::size_t count, const char* what) {
  return count == 0 ? GateResult{gate.text, "passed", {}}
                    : GateResult{gate.text, "failed", counted(count, what)};
}

/// Of what only layers and configurations tell.
GateResult of_whole(const Gate& gate, const InventoryChanges& changes, std::size_t count,
                    const char* what) {
  if (!changes.whole())
    return {gate.text, "unknown", "a saved inventory tells neither files nor configuration"};
  return of_list(gate, count, what);
}

GateResult of_files(const Gate& gate, const InventoryChanges& changes) {
  GateResult out = of_whole(gate, changes, changes.files.size(), "file");
  if (out.status == "passed" && changes.files_unread > 0)
    return {gate.text, "unknown",
            fmt::format("the contents of {} files of equal size were not compared",
                        changes.files_unread)};
  return out;
}

GateResult of_packages(const Gate& gate, const InventoryChanges& changes) {
  GateResult out = of_list(gate, changes.packages.size(), "package");
  if (out.status == "passed" && !(changes.before.packages_known && changes.after.packages_known))
    return {gate.text, "unknown", "a side has a package database that flense does not read"};
  return out;
}

GateResult of_anything(const Gate& gate, const InventoryChanges& changes) {
  if (!changes.same_content()) return {gate.text, "failed", "the images differ"};
  if (!changes.whole())
    return {gate.text, "unknown", "a saved inventory tells neither files nor configuration"};
  return of_files(gate, changes);
}

GateResult check_gate(const Gate& gate, const InventoryChanges& changes, const HostChanges& hosts,
                      std::span<const VerdictChange> verdicts) {
  if (gate.id == "any") return of_anything(gate, changes);
  if (gate.id == "host") return of_verdicts(gate, verdicts);
  if (gate.id == "size")
    return growth(gate, "the image as stored", changes.before.size_bytes, changes.after.size_bytes);
  if (gate.id == "unpacked")
    return growth(gate, "the unpacked image", changes.before.unpacked_bytes,
                  changes.after.unpacked_bytes);
  if (gate.id == "packages") return of_packages(gate, changes);
  if (gate.id == "runtimes") return of_list(gate, changes.runtimes.size(), "runtime");
  if (gate.id == "files") return of_files(gate, changes);
  if (gate.id == "configuration")
    return of_whole(gate, changes, changes.configuration.size(), "setting");
  return of_hosts(gate, hosts);
}

}  // namespace

std::span<const std::string_view> gate_ids() {
  return kGates;
}

Result<Gate> parse_gate(std::string_view text) {
  Gate out;
  out.text = text;
  const std::size_t colon = text.find(':');
  out.id = text.substr(0, colon);
  if (std::ranges::find(kGates, out.id) == kGates.end())
    return usage(fmt::format("--fail-on knows no '{}'", out.id),
                 fmt::format("one of {}", fmt::join(kGates, ", ")));
  if (colon == std::string_view::npos) return out;
  if (out.id != "size" && out.id != "unpacked")
    return usage(fmt::format("--fail-on {} takes no limit", out.id),
                 "only size and unpacked do: size:+5%");
  TRY_DO(read_growth(text.substr(colon + 1), out));
  return out;
}

std::vector<GateResult> check_gates(std::span<const Gate> gates, const InventoryChanges& changes,
                                    const HostChanges& hosts,
                                    std::span<const VerdictChange> verdicts) {
  std::vector<GateResult> out;
  for (const Gate& gate : gates) out.push_back(check_gate(gate, changes, hosts, verdicts));
  return out;
}

}  // namespace flense::compat

#include "report/verdicts/fleet.h"

#include <set>

#include "base/format.h"
#include "base/printable.h"
#include "base/version.h"
#include "report/format/table.h"
#include "report/hosts/names.h"

namespace flense::report {

namespace {

using host::Fleet;
using host::Profile;
using text::Json;
using Hosts = std::span<const Profile>;

std::string names(Hosts hosts, const std::vector<std::size_t>& which) {
  std::vector<std::string> out;
  for (const std::size_t i : which)
    out.push_back(hosts[i].source == "this" ? "this machine" : hosts[i].source);
  return folded_names(out);
}

Json name_list(Hosts hosts, const std::vector<std::size_t>& which) {
  Json out = Json::array();
  for (const std::size_t i : which) out.push(hosts[i].source);
  return out;
}

Json weakest_json(Hosts hosts, const host::Weakest& weakest) {
  Json out = Json::object();
  out.set("value", weakest.text);
  out.set("hosts", name_list(hosts, weakest.hosts));
  return out;
}

std::string drift_table(Hosts hosts, const Fleet& fleet, const Style& style) {
  Table table({{"FACT", Align::kLeft, Column::Flex::kNone},
               {"HOSTS", Align::kRight, Column::Flex::kNone},
               {"VALUE", Align::kLeft, Column::Flex::kEnd},
               {"WHICH", Align::kLeft, Column::Flex::kWrap}});
  for (const host::Drift& drift : fleet.drift)
    for (std::size_t i = 0; i < drift.values.size(); ++i) {
      const host::FleetValue& value = drift.values[i];
      table.add({i == 0 ? drift.fact : "", grouped(value.hosts.size()), value.text,
                 names(hosts, value.hosts)},
                value.known ? Ink::kPlain : Ink::kDim);
    }
  return "\n" + style.paint(Ink::kBold, fleet.equal() ? "UNKNOWN IN PART" : "WHAT DIFFERS") + "\n" +
         table.text(style);
}

std::string group_table(Hosts hosts, const Fleet& fleet, const Style& style) {
  Table table({{"HOSTS", Align::kRight, Column::Flex::kNone},
               {"WHICH", Align::kLeft, Column::Flex::kWrap}});
  constexpr std::size_t kMostRows = 50;
  for (std::size_t i = 0; i < fleet.groups.size() && i < kMostRows; ++i)
    table.add({grouped(fleet.groups[i].size()), names(hosts, fleet.groups[i])});
  std::string out = "\n" + style.paint(Ink::kBold, "EQUAL HOSTS") + "\n" + table.text(style);
  if (fleet.groups.size() > kMostRows)
    out += fmt::format("  and {} more groups; --json has all\n",
                       grouped(fleet.groups.size() - kMostRows));
  return out;
}

}  // namespace

std::string fleet_text(Hosts hosts, const Fleet& fleet, const Style& style) {
  std::size_t differing = 0;
  for (const host::Drift& drift : fleet.drift) differing += drift.differs ? 1U : 0U;
  std::string out = style.paint(Ink::kBold, fmt::format("{} hosts", grouped(hosts.size())));
  if (fleet.equal())
    out += fleet.undecided() ? ": equal in what is known\n" : ": equal\n";
  else
    out += fmt::format(": {} differ in {} {}\n", grouped(fleet.groups.size()) + " groups",
                       differing, differing == 1 ? "fact" : "facts");
  std::set<std::string> notices;
  constexpr std::size_t kMostNotices = 10;
  for (const Profile& host : hosts) notices.insert(host.notices.begin(), host.notices.end());
  std::size_t shown = 0;
  for (const std::string& notice : notices) {
    if (shown++ == kMostNotices) break;
    out += style.paint(Ink::kYellow, "note: ") + printable(notice) + "\n";
  }
  if (notices.size() > kMostNotices)
    out += fmt::format("and {} more notes\n", grouped(notices.size() - kMostNotices));
  if (!fleet.drift.empty()) out += drift_table(hosts, fleet, style);
  if (fleet.groups.size() > 1) out += group_table(hosts, fleet, style);
  Table table({{"", Align::kLeft, Column::Flex::kNone},
               {"", Align::kLeft, Column::Flex::kNone},
               {"", Align::kLeft, Column::Flex::kWrap}});
  if (!fleet.cuda.text.empty())
    table.add({"oldest CUDA of a driver", fleet.cuda.text, names(hosts, fleet.cuda.hosts)});
  if (!fleet.architecture.text.empty())
    table.add(
        {"lowest architecture", fleet.architecture.text, names(hosts, fleet.architecture.hosts)});
  if (!fleet.architectures.empty())
    table.add({"serves all", fmt::format("--gpu {}", fmt::join(fleet.architectures, ",")), ""});
  if (!fleet.without_architecture.empty())
    table.add({"architecture unknown", "?", names(hosts, fleet.without_architecture)}, Ink::kDim);
  if (!table.empty()) out += "\n" + table.text(style);
  return out;
}

Json fleet_json(Hosts hosts, const Fleet& fleet) {
  Json drift = Json::array();
  for (const host::Drift& one : fleet.drift) {
    Json values = Json::array();
    for (const host::FleetValue& value : one.values) {
      Json item = Json::object();
      if (value.known) item.set("value", value.text);
      item.set("hosts", name_list(hosts, value.hosts));
      values.push(std::move(item));
    }
    Json row = Json::object();
    row.set("fact", one.fact);
    row.set("differs", one.differs);
    row.set("values", std::move(values));
    drift.push(std::move(row));
  }
  Json groups = Json::array();
  for (const auto& group : fleet.groups) groups.push(name_list(hosts, group));
  Json architectures = Json::array();
  for (const std::string& one : fleet.architectures) architectures.push(one);
  Json out = Json::object();
  out.set("schema", kFleetSchema);
  out.set("flense", kVersion);
  out.set("count", std::uint64_t{hosts.size()});
  out.set("equal", fleet.equal());
  out.set("drift", std::move(drift));
  out.set("groups", std::move(groups));
  out.set("oldest_cuda", weakest_json(hosts, fleet.cuda));
  out.set("lowest_architecture", weakest_json(hosts, fleet.architecture));
  out.set("architectures", std::move(architectures));
  out.set("architecture_unknown", name_list(hosts, fleet.without_architecture));
  return out;
}

}  // namespace flense::report

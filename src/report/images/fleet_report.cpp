#include "report/images/fleet_report.h"

#include <algorithm>
#include <array>

#include "base/format.h"
#include "base/printable.h"
#include "base/version.h"
#include "report/format/table.h"

namespace flense::report {

namespace {

using fleet::State;
using text::Json;

constexpr std::array kStates = {State::kFresh, State::kStale, State::kMissing, State::kOriginGone,
                                State::kUnknown};

Ink ink_of(State state) {
  if (state == State::kFresh) return Ink::kPlain;
  return state == State::kUnknown ? Ink::kYellow : Ink::kRed;
}

std::size_t count(const fleet::Survey& survey, State state) {
  return static_cast<std::size_t>(
      std::ranges::count(survey.standings, state, &fleet::Standing::state));
}

std::uint64_t saved(const fleet::Survey& survey) {
  std::uint64_t out = 0;
  for (const fleet::Standing& one : survey.standings) out += one.saved.value_or(0);
  return out;
}

std::string member_name(State state) {
  std::string out(to_string(state));
  std::ranges::replace(out, ' ', '_');
  return out;
}

Json standing_json(const fleet::Standing& one) {
  Json targets = Json::array();
  for (const std::string& target : one.targets) targets.push(target);
  Json out = Json::object();
  out.set("reference", one.name.text())
      .set("listed_in", one.listed_in)
      .set("targets", std::move(targets))
      .set("digest", one.digest)
      .set("origin", one.origin)
      .set("made_from", one.made_from)
      .set("origin_now", one.origin_now)
      .set("state", member_name(one.state))
      .set("reason", one.reason);
  if (one.saved) out.set("saved_bytes", *one.saved);
  return out;
}

}  // namespace

std::string fleet_status_text(const fleet::Survey& survey, const Style& style, bool quiet) {
  std::string out;
  if (!quiet) {
    Table table({{"IMAGE", Align::kLeft, Column::Flex::kNone},
                 {"STATE", Align::kLeft, Column::Flex::kNone},
                 {"SAVED", Align::kRight, Column::Flex::kNone},
                 {"OF", Align::kLeft, Column::Flex::kWrap}});
    for (const fleet::Standing& one : survey.standings)
      table.add(
          {one.name.text(), std::string(to_string(one.state)),
           one.saved ? human_bytes(*one.saved) : "", one.reason.empty() ? one.origin : one.reason},
          ink_of(one.state));
    out += table.text(style);
  }
  std::vector<std::string> counts;
  for (const State state : kStates)
    if (const std::size_t many = count(survey, state); many > 0)
      counts.push_back(fmt::format("{} {}", grouped(many), to_string(state)));
  out += fmt::format("{}; {} saved\n", fmt::join(counts, ", "), human_bytes(saved(survey)));
  return out;
}

text::Json fleet_status_json(const fleet::Survey& survey) {
  Json images = Json::array(), counts = Json::object();
  for (const fleet::Standing& one : survey.standings) images.push(standing_json(one));
  for (const State state : kStates)
    counts.set(member_name(state), std::uint64_t{count(survey, state)});
  return Json::object()
      .set("schema", "flense/fleet-status/v1")
      .set("flense", kVersion)
      .set("images", std::move(images))
      .set("counts", std::move(counts))
      .set("saved_bytes", saved(survey));
}

std::string fleet_prune_text(const fleet::PrunePlan& plan, bool done, const Style& style,
                             bool quiet) {
  if (plan.removals.empty()) return "nothing is to go\n";
  std::string out;
  if (!quiet) {
    Table table({{"IMAGE", Align::kLeft, Column::Flex::kNone},
                 {"STATE", Align::kLeft, Column::Flex::kNone},
                 {"", Align::kLeft, Column::Flex::kWrap}});
    for (const fleet::Removal& one : plan.removals)
      table.add({one.standing.name.text(), std::string(to_string(one.standing.state)),
                 !one.stays.empty() ? "stays: " + one.stays
                 : done             ? "removed"
                                    : "would be removed"},
                one.stays.empty() ? Ink::kPlain : Ink::kYellow);
    out += table.text(style);
  }
  const auto stay = std::ranges::count_if(
      plan.removals, [](const fleet::Removal& one) { return !one.stays.empty(); });
  const auto gone = static_cast<std::ptrdiff_t>(plan.removals.size()) - stay;
  out += fmt::format("{} {}, {} {}\n", gone, done ? "removed" : "would be removed", stay,
                     stay == 1 ? "stays" : "stay");
  if (!done) out += "nothing was changed; --yes does it\n";
  return out;
}

text::Json fleet_prune_json(const fleet::PrunePlan& plan, bool done) {
  Json images = Json::array(), indexes = Json::array();
  for (const fleet::Removal& one : plan.removals)
    images.push(Json::object()
                    .set("reference", one.standing.name.text())
                    .set("digest", one.standing.digest)
                    .set("state", member_name(one.standing.state))
                    .set("reason", one.standing.reason)
                    .set("goes", one.stays.empty())
                    .set("stays_because", one.stays));
  for (const fleet::PrunePlan::Rewrite& one : plan.rewrites) indexes.push(one.name.text());
  return Json::object()
      .set("schema", "flense/fleet-prune/v1")
      .set("flense", kVersion)
      .set("done", done)
      .set("images", std::move(images))
      .set("indexes", std::move(indexes));
}

}  // namespace flense::report

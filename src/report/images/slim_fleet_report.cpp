#include "report/images/slim_fleet_report.h"

#include <algorithm>
#include <numeric>

#include "base/format.h"
#include "base/version.h"
#include "report/format/table.h"

namespace flense::report {

std::uint64_t SlimFleetReport::Totals::stored_bytes() const {
  return std::accumulate(stored.begin(), stored.end(), std::uint64_t{0},
                         [](std::uint64_t sum, const auto& one) { return sum + one.second; });
}

void SlimFleetReport::add(const SlimReport& report) {
  ++count_;
  before_.unpacked += report.unpacked_before;
  after_.unpacked += report.unpacked_after;
  for (const slim::LayerSizes& layer : report.outcome->layers) {
    if (!layer.digest_before.empty()) before_.stored[layer.digest_before] = layer.stored_before;
    after_.stored[layer.digest_after] = layer.stored_after;
  }
  shared_ += report.outcome->shared_layers;
  images_.push_back(slim_json(report, *report.outcome));
}

void SlimFleetReport::add_planned(const slim::Plan& plan,
                                  const std::vector<std::uint64_t>& unpacked) {
  ++count_;
  const std::uint64_t bytes = std::accumulate(unpacked.begin(), unpacked.end(), std::uint64_t{0});
  before_.unpacked += bytes;
  after_.unpacked += bytes - std::min(bytes, plan.bytes_given_back());
}

std::string SlimFleetReport::text(const Style& style) const {
  const auto percent = [](std::uint64_t part, std::uint64_t whole) {
    return whole == 0 ? std::string("-")
                      : fmt::format("{:.1f} %",
                                    100.0 * static_cast<double>(part) / static_cast<double>(whole));
  };
  Table table({{fmt::format("{} IMAGES", count_), Align::kLeft, Column::Flex::kNone},
               {"BEFORE", Align::kRight, Column::Flex::kNone},
               {"NOW", Align::kRight, Column::Flex::kNone},
               {"LEFT", Align::kRight, Column::Flex::kNone}});
  table.add({"unpacked, each image", human_bytes(before_.unpacked), human_bytes(after_.unpacked),
             percent(after_.unpacked, before_.unpacked)});
  if (!after_.stored.empty()) {
    table.add({"stored, equal layers once", human_bytes(before_.stored_bytes()),
               human_bytes(after_.stored_bytes()),
               percent(after_.stored_bytes(), before_.stored_bytes())});
    table.add({"distinct layers", std::to_string(before_.stored.size()),
               std::to_string(after_.stored.size()), ""});
  }
  std::string out = style.paint(Ink::kBold, "Totals") + "\n" + table.text(style);
  if (shared_ > 0)
    out += fmt::format("{} {} taken over from an image before\n", grouped(shared_),
                       shared_ == 1 ? "layer was" : "layers were");
  return out;
}

text::Json SlimFleetReport::json() const {
  using text::Json;
  const auto side = [](const Totals& totals) {
    return Json::object()
        .set("unpacked_bytes", totals.unpacked)
        .set("stored_bytes", totals.stored_bytes())
        .set("distinct_layers", totals.stored.size());
  };
  Json out = Json::object();
  out.set("schema", "flense/slim-fleet/v1");
  out.set("flense", kVersion);
  Json images = Json::array();
  for (const Json& image : images_) images.push(image);
  out.set("images", std::move(images));
  out.set("before", side(before_));
  out.set("after", side(after_));
  out.set("layers_taken_over", shared_);
  return out;
}

}  // namespace flense::report

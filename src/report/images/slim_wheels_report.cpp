#include "report/images/slim_wheels_report.h"

#include <utility>

#include "base/format.h"
#include "base/printable.h"
#include "base/version.h"
#include "report/format/table.h"

namespace flense::report {

void SlimWheelsReport::add(const SlimReport& report, const std::string& name) {
  Wheel wheel{name, {report.unpacked_before, 0}, {report.unpacked_after, 0}};
  if (report.outcome != nullptr) {
    for (const slim::LayerSizes& layer : report.outcome->layers) {
      wheel.before.stored += layer.stored_before;
      wheel.after.stored += layer.stored_after;
    }
    documents_.push_back(slim_json(report, *report.outcome));
  }
  wheels_.push_back(std::move(wheel));
}

void SlimWheelsReport::written(std::string output, std::string index, std::string requirements) {
  output_ = std::move(output);
  index_ = std::move(index);
  requirements_ = std::move(requirements);
}

std::vector<std::string> SlimWheelsReport::row(std::string name, const Sizes& before,
                                               const Sizes& after) {
  const bool packed = after.stored > 0;
  const std::uint64_t was = packed ? before.stored : before.unpacked;
  const std::uint64_t is = packed ? after.stored : after.unpacked;
  return {std::move(name),
          human_bytes(before.unpacked),
          human_bytes(after.unpacked),
          packed ? human_bytes(before.stored) : "",
          packed ? human_bytes(after.stored) : "",
          was == 0 ? std::string("-")
                   : fmt::format("{:.1f} %",
                                 100.0 * static_cast<double>(is) / static_cast<double>(was))};
}

std::string SlimWheelsReport::text(const Style& style) const {
  Table table({{"WHEEL", Align::kLeft, Column::Flex::kEnd},
               {"UNPACKED", Align::kRight, Column::Flex::kNone},
               {"NOW", Align::kRight, Column::Flex::kNone},
               {"PACKED", Align::kRight, Column::Flex::kNone},
               {"NOW", Align::kRight, Column::Flex::kNone},
               {"LEFT", Align::kRight, Column::Flex::kNone}});
  Sizes before, after;
  for (const Wheel& wheel : wheels_) {
    table.add(row(wheel.name, wheel.before, wheel.after));
    before.unpacked += wheel.before.unpacked;
    before.stored += wheel.before.stored;
    after.unpacked += wheel.after.unpacked;
    after.stored += wheel.after.stored;
  }
  if (wheels_.size() > 1) table.add(row("total", before, after), Ink::kBold);
  std::string out = table.text(style);
  if (!notices_.empty()) out += "\n";
  for (const std::string& notice : notices_) out += "notice: " + printable(notice) + "\n";
  if (output_.empty()) return out;
  out += "\nwritten: " + printable(output_) + "\n";
  if (!index_.empty()) out += fmt::format("  --index-url file://{}\n", printable(index_));
  out += fmt::format("  --require-hashes -r {}\n", printable(requirements_));
  return out;
}

text::Json SlimWheelsReport::json() const {
  using text::Json;
  const auto side = [&](Sizes Wheel::* which) {
    Sizes sum;
    for (const Wheel& wheel : wheels_) {
      sum.unpacked += (wheel.*which).unpacked;
      sum.stored += (wheel.*which).stored;
    }
    return Json::object().set("unpacked_bytes", sum.unpacked).set("stored_bytes", sum.stored);
  };
  Json wheels = Json::array();
  for (const Json& document : documents_) wheels.push(document);
  Json notices = Json::array();
  for (const std::string& notice : notices_) notices.push(notice);
  Json out = Json::object();
  out.set("schema", "flense/slim-wheels/v1");
  out.set("flense", kVersion);
  out.set("output", output_);
  out.set("index", index_);
  out.set("requirements", requirements_);
  out.set("wheels", std::move(wheels));
  out.set("before", side(&Wheel::before));
  out.set("after", side(&Wheel::after));
  out.set("notices", std::move(notices));
  return out;
}

}  // namespace flense::report

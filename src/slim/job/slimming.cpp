#include "slim/job/slimming.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "slim/job/read_closure.h"
#include "slim/plan/make_plan.h"

namespace flense::slim {

namespace {

void add_notices(const Input& input, const Traced& traced, bool verified,
                 const SlimOptions& options, Plan& plan) {
  if (options.closure.wanted && !verified)
    plan.notices.emplace_back(
        options.traced.sources.empty()
            ? "the closure is drawn from files alone, nothing was run: --verify CMD proves that "
              "CMD still works (docs/closure.md)"
            : "the slim image itself was not run: --verify CMD proves that CMD still works in it "
              "(docs/trace.md)");
  std::ranges::copy(input.image->notices, std::back_inserter(plan.notices));
  std::ranges::copy(traced.notices, std::back_inserter(plan.notices));
  if (options.packing.kept_layers > 0)
    plan.notices.push_back(fmt::format("the lowest {} layers stay as they are: {}",
                                       options.packing.kept_layers, options.packing.kept_base));
}

DriverFloor floor_of(const inventory::Inventory& inventory, const Plan& plan,
                     const Workplace& workplace) {
  std::vector<std::string> cuda;
  for (const inventory::Runtime& runtime : inventory.runtimes)
    if (runtime.name == "CUDA runtime" && !runtime.version.empty()) cuda.push_back(runtime.version);
  DriverFloor out = driver_floor(workplace.drivers, cuda, plan.raises_driver_floor);
  out.tables = workplace.tables;
  return out;
}

}  // namespace

Result<Slimming> plan_slimming(Input input, Traced traced, bool verified,
                               const Workplace& workplace) {
  SlimOptions options = input.options;
  heed(traced, options);
  std::optional<closure::Reach> reach;
  if (options.closure.wanted) {
    workplace.progress->begin("reading names", image::stored_size(*input.image));
    TRY(reach, read_closure(*input.image, input.contents, input.inventory, options, workplace));
  }
  TRY(Plan plan,
      make_plan(*input.image, input.contents, input.inventory, options, reach ? &*reach : nullptr));
  if (plan.raises_driver_floor) plan.notices.push_back(driver_floor_notice(workplace.drivers));
  add_notices(input, traced, verified, options, plan);
  std::vector<std::string> broken = verify_plan(*input.image, input.contents, plan);
  if (options.cuts.pyc == Pyc::kCompile && broken.empty()) plan.compiled.emplace();
  const DriverFloor floor = floor_of(input.inventory, plan, workplace);
  workplace.progress->clear();
  return Slimming{
      std::move(input), std::move(options), std::move(plan), std::move(broken), floor, {}};
}

}  // namespace flense::slim

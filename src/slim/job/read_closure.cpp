#include "slim/job/read_closure.h"

#include "closure/facts.h"
#include "inventory/describe/build_needs.h"

namespace flense::slim {

Result<closure::Reach> read_closure(const image::Image& image, const inventory::Contents& contents,
                                    const inventory::Inventory& inventory,
                                    const SlimOptions& options, const Workplace& workplace) {
  const knowledge::OpenedFiles& opened = workplace.opened;
  closure::ReachFactsOptions reading;
  reading.calls = closure::reach_calls(opened);
  reading.scratch_directory = workplace.scratch_directory;
  reading.progress = workplace.progress;
  TRY(const closure::ReachFacts facts,
      with_context(closure::read_reach_facts(image, contents, reading), "reading what {} names",
                   image.name));
  const inventory::BuildNeeds needs = inventory::find_build_needs(contents, inventory.packages);
  closure::ReachOptions reach;
  reach.keep = options.cuts.keep;
  reach.also = options.closure.also;
  reach.traced = options.traced.paths;
  reach.trace_decides = options.traced.decide;
  reach.minimal = options.closure.minimal;
  reach.time_zones = options.closure.time_zones;
  reach.compiles = needs.cuda_compiler.empty() ? needs.host_compiler : needs.cuda_compiler;
  return closure::find_reach(image, contents, facts, opened, reach);
}

}  // namespace flense::slim

#include "slim/apply/provenance.h"

#include "base/version.h"

namespace flense::slim {

namespace {

text::Json options_json(const SlimOptions& options) {
  text::Json keep = text::Json::array();
  for (const std::string& glob : options.cuts.keep) keep.push(glob);
  text::Json out = text::Json::object();
  out.set("keep_ptx", options.cuts.keep_ptx)
      .set("drop_vendor", options.cuts.drop_vendor)
      .set("modify_vendor", options.cuts.modify_vendor)
      .set("keep", std::move(keep))
      .set("pyc", options.cuts.pyc == Pyc::kKeep      ? "keep"
                  : options.cuts.pyc == Pyc::kDrop    ? "drop"
                  : options.cuts.pyc == Pyc::kCompile ? "compile"
                                                      : "by level")
      .set("squash", options.packing.squash)
      .set("compression", packing_name(options.packing))
      .set("compression_level", options.packing.level);
  if (options.cuts.rewrite_signed) out.set("rewrite_signed", true);
  if (options.cuts.recompress != device::CodeCompression::kKeep)
    out.set("recompress_code", device::to_string(options.cuts.recompress));
  if (options.closure.wanted) {
    text::Json also = text::Json::array();
    for (const std::string& program : options.closure.also) also.push(program);
    out.set("closure", true)
        .set("also", std::move(also))
        .set("minimal", options.closure.minimal)
        .set("time_zones", options.closure.time_zones)
        .set("traced_files", std::uint64_t{options.traced.paths.size()})
        .set("trace_decides", options.traced.decide);
  }
  if (!options.packing.prefetch.empty())
    out.set("prefetch_paths", std::uint64_t{options.packing.prefetch.size()});
  if (options.packing.kept_layers > 0)
    out.set("kept_layers", std::uint64_t{options.packing.kept_layers});
  if (options.packing.split_bytes > 0) out.set("split_bytes", options.packing.split_bytes);
  return out;
}

}  // namespace

text::Json provenance(const Plan& plan, const SlimOptions& options, const SlimOutcome& outcome,
                      const std::string& output, const DriverFloor& floor) {
  text::Json out = text::Json::object();
  out.set("schema", "flense/provenance/v1");
  out.set("flense", kVersion);
  out.set("target", plan.input);
  // What is unknown is left out: an empty digest would be one that nothing has.
  const auto set_known = [&](const char* name, const std::string& value) {
    if (!value.empty()) out.set(name, value);
  };
  set_known("digest", plan.input_digest);
  out.set("output", output);
  set_known("output_digest", outcome.manifest_digest);
  set_known("driver_floor", floor.driver);
  set_known("code_driver_floor", floor.code);
  set_known("tables", floor.tables);
  out.set("options", options_json(options));
  text::Json planned = to_json(plan);
  if (plan.input_digest.empty()) planned.erase("digest");
  out.set("plan", std::move(planned));
  return out;
}

}  // namespace flense::slim

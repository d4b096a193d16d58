#include "slim/apply/provenance.h"

#include "base/version.h"

namespace flense::slim {

namespace {

text::Json options_json(const SlimOptions& options) {
  text::Json keep = text::Json::array();
  for (const std::string& glob : options.keep) keep.push(glob);
  text::Json out = text::Json::object();
  out.set("keep_ptx", options.keep_ptx)
      .set("drop_vendor", options.drop_vendor)
      .set("modify_vendor", options.modify_vendor)
      .set("keep", std::move(keep))
      .set("pyc", options.pyc == Pyc::kKeep      ? "keep"
                  : options.pyc == Pyc::kDrop    ? "drop"
                  : options.pyc == Pyc::kCompile ? "compile"
                                                 : "by level")
      .set("squash", options.squash)
      .set("compression", packing_name(options))
      .set("compression_level", options.compression_level);
  if (options.recompress != device::CodeCompression::kKeep)
    out.set("recompress_code", device::to_string(options.recompress));
  if (options.closure) {
    text::Json also = text::Json::array();
    for (const std::string& program : options.also) also.push(program);
    out.set("closure", true)
        .set("also", std::move(also))
        .set("minimal", options.minimal)
        .set("time_zones", options.time_zones)
        .set("traced_files", std::uint64_t{options.traced.size()})
        .set("trace_decides", options.trace_decides);
  }
  if (!options.prefetch.empty()) out.set("prefetch_paths", std::uint64_t{options.prefetch.size()});
  if (options.kept_layers > 0) out.set("kept_layers", std::uint64_t{options.kept_layers});
  if (options.split_bytes > 0) out.set("split_bytes", options.split_bytes);
  return out;
}

}  // namespace

text::Json provenance(const Plan& plan, const SlimOptions& options, const SlimOutcome& outcome,
                      const std::string& output, const DriverFloor& floor) {
  text::Json out = text::Json::object();
  out.set("schema", "flense/provenance/v1");
  out.set("flense", kVersion);
  out.set("target", plan.input);
  out.set("digest", plan.input_digest);
  out.set("output", output);
  out.set("output_digest", outcome.manifest_digest);
  out.set("driver_floor", floor.driver);
  if (!floor.code.empty()) out.set("code_driver_floor", floor.code);
  out.set("options", options_json(options));
  out.set("plan", to_json(plan));
  return out;
}

}  // namespace flense::slim

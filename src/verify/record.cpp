#include "verify/record.h"

#include "base/file.h"
#include "text/json.h"

namespace flense::verify {

namespace {

constexpr std::uint64_t kMostRecord = std::uint64_t{1} << 30;

Result<void> read_layers(const text::Json& plan, Record& out) {
  for (const text::Json& layer : plan["layers"].items()) {
    out.layer_digests.emplace_back(layer["digest"].text());
    std::map<std::uint32_t, PlannedEdit>& edits = out.layers.emplace_back();
    for (const text::Json& edit : layer["edits"].items()) {
      const std::uint64_t position = edit["position"].unsigned_or(UINT64_MAX);
      if (position > UINT32_MAX || edit["path"].text().empty() || edit["action"].text().empty())
        return bad_input("{}: an edit without position, path or action", out.name);
      edits[static_cast<std::uint32_t>(position)] = {
          std::string(edit["action"].text()), std::string(edit["pass"].text()),
          std::string(edit["path"].text()), std::string(edit["new_path"].text())};
    }
  }
  return {};
}

}  // namespace

const PlannedEdit* Record::edit(image::EntryRef ref) const {
  if (ref.layer >= layers.size()) return nullptr;
  const auto found = layers[ref.layer].find(ref.index);
  return found == layers[ref.layer].end() ? nullptr : &found->second;
}

Result<Record> read_record(const std::string& file) {
  TRY(const std::string text, read_file(file, kMostRecord));
  TRY(const text::Json json, text::parse_json(text, file));
  return parse_record(json, file);
}

Result<Record> parse_record(const text::Json& json, const std::string& file) {
  Record out;
  out.name = file;
  out.whole = json["schema"].text() == "flense/provenance/v1";
  if (!out.whole && json["schema"].text() != "flense/plan/v1")
    return bad_input("{} is no record of flense slim: schema '{}'", file, json["schema"].text())
        .hint("name OUT.provenance.json, or what --plan wrote");
  const text::Json& plan = out.whole ? json["plan"] : json;
  const text::Json& options = json["options"];
  out.input_digest = plan["digest"].text();
  out.output_digest = json["output_digest"].text();
  for (const char* make : {"cuda", "amd"})
    for (const text::Json& gpu : plan["targets"][make].items()) out.gpus.emplace_back(gpu.text());
  out.level = level_named(plan["level"].text());
  out.keep_ptx = options["keep_ptx"].bool_or(false);
  out.drop_vendor = options["drop_vendor"].bool_or(false);
  out.modify = options["modify_vendor"].bool_or(true);
  out.recompressed = options["recompress_code"].is_string();
  out.minimal = options["minimal"].bool_or(false);
  out.closure = out.minimal || options["closure"].bool_or(false);
  out.pyc = options["pyc"].text();
  out.other_layers =
      options["squash"].bool_or(false) || out.minimal || options["split_bytes"].unsigned_or(0) > 0;
  out.compiled = plan["compiled_python"]["files"].unsigned_or(0) > 0;
  TRY_DO(read_layers(plan, out));
  return out;
}

std::optional<Level> level_named(std::string_view word) {
  if (word == "safe") return Level::kSafe;
  if (word == "standard") return Level::kStandard;
  if (word == "aggressive") return Level::kAggressive;
  return std::nullopt;
}

std::string_view to_string(Level level) {
  return level == Level::kSafe ? "safe" : level == Level::kStandard ? "standard" : "aggressive";
}

}  // namespace flense::verify

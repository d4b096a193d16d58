// What the run that made the result said it did: `OUT.provenance.json`, or a plan. The only source
// of reasons for what is gone; each is then checked as far as it can be.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "image/layers/merged_tree.h"
#include "text/json.h"
#include "verify/load_rule.h"

namespace flense::verify {

struct PlannedEdit {
  std::string action, pass, path, new_path;
};

struct Record {
  std::string name;  ///< of the file
  std::string input_digest, output_digest;
  std::vector<std::string> layer_digests;
  std::vector<std::map<std::uint32_t, PlannedEdit>> layers;  ///< by position of the member
  std::vector<std::string> gpus;
  std::optional<Level> level;
  bool whole = false;  ///< a provenance record: options are known
  bool keep_ptx = false, drop_vendor = false, recompressed = false, modify = true;
  bool other_layers = false;  ///< squashed, split or minimal
  bool closure = false, minimal = false;
  std::string pyc;        ///< "by level", "drop", …
  bool compiled = false;  ///< --pyc compile has added a layer

  const PlannedEdit* edit(image::EntryRef ref) const;
};

/// Schemas flense/provenance/v1 and flense/plan/v1. Bad input: neither of them.
Result<Record> read_record(const std::string& file);
Result<Record> parse_record(const text::Json& json, const std::string& file);

std::optional<Level> level_named(std::string_view word);
std::string_view to_string(Level level);

}  // namespace flense::verify

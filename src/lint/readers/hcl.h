// HashiCorp's configuration language as far as Bake files use it (HCL native syntax
// specification): blocks, attributes, literal values, lists, objects, here-documents. Expressions
// that compute something are skipped, and their value is unknown.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "lint/dockerfile/dockerfile.h"
#include "lint/source/source.h"

namespace flense::lint {

struct HclMember;

struct HclValue {
  enum class Kind : std::uint8_t {
    kUnknown,
    kText,    ///< `text` with its escapes resolved and "${…}" as it is written
    kNumber,  ///< `text` as written
    kBool,    ///< `text` is "true" or "false"
    kNull,
    kReference,  ///< `text` is a name alone
    kList,
    kObject,
  };
  Kind kind = Kind::kUnknown;
  std::string text;
  Span span;
  std::vector<HclValue> items;
  std::vector<HclMember> members;
};

struct HclMember {
  Word key;
  HclValue value;
};

struct HclAttribute {
  Word name;
  HclValue value;
};

struct HclBlock {
  Word type;
  std::vector<Word> labels;
  std::vector<HclAttribute> attributes;
  std::vector<HclBlock> blocks;
  Span span;

  /// Null: none.
  const HclValue* find(std::string_view attribute) const;
};

struct HclFile {
  HclBlock body;
  std::vector<ParseProblem> problems;  ///< the first only: what follows a mistake means little
};

/// At most 4 MiB and 100 levels.
HclFile parse_hcl(std::string_view text);

}  // namespace flense::lint

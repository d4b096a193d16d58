// YAML as a tree in which every key and value knows its bytes in the file: what a linter needs, and
// what values are made of (text/yaml.h).
// JSON takes the same path, since it is YAML. Aliases are shared, merge keys ("<<", YAML 1.1) are
// resolved; duplicate keys are errors. Nothing that Go's yaml.v3 accepts is refused, except keys
// that are not scalars and texts over the limits: 16 MiB, 200 levels, 2^20 values, and aliases that
// stand for more than 65536 values or 4 MiB.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace flense::text {

/// Bytes [begin, end) of the text.
struct YamlRange {
  std::size_t begin = 0, end = 0;

  bool operator==(const YamlRange&) const = default;
};

struct YamlNode;

struct YamlMember {
  std::string key;
  YamlRange at;  ///< of the key, with its quotes
  const YamlNode* value = nullptr;
  bool merged = false;  ///< comes from a merge key: the places are where it is written
};

struct YamlNode {
  enum class Kind : std::uint8_t { kNull, kScalar, kSequence, kMapping };
  Kind kind = Kind::kNull;
  bool plain = false;  ///< a scalar without quotes
  bool block = false;  ///< a literal or folded block
  std::string text;    ///< of a scalar, quotes and escapes resolved
  std::string tag;     ///< "!reset", "tag:yaml.org,2002:str"; empty: none
  YamlRange at;        ///< of a null that is not written: where it would stand
  std::vector<const YamlNode*> items;
  std::vector<YamlMember> members;

  bool is_null() const { return kind == Kind::kNull; }
  bool is_scalar() const { return kind == Kind::kScalar; }
  bool is_sequence() const { return kind == Kind::kSequence; }
  bool is_mapping() const { return kind == Kind::kMapping; }
  /// A scalar that stands for a text: quoted, or no number, truth value or null.
  bool is_text() const;

  /// Null when it is not a mapping or has no such key.
  const YamlMember* member(std::string_view key) const;
  const YamlNode* find(std::string_view key) const;
  /// The value of the key; a shared null node where there is none.
  const YamlNode& operator[](std::string_view key) const;
  /// The text of a scalar; the fallback for anything else.
  std::string_view text_or(std::string_view fallback = {}) const;
  /// true/false, and yes/no/on/off of YAML 1.1; quoted ones are texts.
  std::optional<bool> boolean() const;
  /// A whole number that is not quoted.
  std::optional<std::int64_t> integer() const;
  /// Any number that is not quoted.
  std::optional<double> number() const;
};

enum class YamlFault : std::uint8_t {
  kNotText,  ///< a byte that is not UTF-8 or not printable
  kSyntax,
  kRefused,  ///< a limit, or something that is not taken
};

struct YamlProblem {
  std::size_t at = 0;  ///< byte
  YamlFault fault = YamlFault::kRefused;
  std::string message;
};

/// Owns its nodes: moved, not copied.
struct YamlTree {
  YamlTree() = default;
  YamlTree(YamlTree&&) = default;
  YamlTree& operator=(YamlTree&&) = default;
  YamlTree(const YamlTree&) = delete;
  YamlTree& operator=(const YamlTree&) = delete;

  std::deque<YamlNode> nodes;
  std::vector<const YamlNode*> documents;  ///< those before the problem
  std::optional<YamlProblem> problem;
  std::vector<YamlProblem> duplicates;  ///< keys that occur again, if they are kept
};

/// With `keep_duplicates` a key that occurs again is noted, at most 100 times, and its last value
/// counts; else it is a problem.
YamlTree parse_yaml_nodes(std::string_view text, bool keep_duplicates = false);

}  // namespace flense::text

// YAML 1.1 as a stream of events with positions: adapter over libyaml, whose own document builder
// has no limits. The reader of trees (yaml_nodes.h) builds on it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace flense::text {

enum class YamlEventKind : std::uint8_t {
  kStreamEnd,
  kDocumentStart,
  kDocumentEnd,
  kMappingStart,
  kMappingEnd,
  kSequenceStart,
  kSequenceEnd,
  kScalar,
  kAlias,
  kOther,
};

/// Counted in characters (code points), not bytes.
struct YamlPlace {
  std::size_t index = 0;             ///< from 0
  std::size_t line = 1, column = 1;  ///< from 1
};

struct YamlEvent {
  YamlEventKind kind = YamlEventKind::kOther;
  std::string text;    ///< of a scalar, quotes and escapes resolved
  std::string tag;     ///< in full: "tag:yaml.org,2002:str"; empty: none
  std::string anchor;  ///< of what it names, or of what the alias stands for
  bool plain = false;  ///< a scalar without quotes and no block
  bool block = false;  ///< a literal or folded block scalar
  YamlPlace begin, end;
};

class YamlEvents {
 public:
  /// UTF-8 without a byte order mark; must outlive this.
  explicit YamlEvents(std::string_view text);
  ~YamlEvents();
  YamlEvents(const YamlEvents&) = delete;
  YamlEvents& operator=(const YamlEvents&) = delete;

  /// False where the text is no YAML: then problem_text() and problem_place() tell.
  bool next(YamlEvent& event);
  /// "did not find expected key"
  std::string problem_text() const;
  /// For a byte that is no UTF-8, `byte` is true and the index counts bytes.
  YamlPlace problem_place(bool& byte) const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace flense::text

// What a plain YAML scalar means: shared by the reader and by the writer, which has to know which
// texts need quotes.
#pragma once

#include <optional>
#include <string_view>

#include "text/json.h"

namespace flense::text {

/// Core schema of YAML 1.2, but "0644" is octal: so YAML 1.1 has it, and every reader in Go.
/// nullopt: a text. A number that no Json can hold is null with `bad` set.
struct PlainScalar {
  Json value;
  bool bad = false;
};
std::optional<PlainScalar> plain_scalar(std::string_view text);

/// Whether any reader, of YAML 1.1 too, may take this plain scalar for something else than a text.
bool is_ambiguous(std::string_view text);

}  // namespace flense::text

// Tokens that are known by their form.
#pragma once

#include <string_view>

#include "knowledge/knowledge.h"

namespace flense::lint {

bool is_token_letter(char c);

/// Words that stand where the reader puts his own.
bool is_filled_in(std::string_view low);

/// A token by its form, somewhere in a text; null: none.
const knowledge::SecretFormRow* token_in(std::string_view text, const knowledge::BuildFacts& facts);

}  // namespace flense::lint

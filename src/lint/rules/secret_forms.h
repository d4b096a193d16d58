// What is a secret and what only looks like one, by its form and name, and where it stays.
#pragma once

#include <string>
#include <string_view>

#include "knowledge/knowledge.h"
#include "lint/dockerfile/dockerfile.h"

namespace flense::lint {

bool is_token_letter(char c);

/// Words that stand where the reader puts his own.
bool is_filled_in(std::string_view low);

/// A token by its form, somewhere in a text; null: none.
const knowledge::SecretFormRow* token_in(std::string_view text, const knowledge::BuildFacts& facts);

/// "https://user:password@host": the password is written, no variable.
bool has_password(std::string_view text);

/// What a program gets that wants a key and checks none, or what the reader has to fill in.
bool is_placeholder(std::string_view name, std::string_view value);

/// Names of what others may read: a client's public key, the number of an account.
bool names_public(std::string_view name);

/// "$NAME" of a name that nothing above sets: empty.
bool is_unset(const Instruction& instruction, std::string_view value);

/// What a test feeds to a program.
bool is_of_test(std::string_view path);

/// Who reads it, as evidence. `shown`: the image has it.
std::string stays(bool definition, bool shown);

}  // namespace flense::lint

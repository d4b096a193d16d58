// What is a secret and what only looks like one, by its form and name, and where it stays.
#pragma once

#include <optional>
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

/// A key that is written down under a name that the table does not know: GOOGLE_GEMINI_API_KEY.
bool is_written_key(std::string_view name, std::string_view value);

/// What a file of the repository says that everybody has who has the file.
struct WrittenSecret {
  std::string what;    ///< "a Hugging Face token"
  std::string source;  ///< why it is one
  bool sure = false;   ///< a token by its form, or the key of a service by name and value
};

/// The secret that a variable of a launch gets, by its form or by its name; nullopt: none.
std::optional<WrittenSecret> written_secret(std::string_view name, std::string_view value,
                                            const knowledge::BuildFacts& facts);

/// A name that ends in "password", in any case.
bool names_password(std::string_view name);

/// A password that a reader cannot know: no default, no word that an example writes.
bool is_own_password(std::string_view name, std::string_view value);

/// The value of the option that gives Jupyter its token: "abc" of "--NotebookApp.token='abc'",
/// empty where it is switched off; nullopt: the word holds no such option.
std::optional<std::string_view> jupyter_token(std::string_view word);

/// The key to a service of the container itself, often a known one that its user is to replace.
bool is_of_own_service(std::string_view name);

/// Names of what others may read: a client's public key, the number of an account.
bool names_public(std::string_view name);

/// "$NAME" of a name that nothing above sets: empty.
bool is_unset(const Instruction& instruction, std::string_view value);

/// What a test feeds to a program.
bool is_of_test(std::string_view path);

/// Who reads it, as evidence. `shown`: the image has it.
std::string stays(bool definition, bool shown);

}  // namespace flense::lint

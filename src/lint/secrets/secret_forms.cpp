#include "lint/secrets/secret_forms.h"

#include <algorithm>
#include <array>

#include "base/ascii.h"
#include "lint/facts/build_steps.h"
#include "lint/source/blanks.h"

namespace flense::lint {

namespace {

/// What an example writes in place of a password.
bool is_usual_password(std::string_view low) {
  return is_one_of(low, {"password", "passwd",   "pass",     "pwd",      "secret",    "admin",
                         "root",     "user",     "example",  "changeme", "change-me", "change_me",
                         "test",     "dummy",    "xxx",      "token",    "apikey",    "api_key",
                         "key",      "...",      "postgres", "mysql",    "redis",     "guest",
                         "jupyter",  "changeit", "123456",   "12345678"}) ||
         low.starts_with('<') || low.starts_with("your") || low.contains("***");
}

constexpr std::string_view kStays =
    "docker history and the image's configuration show it to everyone who has the image";

constexpr std::string_view kRecorded =
    "no stage of the image has it; provenance of mode=max, which docker/build-push-action adds for "
    "public repositories, names the arguments of the build";

constexpr std::string_view kInSif =
    "the image holds its definition and %environment, which apptainer inspect shows to everyone "
    "who has it";

}  // namespace

bool is_token_letter(char c) {
  return is_letter(c) || is_digit(c) || c == '_' || c == '-';
}

bool is_filled_in(std::string_view low) {
  constexpr std::size_t kRun = 10;  // of one letter
  std::size_t run = 0;
  for (std::size_t at = 0; at < low.size() && run < kRun; ++at)
    run = at > 0 && low[at] == low[at - 1] ? run + 1 : 1;
  return run >= kRun ||
         std::ranges::any_of(
             std::to_array<std::string_view>(
                 {"example",    "placeholder", "xxx",        "...",       "replace_me",
                  "replace-me", "change-me",   "changeme",   "change_me", "your-",
                  "your_",      "runtime",     "provided",   "dummy",     "not-needed",
                  "not_needed", "not-a-real",  "not_a_real", "notareal",  "no-key",
                  "no_key",     "disabled",    "deadbeef",   "testtest"}),
             [&](std::string_view word) { return low.contains(word); });
}

namespace {

/// As a machine makes keys: letters and digits that take turns, and no row of them that people
/// type.
bool is_random(std::string_view value) {
  constexpr std::size_t kFewestTurns = 4;
  if (!std::ranges::all_of(value,
                           [](char c) { return is_token_letter(c) || holds("+/=.", {&c, 1}); }) ||
      value.starts_with('/') || value.starts_with('.'))
    return false;
  const std::string low = to_lower(value);
  if (std::ranges::any_of(
          std::to_array<std::string_view>({"1234567", "abcdefg", "a1b2c3", "abc123", "qwerty"}),
          [&](std::string_view row) { return low.contains(row); }))
    return false;
  std::size_t turns = 0;
  for (std::size_t at = 1; at < value.size(); ++at)
    turns += (is_digit(value[at - 1]) && is_letter(value[at])) ||
             (is_letter(value[at - 1]) && is_digit(value[at]));
  return turns >= kFewestTurns;
}

}  // namespace

const knowledge::SecretFormRow* token_in(std::string_view text,
                                         const knowledge::BuildFacts& facts) {
  for (const knowledge::SecretFormRow& row : facts.secret_forms) {
    for (std::size_t at = text.find(row.prefix); at != text.npos;
         at = text.find(row.prefix, at + 1)) {
      if (at > 0 && is_token_letter(text[at - 1])) continue;
      std::size_t end = at + row.prefix.size();
      while (end < text.size() && end - at < row.length &&
             (row.plain ? is_alphanumeric(text[end]) : is_token_letter(text[end])))
        ++end;
      if (end - at < row.length) continue;
      while (end < text.size() && is_token_letter(text[end])) ++end;
      const std::string_view token = text.substr(at, end - at);
      if (is_filled_in(to_lower(token))) continue;
      // "sk-" and words behind it.
      if (row.prefix.starts_with("sk-") && !is_random(token.substr(row.prefix.size()))) continue;
      return &row;
    }
  }
  return nullptr;
}

bool has_password(std::string_view text) {
  const std::size_t scheme = text.find("://");
  if (scheme == text.npos) return false;
  std::string_view host = text.substr(scheme + 3);
  host = host.substr(0, host.find_first_of("/ \t\"'"));
  const std::size_t at = host.rfind('@');
  if (at == host.npos) return false;
  // Nobody reaches the builder's own services from elsewhere.
  const std::string_view server = host.substr(at + 1, host.find(':', at) - at - 1);
  // Neither those of a network of containers: "db", "postgres".
  if (is_one_of(server, {"localhost", "127.0.0.1", "0.0.0.0", "host.docker.internal"}) ||
      server.find_first_of(".$[") == server.npos)
    return false;
  const std::string_view user = host.substr(0, at);
  const std::size_t colon = user.find(':');
  // guest:guest is what the service comes with.
  return colon != user.npos && colon + 1 < user.size() && !holds(user.substr(colon), "$") &&
         user.substr(0, colon) != user.substr(colon + 1) &&
         !is_usual_password(to_lower(user.substr(colon + 1)));
}

std::string stays(bool definition, bool shown) {
  return std::string(definition ? kInSif : shown ? kStays : kRecorded);
}

namespace {

/// "local-dev-key-0001": words that say what it stands for, and small numbers.
bool is_made_of_words(std::string_view low) {
  constexpr std::size_t kLongest = 4;  // of a number
  const std::vector<std::string_view> parts = parts_of(low, "-_");
  return parts.size() > 1 && std::ranges::all_of(parts, [](std::string_view part) {
           return (part.size() <= kLongest && std::ranges::all_of(part, is_digit)) ||
                  is_one_of(part,
                            {"api",  "key",    "token", "secret", "default", "local", "dev",
                             "test", "demo",   "my",    "sample", "app",     "for",   "only",
                             "not",  "used",   "sk",    "minio",  "vllm",    "llm",   "openai",
                             "none", "abc123", "build", "time"});
         });
}

}  // namespace

bool is_placeholder(std::string_view name, std::string_view value) {
  constexpr std::size_t kShortest = 12;  // of a token: "sk-1234", "offline" are none
  if (!value.empty() && !value.contains('$') && (name.contains("TOKEN") || name.contains("KEY")) &&
      (value.size() < kShortest || value.find_first_not_of(value.front()) == value.npos))
    return true;
  const std::string low = to_lower(value);
  // WANDB_API_KEY=WANDB_API_KEY
  if (!low.empty() && (low == to_lower(name) || ends_with_any(to_lower(name), {"_" + low})))
    return true;
  // HF_TOKEN=HUGGINGFACE_TOKEN names a variable, /run/secrets/hf a file.
  if (low.contains('_') &&
      std::ranges::all_of(value, [](char c) { return c == '_' || (c >= 'A' && c <= 'Z'); }))
    return true;
  if (starts_with_any(low, {"/run/", "/var/run/", "/etc/", "/secrets/", "/vault/", "file:"}))
    return true;
  // A reference to a store of secrets.
  if (starts_with_any(low, {"op://", "vault:", "ref+", "arn:aws:", "ssm:", "sm://",
                            "gcp-sm:", "secretref:", "env:", "@microsoft.keyvault"}))
    return true;
  if ((low.starts_with("projects/") && low.contains("/secrets/")) ||
      low.contains(".vault.azure.net"))
    return true;
  return is_one_of(low, {"minioadmin", "minio",
                         "minio123",   "admin",
                         "password",   "secret",
                         "todo",       "fixme",
                         "localhost",  "local",
                         "n/a",        "dummy",
                         "none",       "null",
                         "empty",      "fake",
                         "test",       "unused",
                         "not-used",   "not-needed",
                         "token",      "no-key",
                         "sk-dummy",   "sk-no-key-required",
                         "dummy-key",  "usedevelopmentstorage=true"}) ||
         starts_with_any(low, {"your", "<", "{{", "replace", "insert", "enter", "***", "...",
                               "dummy-", "fake-"}) ||
         // A key that begins so has digits.
         (starts_with_any(low, {"__", "%", "local-", "test-"}) &&
          std::ranges::none_of(low, is_digit)) ||
         is_filled_in(low) || is_made_of_words(low) || ends_with_any(low, {"_here", "-here"});
}

bool is_written_key(std::string_view name, std::string_view value) {
  constexpr std::size_t kShortest = 16;
  return ends_with_any(name, {"_API_KEY", "_API_TOKEN", "_ACCESS_TOKEN", "_SECRET_KEY"}) &&
         value.size() >= kShortest && std::ranges::all_of(value, is_token_letter) &&
         std::ranges::any_of(value, is_digit) && std::ranges::any_of(value, is_letter) &&
         !is_placeholder(name, value);
}

std::optional<WrittenSecret> written_secret(std::string_view name, std::string_view value,
                                            const knowledge::BuildFacts& facts) {
  constexpr std::size_t kShortest = 20;
  // Google's key of a web page is no secret.
  if (const auto* form = token_in(value, facts); form != nullptr && form->prefix != "AIza")
    return WrittenSecret{form->what, form->source, true};
  // What others may read anyway, or what stripe and others make for tests and for browsers.
  if (name.empty() || names_public(name) || value.size() < kShortest || !is_random(value) ||
      is_placeholder(name, value) ||
      starts_with_any(value, {"pk_", "pk.", "phc_", "sk_test_", "rk_test_"}))
    return std::nullopt;
  const std::string written(name);
  // A store of the house takes the variables of Amazon's.
  if (const auto* row = facts.secret(written); row != nullptr && !is_of_own_service(written))
    return WrittenSecret{"the key " + written, row->source, !written.starts_with("AWS_")};
  if (!ends_with_any(to_lower(name),
                     {"api_key", "api-key", "apikey", "-token", "_token", "access_key",
                      "secret_key", "_secret", "private_key", "password"}))
    return std::nullopt;
  return WrittenSecret{(names_password(name) ? "the password " : "the key ") + written,
                       "a secret by its name, with a value that nobody makes up", false};
}

bool names_password(std::string_view name) {
  return ends_with_any(to_lower(name), {"password", "passwd"});
}

bool is_own_password(std::string_view name, std::string_view value) {
  constexpr std::size_t kShortest = 4;
  const std::string low = to_lower(value);
  return names_password(name) && value.size() >= kShortest && !value.contains('$') &&
         // "rootpassword" says what it is, as an example does.
         !low.ends_with("password") &&
         !is_one_of(low, {"true", "false", "not_specified", "not_set", "unset", "undefined"}) &&
         !is_placeholder(name, value) && !is_usual_password(low);
}

std::optional<std::string_view> jupyter_token(std::string_view word) {
  for (const std::string_view name : {"App.token", "IdentityProvider.token"}) {
    const std::size_t at = word.find(name);
    if (at == word.npos) continue;
    std::string_view value = trim_space_left(word.substr(at + name.size()));
    if (!value.starts_with('=')) continue;
    value = trim_space_left(value.substr(1));
    while (starts_with_any(value, {"'", "\"", "\\"})) value.remove_prefix(1);
    return value.substr(0, value.find_first_of("'\"\\ \t\n"));
  }
  return std::nullopt;
}

bool is_of_own_service(std::string_view name) {
  return starts_with_any(name, {"JUPYTER_", "VNC_", "SSH_", "ROOT_"});
}

bool names_public(std::string_view name) {
  const std::string low = to_lower(name);
  return has_part(low, "_-",
                  {"public", "publishable", "id", "fingerprint", "name", "username", "cache",
                   "firebase"}) ||
         holds(low, "site_key") || starts_with_any(low, {"vite_", "react_app_", "nuxt_"});
}

bool is_unset(const Instruction& instruction, std::string_view value) {
  if (!value.starts_with('$')) return false;
  std::string_view name = value.substr(1);
  if (name.starts_with('{') && name.ends_with('}')) name = name.substr(1, name.size() - 2);
  // "${HF_TOKEN:-}", "${HF_TOKEN:-""}"
  if (const std::size_t at = name.find(":-");
      at != name.npos && name.find_first_not_of("\"'", at + 2) == name.npos)
    name = name.substr(0, at);
  if (name.empty() || !std::ranges::all_of(name, is_token_letter)) return false;
  return !environment_of(instruction).contains(std::string(name));
}

bool is_of_test(std::string_view path) {
  return has_part(
      directory_of(path), "/",
      {"test", "tests", "testdata", "test-data", "test_data", "fixtures", "__fixtures__"});
}

}  // namespace flense::lint

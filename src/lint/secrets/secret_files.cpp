// Files that are secrets by their names, and that a COPY puts into the image.
#include <algorithm>
#include <array>
#include <optional>

#include "base/ascii.h"
#include "base/format.h"
#include "lint/rules/rules.h"
#include "lint/secrets/secret_forms.h"
#include "lint/source/blanks.h"

namespace flense::lint {

namespace {

struct SecretFile {
  std::string_view what;
  std::string_view fix;
  bool sure = false;  ///< nobody gives such a file to others
};

constexpr std::string_view kForProgram =
    "leave it out of the image, and make a new key, for this one is known; mount the file when the "
    "container starts: docker run -v, secrets: of Compose, a Secret of Kubernetes; what a step "
    "needs, RUN --mount=type=secret brings";

constexpr std::string_view kForClone =
    "leave it out of the image, and make a new key, for this one is known; a step that clones gets "
    "the builder's agent: RUN --mount=type=ssh …, with docker build --ssh default";

constexpr std::string_view kVariables =
    "leave it out of the image, and give the variables to the container: docker run --env-file, "
    "env_file: of the Compose service, a Secret of Kubernetes";

/// "service-account.json", "firebase-key.json", "api_key.json": what Google's services hand out.
bool is_service_account(std::string_view low) {
  if (!low.ends_with(".json")) return false;
  const std::string_view stem = low.substr(0, low.size() - 5);
  if (stem == "serviceaccountkey" || stem.contains("firebase-adminsdk")) return true;
  return has_part(stem, "-_.", {"key", "account", "credentials"}) &&
         has_part(stem, "-_.", {"api", "service", "firebase", "gcp", "gcs", "google", "vertex"}) &&
         !has_part(stem, "-_.", {"example", "sample", "template", "public", "test", "dummy"});
}

/// What describes such a file, or is a text of the program.
bool is_schema(std::string_view path) {
  return has_part(path, "/-_.",
                  {"schema", "schemas", "i18n", "locale", "locales", "lang", "translations"});
}

/// Variables of programs for pages, and those of one's own machine or of tests, hold no secrets.
bool is_variables_file(std::string_view low) {
  return low == ".env" || (low.starts_with(".env.") &&
                           !has_part(low, ".-_",
                                     {"example", "sample", "template", "tmpl", "dist", "default",
                                      "defaults", "dummy", "test", "ci", "development",
                                      "production", "public", "schema", "enc", "encrypted"}));
}

std::optional<SecretFile> secret_file(std::string_view path) {
  const std::string low = to_lower(path);
  const std::string_view name = file_name(low);
  if (is_one_of(name, {"id_rsa", "id_dsa", "id_ecdsa", "id_ed25519"}))
    return SecretFile{"the private key of ssh", kForClone, true};
  if (is_one_of(name, {".git-credentials", ".netrc", ".pgpass", "kaggle.json"}) ||
      low.ends_with(".aws/credentials"))
    return SecretFile{"the file of passwords or keys", kForProgram, true};
  if (is_service_account(name))
    // "api_key" is as often the name of a model or a text of the program.
    return SecretFile{"the key of a service account", kForProgram, !has_part(name, "-_.", {"api"})};
  if (is_one_of(name, {"privkey.pem", "key.pem", "private.pem", "private_key.pem", "server.key",
                       "private.key", "tls.key", "ssl.key"}))
    return SecretFile{"the private key of a server", kForProgram, false};
  if (is_variables_file(name)) return SecretFile{"the file of variables", kVariables, false};
  return std::nullopt;
}

/// A name that a secret may stand under, whatever stands there now.
bool may_be_secret(const Variable& one, const knowledge::BuildFacts& facts) {
  const std::string_view value = one.value ? std::string_view(*one.value) : std::string_view();
  return facts.secret(one.name) != nullptr || token_in(value, facts) != nullptr ||
         has_password(value) ||
         (!names_public(one.name) &&
          has_part(one.name, "_-.",
                   {"key", "apikey", "token", "secret", "password", "passwd", "pass", "pwd", "pat",
                    "credentials", "dsn"}));
}

/// The file lies in the project, and nothing in it has the name or the form of a secret.
bool holds_none(const FileView& view, std::string_view source) {
  const ProjectFile* file =
      view.project->find(path_below(view.project->context_directory(*view.file), source));
  return file != nullptr && file->kind == FileKind::kVariables &&
         std::ranges::none_of(file->variables, [&](const Variable& one) {
           return may_be_secret(one, view.project->knowledge->build);
         });
}

void copied_secrets(const FileView& view, FindingSink& sink) {
  // What other stages have, nobody gets.
  for (const std::size_t stage : view.dockerfile->lineage(view.stages.size() - 1))
    for (const Instruction& copy : view.dockerfile->stages[stage].instructions) {
      if (!copy.copies() || copy.flag("from") != nullptr || !copy.heredocs.empty()) continue;
      for (std::size_t at = 0; at + 1 < copy.words.size(); ++at) {
        std::string_view source = copy.words[at].text;
        if (source.contains("://")) continue;
        while (source.starts_with('/') && !view.is_definition()) source.remove_prefix(1);
        const auto secret = secret_file(source);
        if (!secret || holds_none(view, source) || is_schema(to_lower(source))) continue;
        Finding& found = sink.add(
            "secret-on-command-line", *view.file, copy.words[at].span,
            fmt::format("{} puts {} {} into the image: everybody reads it who has the image",
                        view.is_definition() ? "%files" : to_string(copy.keyword), secret->what,
                        file_name(source)));
        found.evidence = {
            view.is_definition()
                ? "a SIF file is one tree: what it holds, apptainer exec shows"
                : "each COPY is a layer of its own, which also holds what a later step deletes"};
        found.fix = view.is_definition()
                        ? "leave it out of the image, and make a new key, for this one is known; "
                          "bind the file when the container starts: --bind FILE"
                        : std::string(secret->fix);
        found.pedantic =
            !secret->sure || is_of_test(source) || is_of_test(view.file->source.project_path());
      }
    }
}

}  // namespace

void judge_secret_files(const Project& /*project*/, const std::vector<FileView>& views,
                        FindingSink& sink) {
  for (const FileView& view : views) copied_secrets(view, sink);
}

}  // namespace flense::lint

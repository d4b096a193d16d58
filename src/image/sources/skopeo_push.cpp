// Pushes through skopeo.
#include <algorithm>
#include <filesystem>
#include <optional>
#include <system_error>
#include <utility>

#include "base/ascii.h"
#include "base/file.h"
#include "codec/sha256.h"
#include "image/sources/registry_answer.h"
#include "image/sources/skopeo.h"
#include "image/sources/skopeo_call.h"

namespace flense::image {

namespace {

std::uint64_t bytes_below(const std::filesystem::path& directory) {
  std::uint64_t total = 0;
  std::error_code error;
  for (std::filesystem::recursive_directory_iterator at(directory, error), end; !error && at != end;
       at.increment(error)) {
    std::error_code ignored;
    if (at->is_regular_file(ignored)) total += at->file_size(ignored);
  }
  return total;
}

/// Some registries take a push and store nothing. Who may not read is not asked.
Result<void> check_stored(SourceName target, const std::string& digest, const SkopeoAsking& how) {
  const std::string name = target.tagged;
  target.tagged = target.repository + "@" + digest;
  TRY(const ProcessOutput output, ask_manifest(target, how));
  if (output.status == 0 || !says_missing(output.err)) return {};
  return fail(Code::kEnvironment, "the registry took {} and does not have it afterwards", name)
      .hint("look at the registry's storage and log");
}

/// Returns the digest of what was pushed to a registry. skopeo tries an index in a second form,
/// which may not be made of it, and then tells of that alone: asked for the one form it tells what
/// the registry said.
Result<std::string> push_by_copy(std::vector<std::string> copy, const std::string& to,
                                 const SkopeoAsking& how) {
  TRY(ProcessOutput output, ask_skopeo(copy, to, SkopeoCall::kTransfer, how));
  if (output.status != 0 &&
      output.err.find("Instructed to preserve digests") != std::string::npos) {
    copy.insert(copy.begin() + 1, {"--format", "oci"});
    TRY(output, ask_skopeo(copy, to, SkopeoCall::kTransfer, how));
  }
  if (output.status != 0) return registry_failure(output.err, to);
  return std::string(trim(output.out));
}

}  // namespace

Result<std::string> check_push_by_skopeo(const std::string& reference,
                                         const RegistryLimits& limits) {
  TRY(SourceName target, source_name(Transport::kRegistry, reference));
  const auto checked = [&]() -> Result<std::string> {
    TRY(const ProcessOutput output, ask_manifest(target, {limits}));
    if (output.status == 0) return codec::sha256_digest(as_bytes(output.out));
    if (leaves_push_open(output.err)) return std::string();
    return registry_failure(output.err, target.tagged);
  };
  return with_context(checked(), "asking {} whether it takes a push", target.tagged);
}

Result<void> push_by_skopeo(const std::filesystem::path& from, const std::string& destination,
                            const RegistryLimits& limits, Progress* progress,
                            const LayoutPart& part) {
  std::vector<std::string> copy = {"copy", "--quiet"};
  // Entries of an index name each other by digest.
  if (!part.name.empty()) copy.emplace_back("--preserve-digests");
  if (part.entries == Entries::kAll) copy.emplace_back("--all");
  std::string to = destination;
  std::optional<SourceName> registry;
  std::error_code ignored;
  if (destination.starts_with(kRegistryForm)) {
    TRY(SourceName target,
        source_name(Transport::kRegistry, destination.substr(kRegistryForm.size())));
    to = target.tagged;
    if (target.local) TRY_DO(ask_manifest(target, {limits, progress}));
    if (target.plain_http) copy.emplace_back("--dest-tls-verify=false");
    copy.insert(copy.end(), {"--digestfile", "/dev/stdout"});
    registry = std::move(target);
  }
  const bool directory = std::filesystem::is_directory(from, ignored);
  if (progress != nullptr && progress->shown())
    progress->begin("pushing to " + to, directory ? bytes_below(from) : 0);
  copy.push_back((directory ? "oci:" : "oci-archive:") + from.string() +
                 (part.name.empty() ? "" : ":" + part.name));
  copy.push_back(to);
  const auto pushed = [&]() -> Result<void> {
    TRY(const std::string digest, push_by_copy(std::move(copy), to, {limits, progress}));
    if (!registry) return {};
    return check_stored(*std::move(registry), digest, {limits, progress});
  };
  return with_context(pushed(), "pushing to {}", to);
}

}  // namespace flense::image

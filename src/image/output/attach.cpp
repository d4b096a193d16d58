#include "image/output/attach.h"

#include "base/private_directory.h"
#include "image/registry/referrers.h"
#include "image/sources/skopeo.h"

namespace flense::image {

namespace {

using text::Json;

constexpr int kNotFound = 404;
constexpr int kMostRounds = 8;

/// Whether the registry keeps the list itself.
Result<bool> lists_referrers(const RegistryName& name, const Subject& subject,
                             RegistryClient& client) {
  TRY(const auto replies, client.ask({{.host = name.host,
                                       .repository = name.repository,
                                       .path = "referrers/" + subject.digest}}));
  const RegistryReply& reply = replies.front();
  if (reply.fine()) {
    const auto json = text::parse_json(reply.body, "the list of referrers");
    return json && (*json)["manifests"].is_array();
  }
  if (says_not_there(reply)) return false;
  return fail(Code::kEnvironment, "{}", why(reply, name.host));
}

Result<void> list_by_tag(const RegistryName& name, const Subject& subject,
                         const std::vector<Json>& entries, RegistryClient& client) {
  RegistryWish wish{.host = name.host,
                    .repository = name.repository,
                    .path = "manifests/" + referrers_tag(subject.digest)};
  for (int round = 0; round < kMostRounds; ++round) {
    wish.method = RegistryMethod::kGet;
    TRY(const auto replies, client.ask({wish}));
    const RegistryReply& reply = replies.front();
    const bool absent = reply.failure == 0 && reply.status == kNotFound;
    if (!reply.fine() && !absent) return fail(Code::kEnvironment, "{}", why(reply, name.host));
    TRY(const MergedReferrers merged, merge_referrers(absent ? "" : reply.body, entries));
    if (!merged.changed) return {};
    wish.method = RegistryMethod::kPut;
    wish.body = text::dump_json(merged.index);
    TRY(const auto written, client.ask({wish}));
    if (!written.front().fine())
      return fail(Code::kEnvironment, "{}", why(written.front(), name.host));
    wish.body.clear();
  }
  return fail(Code::kEnvironment, "others write the list of referrers again and again");
}

}  // namespace

Result<void> attach(const std::string& place, const Subject& subject,
                    const std::vector<Artefact>& artefacts, const std::filesystem::path& scratch,
                    const RegistryLimits& limits, RegistryClient& client, Progress* progress) {
  if (artefacts.empty()) return {};
  const auto name = parse_registry_name(place);
  if (!name) return fail(Code::kInternal, "\"{}\" is no repository", place);
  std::vector<Json> entries;
  for (const Artefact& one : artefacts) {
    ArtefactDocuments documents = artefact_documents(one, subject);
    TRY(const TemporaryDirectory layout, TemporaryDirectory::create(scratch, "flense-work"));
    TRY_DO(write_artefact_layout(layout.path(), one, subject));
    TRY_DO(push_by_skopeo(layout.path(), fmt::format("docker://{}@{}", place, documents.digest),
                          limits, progress, {kArtefactName, Entries::kOne}));
    entries.push_back(std::move(documents.entry));
  }
  TRY(const bool listed, lists_referrers(*name, subject, client));
  if (listed) return {};
  return list_by_tag(*name, subject, entries, client);
}

}  // namespace flense::image

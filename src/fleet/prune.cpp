#include "fleet/prune.h"

#include <algorithm>
#include <set>
#include <utility>

#include "base/ascii.h"
#include "codec/sha256.h"
#include "fleet/questions.h"
#include "image/model/model.h"
#include "image/model/variant.h"
#include "text/json.h"

namespace flense::fleet {

using image::RegistryMethod;
using image::RegistryName;
using image::RegistryReply;

namespace {

constexpr int kNoDeleting = 405;
constexpr int kMostDepth = 4;
constexpr std::string_view kDockerListType =
    "application/vnd.docker.distribution.manifest.list.v2+json";

/// Who uses a manifest of a repository: tags that show it, tags whose index lists it, and tags of
/// indexes in which another index does.
struct Users {
  std::set<std::string> showing, listing, below;
};
/// Indexes by digest, and the tags from which they are reached.
using Inner = std::map<std::string, std::set<std::string>>;
struct Repository {
  std::string failure;                    ///< why not all of its tags are known
  std::map<std::string, Users> users;     ///< by digest
  std::map<std::string, Document> shown;  ///< by tag
};

void take_inner(const text::Json& index, const std::set<std::string>& tags, Inner& out) {
  for (const text::Json& entry : index["manifests"].items())
    if (is_one_of(entry["mediaType"].text(), {image::kOciIndexType, kDockerListType}))
      out[std::string(entry["digest"].text())].insert(tags.begin(), tags.end());
}

/// What the indexes in indexes list.
Result<void> look_below(const RegistryName& place, Inner inner, Repository& out,
                        image::RegistryClient& client) {
  for (int depth = 0; !inner.empty(); ++depth) {
    if (depth == kMostDepth) {
      out.failure = fmt::format("indexes lie in indexes, more than {} deep", kMostDepth);
      return {};
    }
    std::vector<RegistryName> names;
    for (const auto& [digest, tags] : inner) {
      names.push_back(place);
      names.back().digest = digest;
    }
    TRY(const Replies replies, read_manifests(names, client));
    Inner further;
    for (const RegistryName& name : names) {
      const RegistryReply& reply = replies.at(name.text());
      if (says_unknown(reply)) continue;
      const auto json = text::parse_json(reply.body, name.text());
      if (!json || manifest_digest(reply) != name.digest) {
        out.failure = fmt::format("the index {} could not be read", name.digest);
        continue;
      }
      const std::set<std::string>& tags = inner.at(name.digest);
      for (const text::Json& entry : (*json)["manifests"].items())
        out.users[std::string(entry["digest"].text())].below.insert(tags.begin(), tags.end());
      take_inner(*json, tags, further);
    }
    inner = std::move(further);
  }
  return {};
}

Result<Repository> read_repository(const RegistryName& place, const TagList& tags,
                                   const Replies& replies, image::RegistryClient& client) {
  Repository out;
  Inner inner;
  out.failure = tags.failure;
  for (const std::string& tag : tags.tags) {
    RegistryName name = place;
    name.tag = tag;
    const RegistryReply& reply = replies.at(name.text());
    if (says_unknown(reply)) continue;  // gone meanwhile
    const std::string digest = manifest_digest(reply);
    const auto json = text::parse_json(reply.body, name.text());
    if (digest.empty() || !json) {
      out.failure = fmt::format("the tag {} could not be read", tag);
      continue;
    }
    out.users[digest].showing.insert(tag);
    for (const text::Json& entry : (*json)["manifests"].items())
      out.users[std::string(entry["digest"].text())].listing.insert(tag);
    take_inner(*json, {tag}, inner);
    out.shown[tag] = {digest, reply.body};
  }
  TRY_DO(look_below(place, std::move(inner), out, client));
  return out;
}

/// What of the users of a digest is to go, or to be written again.
struct Going {
  std::set<std::string> tags, lists;
};

std::string stays_for(const Repository& repository, const std::string& digest, const Going& going) {
  if (!repository.failure.empty()) return repository.failure;
  const auto users = repository.users.find(digest);
  if (users == repository.users.end()) return {};
  for (const std::string& tag : users->second.showing)
    if (!going.tags.contains(tag)) return fmt::format("the tag {} shows it, too", tag);
  for (const std::string& tag : users->second.listing)
    if (!going.lists.contains(tag)) return fmt::format("the index {} lists it, too", tag);
  for (const std::string& tag : users->second.below)
    return fmt::format("an index in the index {} lists it, too", tag);
  return {};
}

std::string digest_key(const Standing& one) {
  return one.name.place() + "@" + one.digest;
}

/// Indexes, and the digests that are to leave them.
std::vector<std::pair<RegistryName, std::vector<std::string>>> cuts_of(
    const std::vector<Removal>& removals) {
  std::vector<std::pair<RegistryName, std::vector<std::string>>> out;
  for (const Removal& one : removals) {
    if (!one.stays.empty() || one.standing.listed_in.empty()) continue;
    RegistryName index = one.standing.name;
    index.tag = one.standing.listed_in;
    auto at = std::ranges::find_if(out, [&](const auto& pair) { return pair.first == index; });
    if (at == out.end()) at = out.emplace(out.end(), std::move(index), std::vector<std::string>());
    at->second.push_back(one.standing.digest);
  }
  return out;
}

bool is_to_go(const Standing& one, bool stale) {
  if (one.digest.empty()) return false;
  if (one.state == State::kOriginGone) return true;
  return stale &&
         (one.state == State::kStale || (one.state == State::kMissing && !one.beside.empty()));
}

image::RegistryWish wish(RegistryMethod method, const RegistryName& name, const std::string& what,
                         std::string body = {}) {
  return {method, name.host, name.repository, "manifests/" + what, std::move(body)};
}

}  // namespace

Result<std::string> index_without(std::string_view text, const std::vector<std::string>& digests) {
  TRY(text::Json index, text::parse_json(text, "the index"));
  if (index["mediaType"].text() != image::kOciIndexType)
    return bad_input("it is no index of OCI's form");
  text::Json entries = text::Json::array();
  for (const text::Json& entry : index["manifests"].items()) {
    const bool goes = image::parse_variant(entry) &&
                      std::ranges::find(digests, entry["digest"].text()) != digests.end();
    if (!goes) entries.push(entry);
  }
  if (entries.items().empty()) return bad_input("it would be empty");
  for (const text::Json& entry : entries.items())
    if (std::ranges::find(digests, entry["digest"].text()) != digests.end())
      return bad_input("{} is more in it than an image for some GPUs", entry["digest"].text());
  index.set("manifests", std::move(entries));
  return text::dump_json(index);
}

Result<PrunePlan> plan_prune(const Survey& survey, bool stale, image::RegistryClient& client) {
  PrunePlan out;
  std::vector<RegistryName> places;
  std::map<std::string, Going> going;  // by "HOST/REPOSITORY@DIGEST"
  for (const Standing& one : survey.standings) {
    if (!is_to_go(one, stale)) continue;
    out.removals.push_back({one, {}});
    if (!one.own_tag) {
      out.removals.back().stays =
          fmt::format("slim gives no tag {}: name it to have it removed", one.name.tag);
      continue;
    }
    RegistryName place = one.name;
    place.tag.clear();
    Going& of_digest = going[digest_key(one)];
    of_digest.tags.insert(one.name.tag);
    if (!one.listed_in.empty()) of_digest.lists.insert(one.listed_in);
    if (std::ranges::find(places, place) == places.end()) places.push_back(std::move(place));
  }
  TRY(const auto lists, list_tags(places, client));
  std::vector<RegistryName> all;
  for (const RegistryName& place : places)
    for (const std::string& tag : lists.at(place.place()).tags) {
      all.push_back(place);
      all.back().tag = tag;
    }
  TRY(const auto replies, read_manifests(all, client));
  std::map<std::string, Repository> repositories;
  for (const RegistryName& place : places) {
    TRY(repositories[place.place()],
        read_repository(place, lists.at(place.place()), replies, client));
  }
  for (Removal& one : out.removals)
    if (one.stays.empty())
      one.stays = stays_for(repositories[one.standing.name.place()], one.standing.digest,
                            going[digest_key(one.standing)]);
  // An index that cannot be written again keeps what it lists, which others may list, too.
  std::map<std::string, std::string> kept;
  for (const auto& [index, digests] : cuts_of(out.removals)) {
    const Document& shown = repositories[index.place()].shown[index.tag];
    if (const auto text = index_without(shown.text, digests); !text)
      for (const std::string& digest : digests)
        kept[index.place() + "@" + digest] =
            fmt::format("the index {} stays: {}", index.tag, text.error().message);
  }
  for (Removal& one : out.removals)
    if (const auto at = kept.find(digest_key(one.standing)); at != kept.end())
      one.stays = at->second;
  for (const auto& [index, digests] : cuts_of(out.removals)) {
    const Document& shown = repositories[index.place()].shown[index.tag];
    TRY(std::string text, index_without(shown.text, digests));
    out.rewrites.push_back({index, shown.digest, std::move(text)});
  }
  return out;
}

namespace {

std::string why_not_deleted(const RegistryReply& reply, const std::string& host) {
  return reply.status == kNoDeleting ? fmt::format("{} is not set up to delete anything", host)
                                     : why(reply, host);
}

/// Asks for the deletion of what cannot be there: who refuses that deletes nothing, and no index is
/// to be written again for it.
Result<void> ask_who_deletes(PrunePlan& plan, image::RegistryClient& client) {
  constexpr int kUnauthorized = 401, kForbidden = 403;
  std::map<std::string, std::string> refusals;  // by "HOST/REPOSITORY"
  for (Removal& one : plan.removals) {
    const RegistryName& name = one.standing.name;
    if (!one.stays.empty()) continue;
    const auto [at, fresh] = refusals.try_emplace(name.place());
    if (fresh) {
      const std::string nothing = "sha256:" + std::string(64, '0');
      TRY(const auto replies, client.ask({wish(RegistryMethod::kDelete, name, nothing)}));
      const RegistryReply& reply = replies.front();
      if (reply.failure != 0 || reply.status == kNoDeleting || reply.status == kUnauthorized ||
          reply.status == kForbidden)
        at->second = why_not_deleted(reply, name.host);
    }
    one.stays = at->second;
  }
  std::erase_if(plan.rewrites,
                [&](const PrunePlan::Rewrite& one) { return !refusals[one.name.place()].empty(); });
  return {};
}

/// Why it did not come about; empty: it did.
Result<std::string> rewrite(const PrunePlan::Rewrite& one, image::RegistryClient& client) {
  const auto shows = [&]() -> Result<std::string> {
    TRY(const Replies replies, ask_digests({one.name}, client));
    return manifest_digest(replies.at(one.name.text()));
  };
  TRY(const std::string before, shows());
  if (before != one.digest) return fmt::format("the index {} moved meanwhile", one.name.tag);
  TRY(const auto put, client.ask({wish(RegistryMethod::kPut, one.name, one.name.tag, one.text)}));
  if (!put.front().fine())
    return fmt::format("writing the index {}: {}", one.name.tag, why(put.front(), one.name.host));
  TRY(const std::string after, shows());
  if (after != codec::sha256_digest(as_bytes(one.text)))
    return fmt::format("{} did not store the new index {}", one.name.host, one.name.tag);
  return std::string();
}

/// Of an image that its index did not list: a push may have listed it meanwhile.
Result<std::string> listed_meanwhile(const Standing& one, image::RegistryClient& client) {
  RegistryName index = one.name;
  index.tag = one.beside;
  TRY(const Replies replies, read_manifests({index}, client));
  const RegistryReply& reply = replies.at(index.text());
  if (manifest_digest(reply).empty()) return why_no_digest(reply, index.host);
  if (reply.body.find(one.digest) == std::string::npos) return std::string();
  return fmt::format("the index {} lists it now", one.beside);
}

}  // namespace

Result<void> prune(PrunePlan& plan, image::RegistryClient& client) {
  TRY_DO(ask_who_deletes(plan, client));
  // First no index lists them any more: none ever names what is not there.
  std::map<std::string, std::string> failed;  // by RegistryName::text()
  for (const PrunePlan::Rewrite& one : plan.rewrites) {
    TRY(std::string reason, rewrite(one, client));
    if (!reason.empty()) failed[one.name.text()] = std::move(reason);
  }
  std::set<std::string> done;
  for (Removal& one : plan.removals) {
    const RegistryName& name = one.standing.name;
    // Any index that could not be written again may list it.
    for (const Removal& other : plan.removals) {
      if (other.standing.digest != one.standing.digest ||
          other.standing.name.place() != name.place() || other.standing.listed_in.empty())
        continue;
      const auto at = failed.find(name.place() + ":" + other.standing.listed_in);
      if (at != failed.end() && one.stays.empty()) one.stays = at->second;
    }
    if (!one.stays.empty() || done.contains(digest_key(one.standing))) continue;
    if (!one.standing.beside.empty()) {
      TRY(one.stays, listed_meanwhile(one.standing, client));
    }
    if (!one.stays.empty() || !done.insert(digest_key(one.standing)).second) continue;
    TRY(const auto gone, client.ask({wish(RegistryMethod::kDelete, name, one.standing.digest)}));
    const RegistryReply& reply = gone.front();
    if (!reply.fine() && !says_unknown(reply)) one.stays = why_not_deleted(reply, name.host);
  }
  return {};
}

}  // namespace flense::fleet

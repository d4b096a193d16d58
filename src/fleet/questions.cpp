#include "fleet/questions.h"

#include <algorithm>

#include "base/ascii.h"
#include "image/registry/link.h"
#include "text/json.h"

namespace flense::fleet {

using image::RegistryMethod;
using image::RegistryName;
using image::RegistryReply;
using image::RegistryWish;

namespace {

constexpr std::size_t kMostTags = 100'000, kMostPages = 1'000;
constexpr int kNotFound = 404, kNotAllowed = 405;

/// A digest names the image where both are there.
std::string manifest_path(const RegistryName& name) {
  return "manifests/" + (name.digest.empty() ? name.tag : name.digest);
}

Result<Replies> ask_all(const std::vector<RegistryName>& names, RegistryMethod method,
                        image::RegistryClient& client) {
  std::vector<RegistryWish> wishes;
  std::vector<std::string> keys;
  std::set<std::string> known;
  for (const RegistryName& name : names) {
    if (!known.insert(name.text()).second) continue;
    keys.push_back(name.text());
    wishes.push_back({method, name.host, name.repository, manifest_path(name)});
  }
  TRY(std::vector<RegistryReply> replies, client.ask(wishes));
  Replies out;
  for (std::size_t i = 0; i < keys.size(); ++i) out.emplace(keys[i], std::move(replies[i]));
  return out;
}

/// A list while it is read.
struct Listing {
  TagList list;
  std::set<std::string> tags, pages;
};

/// Takes over one page, and returns the path of the next; empty: there is none. The error is why
/// the list is not whole.
Result<std::string> take_page(const RegistryWish& wish, const RegistryReply& reply, Listing& out) {
  if (says_unknown(reply))
    return fail(Code::kEnvironment, "{} has no repository {}", wish.host, wish.repository);
  if (!reply.fine()) return fail(Code::kEnvironment, "{}", why(reply, wish.host));
  const auto answer = text::parse_json(reply.body, "the list of tags");
  // Of a repository without tags some have null.
  const text::Json* tags = answer ? answer->find("tags") : nullptr;
  if (tags == nullptr || (!tags->is_array() && !tags->is_null()))
    return fail(Code::kEnvironment, "{} sends no list of tags", wish.host);
  const std::size_t before = out.tags.size();
  bool strange = false;
  for (const text::Json& tag : tags->items()) {
    const auto name = image::parse_registry_name(fmt::format("{}:{}", wish.place(), tag.text()));
    if (!name || name->tag.empty() || name->tag != tag.text())
      strange = true;
    else if (out.tags.insert(name->tag).second)
      out.list.tags.push_back(name->tag);
  }
  if (strange) return fail(Code::kEnvironment, "{} lists what is no tag", wish.host);
  auto next = image::next_part(reply.link, wish.repository);
  if (!next)
    return fail(Code::kEnvironment, "{} has more tags than it shows: {}", wish.host,
                next.error().message);
  if (next->empty()) return next;
  if (out.tags.size() == before || !out.pages.insert(*next).second)
    return fail(Code::kEnvironment, "the list of tags of {} leads back to itself", wish.place());
  if (out.tags.size() > kMostTags || out.pages.size() > kMostPages)
    return fail(Code::kEnvironment, "{} has more than {} tags or {} pages of them", wish.place(),
                kMostTags, kMostPages);
  return next;
}

}  // namespace

Result<Replies> ask_digests(const std::vector<RegistryName>& names, image::RegistryClient& client) {
  TRY(Replies out, ask_all(names, RegistryMethod::kHead, client));
  std::vector<RegistryName> again;
  for (const RegistryName& name : names) {
    const RegistryReply& reply = out.at(name.text());
    if (reply.status == kNotFound || reply.status == kNotAllowed ||
        (reply.fine() && manifest_digest(reply).empty()))
      again.push_back(name);
  }
  TRY(Replies whole, read_manifests(again, client));
  for (auto& [key, reply] : whole) out[key] = std::move(reply);
  return out;
}

Result<Replies> read_manifests(const std::vector<RegistryName>& names,
                               image::RegistryClient& client) {
  return ask_all(names, RegistryMethod::kGet, client);
}

bool says_unknown(const RegistryReply& reply) {
  if (reply.failure != 0 || reply.status != kNotFound) return false;
  const auto answer = text::parse_json(reply.body, "the answer");
  if (!answer) return false;
  const auto& errors = (*answer)["errors"].items();
  return !errors.empty() && std::ranges::all_of(errors, [](const text::Json& one) {
    return is_one_of(one["code"].text(), {"MANIFEST_UNKNOWN", "NAME_UNKNOWN", "NOT_FOUND"});
  });
}

Result<std::set<std::string>> places_shown(const std::vector<RegistryName>& wanted,
                                           image::RegistryClient& client) {
  std::vector<RegistryWish> wishes;
  std::set<std::string> known, out;
  for (const RegistryName& name : wanted)
    if (known.insert(name.place()).second)
      wishes.push_back({RegistryMethod::kGet, name.host, name.repository, "tags/list?n=1"});
  TRY(const std::vector<RegistryReply> replies, client.ask(wishes));
  for (std::size_t i = 0; i < wishes.size(); ++i) {
    Listing listing;
    if (take_page(wishes[i], replies[i], listing)) out.insert(wishes[i].place());
  }
  return out;
}

Result<std::map<std::string, TagList>> list_tags(const std::vector<RegistryName>& wanted,
                                                 image::RegistryClient& client) {
  std::map<std::string, Listing> all;
  std::vector<RegistryWish> wishes;
  for (const RegistryName& name : wanted)
    if (all.try_emplace(name.place()).second)
      wishes.push_back({RegistryMethod::kGet, name.host, name.repository, "tags/list?n=1000"});
  while (!wishes.empty()) {
    TRY(const std::vector<RegistryReply> replies, client.ask(wishes));
    std::vector<RegistryWish> further;
    for (std::size_t i = 0; i < wishes.size(); ++i) {
      const RegistryWish& wish = wishes[i];
      Listing& listing = all.at(wish.place());
      const auto next = take_page(wish, replies[i], listing);
      if (!next)
        listing.list.failure = next.error().message;
      else if (!next->empty())
        further.push_back({wish.method, wish.host, wish.repository, *next});
    }
    wishes = std::move(further);
  }
  std::map<std::string, TagList> out;
  for (auto& [place, listing] : all) out.emplace(place, std::move(listing.list));
  return out;
}

}  // namespace flense::fleet

#include "fleet/survey.h"

#include <algorithm>
#include <set>

#include "base/ascii.h"
#include "image/model/model.h"
#include "image/model/variant.h"
#include "text/json.h"

namespace flense::fleet {

using image::RegistryMethod;
using image::RegistryName;
using image::RegistryReply;
using image::RegistryWish;

namespace {

using Replies = std::map<std::string, RegistryReply>;

constexpr std::size_t kMostTags = 100'000;
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

/// What these show now. Where a question for the head is not answered, tells no digest, or says
/// that there is nothing, the whole is asked for.
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

/// "1-sm_90" of the tag "1".
std::string tag_of_variant(const std::string& tag, const std::vector<std::string>& targets) {
  std::string ending = fmt::format("{}", fmt::join(targets, ","));
  for (char& c : ending)
    if (!is_alphanumeric(c) && c != '_') c = '-';
  return tag + "-" + ending;
}

/// The tag among `tags` beside which this one would be that of a variant; empty: none.
std::string base_of(const std::string& tag, const std::set<std::string>& tags) {
  for (const std::string_view ending : {"-sm_", "-gfx"})
    if (const auto at = tag.find(ending); at != std::string::npos)
      if (std::string base = tag.substr(0, at); tags.contains(base)) return base;
  return {};
}

/// What a variant says of its origin: "docker.io/library/app:1@sha256:…".
void take_origin(const std::string& reference, Standing& out) {
  const auto origin = image::parse_registry_name(reference);
  if (!origin || origin->digest.empty()) return;
  RegistryName shown = *origin;
  if (!shown.tag.empty()) shown.digest.clear();
  out.origin = shown.text();
  out.made_from = origin->digest;
}

Standing standing_of(const RegistryName& name, const image::Variant& variant) {
  Standing out;
  out.name = name;
  out.targets = variant.targets;
  out.digest = variant.digest;
  out.saved = variant.saved;
  take_origin(variant.origin_reference, out);
  return out;
}

Standing unknown(const RegistryName& name, State state, std::string reason) {
  Standing out;
  out.name = name;
  out.state = state;
  out.reason = std::move(reason);
  return out;
}

class Surveyor {
 public:
  explicit Surveyor(image::RegistryClient& client) : client_(client) {}

  Result<Survey> look(const std::vector<RegistryName>& references) {
    TRY(const auto lists, list_tags(references, client_));
    std::vector<RegistryName> tags, later;
    for (const RegistryName& reference : references) {
      if (!reference.tag.empty()) {
        tags.push_back(reference);
        named_.insert(reference.text());
        continue;
      }
      const TagList& list = lists.at(reference.place());
      if (!list.failure.empty())
        out_.standings.push_back(unknown(reference, State::kUnknown, list.failure));
      const std::set<std::string> all(list.tags.begin(), list.tags.end());
      for (const std::string& tag : list.tags) {
        RegistryName name = reference;
        name.tag = tag;
        std::string base = base_of(tag, all);
        if (!base.empty()) beside_[name.text()] = base;
        (base.empty() ? tags : later).push_back(std::move(name));
      }
    }
    TRY_DO(read(tags));
    // Of those beside a tag, the ones that its index does not have.
    std::set<std::string> listed, places;
    for (const Standing& one : out_.standings) listed.insert(one.name.text());
    std::erase_if(later, [&](const RegistryName& name) { return listed.contains(name.text()); });
    TRY_DO(read(later));
    for (const Standing& one : out_.standings) places.insert(one.name.place());
    for (const RegistryName& reference : references)
      if (reference.tag.empty() && places.insert(reference.place()).second)
        out_.standings.push_back(
            unknown(reference, State::kMissing, "no tag has images for some GPUs"));
    TRY_DO(judge_all());
    return std::move(out_);
  }

 private:
  /// What has images for some GPUs, or is one.
  Result<void> read(const std::vector<RegistryName>& names) {
    TRY(const Replies replies, read_manifests(names, client_));
    for (const RegistryName& name : names) {
      const RegistryReply& reply = replies.at(name.text());
      if (out_.documents.contains(name.text())) continue;
      if (says_unknown(reply)) {
        out_.standings.push_back(unknown(name, State::kMissing, "there is no such tag"));
        continue;
      }
      const std::string digest = manifest_digest(reply);
      if (digest.empty()) {
        out_.standings.push_back(
            unknown(name, State::kUnknown,
                    reply.fine() ? fmt::format("{} sends something else than it says", name.host)
                                 : why(reply, name.host)));
        continue;
      }
      out_.documents[name.text()] = {digest, reply.body};
      const std::size_t before = out_.standings.size();
      if (const auto read = take(name, digest, reply.body); !read)
        out_.standings.push_back(unknown(name, State::kUnknown, read.error().message));
      else if (before == out_.standings.size() && named_.contains(name.text()))
        out_.standings.push_back(unknown(name, State::kMissing, "it has no images for some GPUs"));
    }
    return {};
  }

  Result<void> take(const RegistryName& name, const std::string& digest, const std::string& text) {
    TRY(const text::Json json, text::parse_json(text, name.text()));
    if (!json["manifests"].is_array()) {
      const auto variant = image::variant_of_manifest(json, digest);
      if (variant) out_.standings.push_back(standing_of(name, *variant));
      return {};
    }
    TRY(const auto entries, image::parse_index(text, name.text()));
    std::set<std::string> own;
    for (const image::ManifestRef& entry : entries)
      if (!entry.variant) own.insert(entry.descriptor.digest);
    for (const image::ManifestRef& entry : entries) {
      if (!entry.variant) continue;
      Standing one = standing_of(name, *entry.variant);
      one.listed_in = name.tag;
      one.name.tag = tag_of_variant(name.tag, entry.variant->targets);
      // Where the result went over its original, that is what the index has.
      if (one.origin == name.text()) {
        one.made_from = one.origin_now = entry.variant->origin;
        if (!own.contains(entry.variant->origin)) one.origin_now.clear();
        in_place_.insert(one.name.text());
      }
      out_.standings.push_back(std::move(one));
    }
    return {};
  }

  Result<void> judge_all() {
    std::vector<RegistryName> asked;
    for (const Standing& one : out_.standings) {
      if (one.digest.empty()) continue;
      if (!one.listed_in.empty()) asked.push_back(one.name);
      if (in_place_.contains(one.name.text())) continue;
      if (const auto origin = image::parse_registry_name(one.origin)) asked.push_back(*origin);
    }
    TRY(const Replies replies, ask_digests(asked, client_));
    for (Standing& one : out_.standings)
      if (!one.digest.empty()) judge(replies, one);
    return {};
  }

  void judge(const Replies& replies, Standing& one) {
    const auto is = [&](State state, std::string reason) {
      one.state = state;
      one.reason = std::move(reason);
    };
    if (in_place_.contains(one.name.text())) {
      if (one.origin_now.empty())
        return is(State::kStale, fmt::format("{} has another original now", one.origin));
    } else {
      const auto origin = image::parse_registry_name(one.origin);
      if (!origin) return is(State::kUnknown, "it does not say which tag it was made from");
      const RegistryReply& reply = replies.at(origin->text());
      if (says_unknown(reply))
        return is(State::kOriginGone, fmt::format("{} is no more", one.origin));
      if (!reply.fine()) return is(State::kUnknown, why(reply, origin->host));
      one.origin_now = manifest_digest(reply);
      if (one.origin_now.empty())
        return is(State::kUnknown, fmt::format("{} tells no digest that fits", origin->host));
      if (one.origin_now != one.made_from)
        return is(State::kStale, fmt::format("{} is {} now", one.origin, one.origin_now));
    }
    if (!one.listed_in.empty()) {
      const RegistryReply& own = replies.at(one.name.text());
      if (says_unknown(own))
        return is(State::kMissing, fmt::format("there is no tag {}", one.name.tag));
      if (!own.fine()) return is(State::kUnknown, why(own, one.name.host));
      if (manifest_digest(own) != one.digest)
        return is(State::kMissing, fmt::format("the tag {} shows another image", one.name.tag));
    }
    if (const auto at = beside_.find(one.name.text()); at != beside_.end() && one.listed_in.empty())
      return is(State::kMissing, fmt::format("the tag {} does not list it", at->second));
    is(State::kFresh, {});
  }

  image::RegistryClient& client_;
  Survey out_;
  std::set<std::string> named_;  ///< tags that were asked for by name
  std::map<std::string, std::string>
      beside_;                      ///< tags that look like one of a variant, and of which
  std::set<std::string> in_place_;  ///< variants whose origin is the tag that lists them
};

}  // namespace

Result<Survey> survey(const std::vector<RegistryName>& references, image::RegistryClient& client) {
  return Surveyor(client).look(references);
}

std::string_view to_string(State state) {
  constexpr std::string_view kNames[] = {"fresh", "stale", "missing", "origin gone", "unknown"};
  return kNames[static_cast<std::size_t>(state)];
}

bool says_unknown(const RegistryReply& reply) {
  if (reply.failure != 0 || reply.status != kNotFound) return false;
  const auto answer = text::parse_json(reply.body, "the answer");
  return answer && std::ranges::any_of((*answer)["errors"].items(), [](const text::Json& one) {
           return is_one_of(one["code"].text(), {"MANIFEST_UNKNOWN", "NAME_UNKNOWN", "NOT_FOUND"});
         });
}

Result<Replies> read_manifests(const std::vector<RegistryName>& names,
                               image::RegistryClient& client) {
  return ask_all(names, RegistryMethod::kGet, client);
}

Result<std::map<std::string, TagList>> list_tags(const std::vector<RegistryName>& wanted,
                                                 image::RegistryClient& client) {
  std::map<std::string, TagList> out;
  std::vector<RegistryWish> wishes;
  for (const RegistryName& name : wanted)
    if (name.tag.empty() && out.try_emplace(name.place()).second)
      wishes.push_back({RegistryMethod::kGet, name.host, name.repository, "tags/list?n=1000"});
  while (!wishes.empty()) {
    TRY(const std::vector<RegistryReply> replies, client.ask(wishes));
    std::vector<RegistryWish> further;
    for (std::size_t i = 0; i < wishes.size(); ++i) {
      const RegistryReply& reply = replies[i];
      const RegistryWish& wish = wishes[i];
      TagList& list = out.at(wish.place());
      const auto answer = text::parse_json(reply.body, "the list of tags");
      if (!reply.fine() || !answer) {
        list.failure = says_unknown(reply)
                           ? fmt::format("{} has no repository {}", wish.host, wish.repository)
                       : reply.fine() ? fmt::format("{} sends no list of tags", wish.host)
                                      : why(reply, wish.host);
        continue;
      }
      const std::size_t before = list.tags.size();
      for (const text::Json& tag : (*answer)["tags"].items())
        if (const auto name =
                image::parse_registry_name(fmt::format("{}:{}", wish.place(), tag.text()));
            name && name->tag == tag.text())
          list.tags.push_back(name->tag);
      const std::string next = next_part(reply, wish.repository);
      // A list that brings nothing new would never end.
      if (next.empty() || list.tags.size() == before) continue;
      if (list.tags.size() > kMostTags)
        list.failure = fmt::format("{} has more than {} tags", wish.place(), kMostTags);
      else
        further.push_back({wish.method, wish.host, wish.repository, next});
    }
    wishes = std::move(further);
  }
  return out;
}

}  // namespace flense::fleet

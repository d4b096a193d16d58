#include "fleet/survey.h"

#include <algorithm>
#include <set>

#include "base/ascii.h"
#include "fleet/questions.h"
#include "image/model/mirror.h"
#include "image/model/model.h"
#include "image/model/variant.h"
#include "image/registry/referrers.h"
#include "text/json.h"

namespace flense::fleet {

using image::RegistryName;
using image::RegistryReply;

namespace {

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

/// Whether it lies where slim --mirror puts the image of that origin: REG/GPU/HOST/REPOSITORY:TAG.
bool is_mirrored(const Standing& one) {
  const auto origin = image::parse_registry_name(one.origin);
  if (!origin || origin->tag != one.name.tag) return false;
  const auto host = image::host_component(origin->host);
  if (!host) return false;
  const std::string below = fmt::format("/{}/{}", *host, origin->repository);
  const std::string_view place = one.name.repository;
  const std::string gpus = image::gpu_name(fmt::format("{}", fmt::join(one.targets, ",")));
  return place.ends_with(below) &&
         place.substr(0, place.size() - below.size()).find(gpus) != std::string_view::npos;
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
    std::map<std::string, std::vector<RegistryName>> beside;  // by the name of the base
    for (const auto& [place, list] : lists) {
      const std::set<std::string> all(list.tags.begin(), list.tags.end());
      RegistryName name = *std::ranges::find(references, place, &RegistryName::place);
      name.digest.clear();
      for (const std::string& tag : list.tags) {
        name.tag = tag;
        const std::string base = base_of(tag, all);
        if (base.empty()) continue;
        beside_[name.text()] = base;
        beside[place + ":" + base].push_back(name);
      }
    }
    for (const RegistryName& reference : references) {
      if (!reference.tag.empty()) {
        tags.push_back(reference);
        named_.insert(reference.text());
        const std::vector<RegistryName>& those = beside[reference.text()];
        later.insert(later.end(), those.begin(), those.end());
        continue;
      }
      const TagList& list = lists.at(reference.place());
      if (!list.failure.empty())
        out_.standings.push_back(unknown(reference, State::kUnknown, list.failure));
      for (const std::string& tag : list.tags) {
        if (image::hangs_on_digest(tag)) continue;
        RegistryName name = reference;
        name.tag = tag;
        (beside_.contains(name.text()) ? later : tags).push_back(std::move(name));
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
        // Who lists a tag that is no more is behind.
        if (named_.contains(name.text()) || !beside_.contains(name.text()))
          out_.standings.push_back(unknown(name, State::kMissing, "there is no such tag"));
        continue;
      }
      const std::string digest = manifest_digest(reply);
      if (digest.empty()) {
        out_.standings.push_back(unknown(name, State::kUnknown, why_no_digest(reply, name.host)));
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
      if (variant) out_.standings.push_back(alone(name, *variant));
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
      for_gpus_.insert(name.text());
    }
    return {};
  }

  /// A tag that shows a variant, which no index that was read lists for it.
  Standing alone(const RegistryName& name, const image::Variant& variant) const {
    Standing out = standing_of(name, variant);
    RegistryName base = name;
    if (const auto at = beside_.find(name.text()); at != beside_.end()) base.tag = at->second;
    if (for_gpus_.contains(base.text()) && name.tag == tag_of_variant(base.tag, variant.targets))
      out.beside = base.tag;
    out.own_tag = named_.contains(name.text()) || !out.beside.empty() || is_mirrored(out);
    return out;
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
    TRY_DO(look_whether_shown(asked, replies));
    for (Standing& one : out_.standings)
      if (!one.digest.empty()) judge(replies, one);
    return {};
  }

  /// Registries say of what they hide that it is not there. Who shows us a repository without a
  /// login hides nothing of it.
  Result<void> look_whether_shown(const std::vector<RegistryName>& asked, const Replies& replies) {
    std::vector<RegistryName> doubtful;
    for (const RegistryName& name : asked)
      if (const RegistryReply& reply = replies.at(name.text());
          says_unknown(reply) && !reply.with_login)
        doubtful.push_back(name);
    TRY(shown_, places_shown(doubtful, client_));
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
      if (says_unknown(reply) && (reply.with_login || shown_.contains(origin->place())))
        return is(State::kOriginGone, fmt::format("{} is no more", one.origin));
      if (says_unknown(reply))
        return is(State::kUnknown, fmt::format("{} has no {}, or hides it from who has no login",
                                               origin->host, origin->repository));
      one.origin_now = manifest_digest(reply);
      if (one.origin_now.empty()) return is(State::kUnknown, why_no_digest(reply, origin->host));
      if (one.origin_now != one.made_from)
        return is(State::kStale, fmt::format("{} is {} now", one.origin, one.origin_now));
    }
    if (!one.listed_in.empty()) {
      const RegistryReply& own = replies.at(one.name.text());
      if (says_unknown(own))
        return is(State::kMissing, fmt::format("there is no tag {}", one.name.tag));
      const std::string digest = manifest_digest(own);
      if (digest.empty()) return is(State::kUnknown, why_no_digest(own, one.name.host));
      if (digest != one.digest)
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
  std::set<std::string> for_gpus_;  ///< tags whose index lists variants
  std::set<std::string> shown_;     ///< "HOST/REPOSITORY" that lists its tags to anybody
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

}  // namespace flense::fleet

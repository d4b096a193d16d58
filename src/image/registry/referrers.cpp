#include "image/registry/referrers.h"

#include <algorithm>
#include <array>
#include <iterator>

#include "image/model/model.h"
#include "text/json.h"

namespace flense::image {

namespace {

constexpr std::string_view kSha256 = "sha256:", kTagBegin = "sha256-";
constexpr std::size_t kHexDigits = 64;
constexpr std::size_t kMostKinds = 100;
constexpr int kNotThere[] = {400, 404, 405, 501};

/// cosign's specifications, "Tag-based Discovery".
struct CosignTag {
  std::string_view ending, what;
};
constexpr auto kCosignTags = std::to_array<CosignTag>(
    {{".sig", "cosign's signature"}, {".att", "cosign's attestation"}, {".sbom", "cosign's SBOM"}});

void add_list(const RegistryReply& reply, HangingThings& out) {
  const auto json = text::parse_json(reply.body, "the list of referrers");
  if (!json) return;
  for (const text::Json& entry : (*json)["manifests"].items()) {
    if (out.kinds.size() == kMostKinds) return;
    const std::string_view type = entry["artifactType"].text();
    out.kinds.emplace_back(type.empty() ? "an artefact of no type" : type);
  }
}

}  // namespace

std::string referrers_tag(std::string_view digest) {
  return std::string(kTagBegin) + std::string(digest.substr(digest.find(':') + 1));
}

bool hangs_on_digest(std::string_view tag) {
  if (!tag.starts_with(kTagBegin)) return false;
  tag.remove_prefix(kTagBegin.size());
  const bool hex = tag.size() >= kHexDigits &&
                   check_digest(fmt::format("{}{}", kSha256, tag.substr(0, kHexDigits)), "a tag");
  return hex && (tag.size() == kHexDigits || tag[kHexDigits] == '.');
}

bool says_not_there(const RegistryReply& reply) {
  return reply.failure == 0 && std::ranges::find(kNotThere, reply.status) != std::end(kNotThere);
}

Result<HangingThings> what_hangs(const RegistryName& place, const std::vector<std::string>& digests,
                                 RegistryClient& client) {
  std::vector<RegistryWish> wishes;
  std::vector<std::string_view> known;  // what a fine answer stands for; empty: a list
  const auto ask = [&](RegistryMethod method, std::string path, std::string_view what) {
    wishes.push_back({method, place.host, place.repository, std::move(path)});
    known.push_back(what);
  };
  for (const std::string& digest : digests) {
    ask(RegistryMethod::kGet, "referrers/" + digest, {});
    ask(RegistryMethod::kGet, "manifests/" + referrers_tag(digest), {});
    for (const CosignTag& tag : kCosignTags)
      ask(RegistryMethod::kHead, fmt::format("manifests/{}{}", referrers_tag(digest), tag.ending),
          tag.what);
  }
  HangingThings out;
  TRY(const auto replies, client.ask(wishes));
  for (std::size_t i = 0; i < replies.size(); ++i) {
    const RegistryReply& reply = replies[i];
    if (!reply.fine()) {
      if (!says_not_there(reply) && out.failure.empty()) out.failure = why(reply, place.host);
    } else if (known[i].empty()) {
      add_list(reply, out);
    } else {
      out.kinds.emplace_back(known[i]);
    }
  }
  return out;
}

}  // namespace flense::image

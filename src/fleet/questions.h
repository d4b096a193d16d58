// What a survey asks registries: manifests, digests and lists of tags, many at a time.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "base/result.h"
#include "image/registry/client.h"

namespace flense::fleet {

/// By RegistryName::text().
using Replies = std::map<std::string, image::RegistryReply>;

/// The manifests of these tags and digests, or why not.
Result<Replies> read_manifests(const std::vector<image::RegistryName>& names,
                               image::RegistryClient& client);
/// What these show now. Where a question for the head is not answered, tells no digest, or says
/// that there is nothing, the whole is asked for.
Result<Replies> ask_digests(const std::vector<image::RegistryName>& names,
                            image::RegistryClient& client);

struct TagList {
  std::vector<std::string> tags;
  std::string failure;  ///< empty: these are all
};
/// Of the repositories of these names, by "HOST/REPOSITORY".
Result<std::map<std::string, TagList>> list_tags(const std::vector<image::RegistryName>& wanted,
                                                 image::RegistryClient& client);

/// "HOST/REPOSITORY" of those that list their tags.
Result<std::set<std::string>> places_shown(const std::vector<image::RegistryName>& wanted,
                                           image::RegistryClient& client);

/// Whether the registry says in the protocol's own words, and in no others, that there is no such
/// thing.
bool says_unknown(const image::RegistryReply& reply);

}  // namespace flense::fleet

// What a registry asks for before it answers: the header WWW-Authenticate (RFC 9110, 11.6.1) and
// the token that its realm gives.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace flense::image {

struct Challenge {
  bool bearer = false;  ///< else Basic: name and password
  std::string realm, service;
};
/// The first challenge of the header; nullopt where it is neither of the two, or no header.
std::optional<Challenge> parse_challenge(std::string_view header);

/// Where a token for the repository is to be had; `actions` is "pull" or "pull,push,delete". Bad
/// input where the realm is no address that is asked.
Result<std::string> token_url(const Challenge& challenge, std::string_view repository,
                              std::string_view actions);

/// The token in what the realm answers.
Result<std::string> parse_token(std::string_view body);

}  // namespace flense::image

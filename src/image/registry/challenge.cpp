#include "image/registry/challenge.h"

#include <algorithm>

#include "base/ascii.h"
#include "image/registry/curl.h"
#include "image/sources/http.h"
#include "text/json.h"

namespace flense::image {

namespace {

constexpr std::size_t kMostHeader = 16384;
constexpr std::size_t kMostToken = 65536;

bool is_token_char(char c) {
  return is_alphanumeric(c) ||
         std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos;
}

std::string_view take_word(std::string_view& text) {
  const auto end = std::ranges::find_if_not(text, is_token_char);
  const std::string_view out = text.substr(0, static_cast<std::size_t>(end - text.begin()));
  text.remove_prefix(out.size());
  return out;
}

void skip(std::string_view& text, std::string_view what) {
  text.remove_prefix(std::min(text.find_first_not_of(what), text.size()));
}

/// A word, or what stands between quotation marks; nullopt where they are not closed.
std::optional<std::string> take_value(std::string_view& text) {
  if (!text.starts_with('"')) return std::string(take_word(text));
  std::string out;
  for (std::size_t i = 1; i < text.size(); ++i) {
    if (text[i] == '"') {
      text.remove_prefix(i + 1);
      return out;
    }
    if (text[i] == '\\' && i + 1 < text.size()) ++i;
    out += text[i];
  }
  return std::nullopt;
}

}  // namespace

std::optional<Challenge> parse_challenge(std::string_view header) {
  if (header.size() > kMostHeader) return std::nullopt;
  skip(header, " \t,");
  const std::string_view scheme = take_word(header);
  Challenge out;
  out.bearer = same_text(scheme, "bearer");
  if (!out.bearer && !same_text(scheme, "basic")) return std::nullopt;
  while (true) {
    skip(header, " \t,");
    const std::string_view name = take_word(header);
    skip(header, " \t");
    // What is no parameter begins the next challenge.
    if (name.empty() || !header.starts_with('=')) break;
    header.remove_prefix(1);
    skip(header, " \t");
    auto value = take_value(header);
    if (!value) return std::nullopt;
    if (same_text(name, "realm"))
      out.realm = *std::move(value);
    else if (same_text(name, "service"))
      out.service = *std::move(value);
  }
  return out;
}

Result<std::string> token_url(const Challenge& challenge, std::string_view repository,
                              std::string_view actions) {
  std::string out = challenge.realm;
  out += out.find('?') == std::string::npos ? '?' : '&';
  if (!challenge.service.empty())
    out += fmt::format("service={}&", percent_encode(challenge.service));
  out += fmt::format("scope=repository:{}:{}", repository, actions);
  if (!is_fit_url(out))
    return bad_input("it sends us for a token to \"{}\", which is no https address",
                     challenge.realm);
  return out;
}

Result<std::string> parse_token(std::string_view body) {
  TRY(const text::Json answer, text::parse_json(body, "the answer with the token"));
  std::string_view token = answer["token"].text();
  if (token.empty()) token = answer["access_token"].text();
  if (token.empty() || token.size() > kMostToken ||
      !std::ranges::all_of(token, [](char c) { return c > ' ' && c < 0x7f; }))
    return bad_input("the answer holds no token");
  return std::string(token);
}

}  // namespace flense::image

// What registries and curl say: every text is read or refused, and nothing leads to another address
// than may be asked.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "fleet/prune.h"
#include "fleet/questions.h"
#include "image/registry/challenge.h"
#include "image/registry/client.h"
#include "image/registry/curl.h"
#include "image/registry/link.h"
#include "image/registry/logins.h"

namespace {

using namespace flense;

void expect(bool condition) {
  if (!condition) std::abort();
}

void check_link(std::string_view link) {
  const auto next = image::next_part(link, "app");
  expect(!next || next->empty() ||
         (next->starts_with("tags/list?") && image::is_fit_url("https://r.example/" + *next)));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  if (const auto challenge = image::parse_challenge(text))
    if (const auto url = image::token_url(*challenge, "app", "pull")) {
      expect(image::is_fit_url(*url));
      // It is one line of what curl reads.
      const auto config =
          image::curl_config(image::lane_words({{.url = *url}}), image::RegistryRights{}, "m");
      expect(config && config->starts_with("url = \"" + *url + "\"\n"));
    }
  static_cast<void>(image::parse_token(text));
  expect(image::login_in(text, "r.example/app").find('\n') == std::string::npos);
  image::ReplyReader reader("m");
  std::vector<image::RegistryReply> replies;
  const std::size_t half = size / 2;
  if (reader.take(as_bytes(std::string_view(text).substr(0, half)), replies))
    static_cast<void>(reader.take(as_bytes(std::string_view(text).substr(half)), replies));
  for (image::RegistryReply& reply : replies) {
    expect(reply.failure >= 0 && !image::why(reply, "r.example").empty());
    expect(image::manifest_digest(reply).size() <= 71);
    static_cast<void>(fleet::says_unknown(reply));
    check_link(reply.link);
  }
  check_link(text);
  static_cast<void>(fleet::index_without(text, {"sha256:" + std::string(64, '1')}));
  return 0;
}

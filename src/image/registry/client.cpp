#include "image/registry/client.h"

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <set>

#include "base/ascii.h"
#include "base/printable.h"
#include "codec/sha256.h"
#include "image/model/model.h"
#include "image/model/reference.h"
#include "image/sources/http.h"
#include "text/json.h"

namespace flense::image {

namespace {

// Exit statuses of curl(1).
constexpr int kNoSuchHost = 6, kNotReached = 7, kCutOff = 18, kTimeOut = 28, kNoTls = 35,
              kNothingCame = 52, kUntrusted = 60, kTooLarge = 63;
constexpr int kMostFailures = 3;
constexpr int kUnauthorized = 401, kForbidden = 403, kTooMany = 429;
constexpr int kPollMilliseconds = 200;
constexpr std::array<std::string_view, 4> kManifestTypes = {
    kOciIndexType, kOciManifestType, "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.docker.distribution.manifest.v2+json"};

std::string base_of(const std::string& host, bool plain) {
  return fmt::format("{}://{}", plain ? "http" : "https", host_of_registry(host));
}

struct Lane {
  UniqueFd from;
  ReplyReader reader;
  std::vector<std::size_t> questions;
  std::size_t answered = 0;
};

/// Reads once. False at the end of what the lane has to say.
Result<bool> read_lane(Lane& lane, std::vector<RegistryReply>& out) {
  std::array<std::byte, 65536> buffer;
  const ssize_t got = ::read(lane.from.get(), buffer.data(), buffer.size());
  if (got < 0 && errno == EINTR) return true;
  if (got < 0) return system_error(errno, "reading from curl");
  if (got == 0) return false;
  TRY_DO(lane.reader.take(Bytes(buffer.data(), static_cast<std::size_t>(got)), out));
  return true;
}

}  // namespace

std::string RegistryName::text() const {
  std::string out = place();
  if (!tag.empty()) out += ":" + tag;
  if (!digest.empty()) out += "@" + digest;
  return out;
}

std::optional<RegistryName> parse_registry_name(std::string_view text) {
  constexpr std::string_view kTransport = "docker://";
  if (text.starts_with(kTransport)) text.remove_prefix(kTransport.size());
  const auto full = normalise_reference(text);
  if (!full) return std::nullopt;
  RegistryName out;
  std::string_view rest = *full;
  if (const auto at = rest.find('@'); at != std::string_view::npos) {
    out.digest = rest.substr(at + 1);
    rest = rest.substr(0, at);
  }
  const std::size_t slash = rest.find('/');
  out.host = rest.substr(0, slash);
  rest.remove_prefix(slash + 1);
  const std::size_t colon = rest.find(':');
  out.repository = rest.substr(0, colon);
  if (colon != std::string_view::npos) out.tag = rest.substr(colon + 1);
  // normalise_reference() has added a tag where there was none.
  const std::string_view last = text.substr(text.rfind('/') + 1);
  if (last.find(':') == std::string_view::npos) out.tag.clear();
  return out;
}

Result<void> RegistryClient::run_lanes(const std::vector<Asked>& asked,
                                       const std::vector<std::size_t>& pending,
                                       std::vector<RegistryReply>& replies) {
  std::vector<Lane> lanes;
  for (std::size_t i = 0; i < std::min(kRegistryLanes, pending.size()); ++i) {
    std::vector<RegistryQuestion> questions;
    std::vector<std::size_t> numbers;
    for (std::size_t at = i; at < pending.size(); at += kRegistryLanes) {
      numbers.push_back(pending[at]);
      questions.push_back(asked[pending[at]].question);
    }
    TRY(guard::Answer started, service_(lane_words(questions)));
    lanes.push_back(
        {std::move(started.fd), ReplyReader(std::move(started.text)), std::move(numbers)});
  }
  bool refused = false;
  while (!refused && !lanes.empty()) {
    std::vector<pollfd> fds;
    for (const Lane& lane : lanes) fds.push_back({lane.from.get(), POLLIN, 0});
    if (::poll(fds.data(), fds.size(), kPollMilliseconds) < 0 && errno != EINTR)
      return system_error(errno, "cannot wait for curl");
    if (progress_ != nullptr) TRY_DO(progress_->add(0));
    for (std::size_t i = lanes.size(); i-- > 0;) {
      if (fds[i].revents == 0) continue;
      Lane& lane = lanes[i];
      std::vector<RegistryReply> found;
      const auto more = read_lane(lane, found);
      for (RegistryReply& reply : found) {
        if (lane.answered == lane.questions.size())
          return fail(Code::kEnvironment, "curl answers what it was not asked");
        refused = refused || reply.status == kTooMany;
        replies[lane.questions[lane.answered++]] = std::move(reply);
      }
      if (more && *more) continue;
      // Too much: the question is answered, and the others of the lane come again.
      if (!more && lane.answered < lane.questions.size()) {
        if (more.error().code != Code::kBadInput) return std::unexpected(more.error());
        replies[lane.questions[lane.answered]].failure = kTooLarge;
      }
      lanes.erase(lanes.begin() + static_cast<std::ptrdiff_t>(i));
    }
  }
  return {};
}

Result<std::vector<RegistryReply>> RegistryClient::exchange(const std::vector<Asked>& asked) {
  std::vector<RegistryReply> replies(asked.size());
  std::vector<std::size_t> pending;
  for (std::size_t i = 0; i < asked.size(); ++i) pending.push_back(i);
  while (true) {
    std::erase_if(pending, [&](std::size_t i) {
      const Host& host = hosts_[asked[i].host];
      if (host.closed.empty()) return false;
      replies[i].error = host.closed;
      return true;
    });
    if (pending.empty()) return replies;
    const Result<void> ran = run_lanes(asked, pending, replies);
    TRY_DO(service_({"stop"}));
    TRY_DO(ran);
    const std::size_t before = pending.size();
    std::erase_if(pending, [&](std::size_t i) {
      const RegistryReply& reply = replies[i];
      if (reply.failure == RegistryReply::kNotAsked) return false;
      Host& host = hosts_[asked[i].host];
      const bool lost = reply.failure > 0 && reply.failure != kTooLarge;
      if (lost && (++host.failures >= kMostFailures || reply.failure == kTimeOut))
        host.closed = why(reply, asked[i].server.empty() ? asked[i].host : asked[i].server);
      if (reply.status == kTooMany) host.closed = why(reply, asked[i].host);
      return true;
    });
    if (pending.size() == before)
      return fail(Code::kEnvironment, "curl ended before it had asked anything");
  }
}

Result<void> RegistryClient::meet(const std::vector<RegistryWish>& wishes) {
  std::vector<Asked> asked;
  for (const RegistryWish& wish : wishes)
    if (hosts_.try_emplace(wish.host).second)
      asked.push_back({wish.host, {.url = base_of(wish.host, false) + "/v2/"}});
  const auto learn = [&](const std::vector<RegistryReply>& replies) {
    std::vector<Asked> again;
    for (std::size_t i = 0; i < asked.size(); ++i) {
      Host& host = hosts_[asked[i].host];
      const RegistryReply& reply = replies[i];
      const bool plain = asked[i].question.url.starts_with("http:");
      host.base = base_of(asked[i].host, plain);
      host.failures = 0;
      if (reply.failure == kNoTls && !plain && is_local_registry(asked[i].host)) {
        again.push_back({asked[i].host, {.url = base_of(asked[i].host, true) + "/v2/"}});
      } else if (reply.failure != 0) {
        host.closed = why(reply, asked[i].host);
      } else if (reply.status == kUnauthorized) {
        host.challenge = parse_challenge(reply.challenge);
      }
    }
    return again;
  };
  TRY(const std::vector<RegistryReply> first, exchange(asked));
  asked = learn(first);
  TRY(const std::vector<RegistryReply> second, exchange(asked));
  learn(second);
  return {};
}

Result<void> RegistryClient::fetch_tokens(const std::vector<RegistryWish>& wishes) {
  std::vector<Asked> asked;
  std::vector<std::string> places;
  std::set<std::string> known;
  for (const RegistryWish& wish : wishes) {
    const std::string place = wish.place();
    Host& host = hosts_[wish.host];
    if (!host.closed.empty() || !host.challenge || !host.challenge->bearer ||
        tokens_.contains(place) || !known.insert(place).second)
      continue;
    const auto url = token_url(*host.challenge, wish.repository, actions_);
    if (!url) {
      host.closed = fmt::format("{}: {}", wish.host, url.error().message);
      continue;
    }
    const std::size_t begin = url->find("://") + 3;
    asked.push_back({wish.host,
                     {.url = *url, .login = place},
                     url->substr(begin, url->find('/', begin) - begin)});
    places.push_back(place);
  }
  TRY(const std::vector<RegistryReply> replies, exchange(asked));
  for (std::size_t i = 0; i < asked.size(); ++i) {
    // Who gets no token is told so by the registry, but where there was nobody to ask.
    if (replies[i].failure != 0)
      tokenless_[places[i]] = fmt::format("{} sends us for a token to where none is had: {}",
                                          asked[i].host, why(replies[i], asked[i].server));
    if (!replies[i].fine()) continue;
    if (auto token = parse_token(replies[i].body))
      tokens_[places[i]] = {*std::move(token), replies[i].with_login};
  }
  return {};
}

Result<std::vector<RegistryReply>> RegistryClient::ask_once(
    const std::vector<RegistryWish>& wishes) {
  TRY_DO(meet(wishes));
  TRY_DO(fetch_tokens(wishes));
  std::vector<Asked> asked;
  for (const RegistryWish& wish : wishes) {
    const Host& host = hosts_[wish.host];
    const std::string place = wish.place();
    RegistryQuestion question{
        .method = wish.method,
        .url = fmt::format("{}/v2/{}/{}", host.base, wish.repository, wish.path),
        .body = wish.body};
    if (const auto token = tokens_.find(place); token != tokens_.end())
      question.token = token->second.text;
    else if (host.challenge && !host.challenge->bearer)
      question.login = place;
    asked.push_back({wish.host, std::move(question)});
  }
  TRY(std::vector<RegistryReply> out, exchange(asked));
  for (std::size_t i = 0; i < out.size(); ++i) {
    if (!asked[i].question.token.empty()) {
      out[i].with_login = tokens_.at(wishes[i].place()).with_login;
    } else if (const auto lost = tokenless_.find(wishes[i].place());
               lost != tokenless_.end() && out[i].status == kUnauthorized) {
      out[i].failure = RegistryReply::kNotAsked;
      out[i].error = lost->second;
    }
  }
  return out;
}

Result<std::vector<RegistryReply>> RegistryClient::ask(const std::vector<RegistryWish>& wishes) {
  TRY(std::vector<RegistryReply> replies, ask_once(wishes));
  std::vector<RegistryWish> again;
  std::vector<std::size_t> numbers;
  std::set<std::string> known;
  for (std::size_t i = 0; i < wishes.size(); ++i) {
    if (replies[i].status != kUnauthorized) continue;
    // A token may have grown old meanwhile; some ask for one at single repositories alone.
    const std::string place = wishes[i].place();
    Host& host = hosts_[wishes[i].host];
    if (tokens_.erase(place) > 0 || !host.challenge) known.insert(place);
    if (!host.challenge) host.challenge = parse_challenge(replies[i].challenge);
    if (!host.challenge || !known.contains(place)) continue;
    again.push_back(wishes[i]);
    numbers.push_back(i);
  }
  if (again.empty()) return replies;
  TRY(std::vector<RegistryReply> later, ask_once(again));
  for (std::size_t i = 0; i < later.size(); ++i) replies[numbers[i]] = std::move(later[i]);
  return replies;
}

std::string why(const RegistryReply& reply, const std::string& host) {
  switch (reply.failure) {
    case 0:
      break;
    case RegistryReply::kNotAsked:
      return reply.error;
    case kNoSuchHost:
      return fmt::format("there is no host {}", host);
    case kNotReached:
      return fmt::format("nothing listens at {}", host);
    case kCutOff:
    case kNothingCame:
      return fmt::format("{} broke off its answer", host);
    case kTimeOut:
      return fmt::format("{} did not answer in time", host);
    case kUntrusted:
      return fmt::format("the certificate of {} is not trusted here", host);
    case kTooLarge:
      return fmt::format("{} sends more than {} bytes", host, kMostReply);
    default:
      return fmt::format("{}: {}", host,
                         reply.error.empty() ? fmt::format("curl ended with {}", reply.failure)
                                             : printable(reply.error));
  }
  switch (reply.status) {
    case kUnauthorized:
      return fmt::format("{} asks for a login, or does not take the one it got", host);
    case kForbidden:
      return fmt::format("{} does not allow it", host);
    case kTooMany:
      return fmt::format("{} takes no more requests for now", host);
    default:
      return fmt::format("{} answers with status {}", host, reply.status);
  }
}

bool is_manifest(const RegistryReply& reply) {
  const auto known = [](std::string_view type) {
    return is_one_of(to_lower(trim(type.substr(0, type.find(';')))), kManifestTypes);
  };
  if (!reply.fine()) return false;
  if (reply.body.empty()) return known(reply.type);
  const auto json = text::parse_json(reply.body, "the answer");
  return json && (known(reply.type) || known((*json)["mediaType"].text())) &&
         (*json)["schemaVersion"].integer_or(0) == 2 &&
         ((*json)["manifests"].is_array() ||
          ((*json)["config"].is_object() && (*json)["layers"].is_array()));
}

std::string manifest_digest(const RegistryReply& reply) {
  if (!is_manifest(reply)) return {};
  const bool told = check_digest(reply.digest, "the header").has_value();
  if (reply.body.empty()) return told ? reply.digest : std::string();
  const std::string own = codec::sha256_digest(as_bytes(reply.body));
  return told && own != reply.digest ? std::string() : own;
}

std::string why_no_digest(const RegistryReply& reply, const std::string& host) {
  if (!reply.fine()) return why(reply, host);
  return fmt::format("{} sends {}", host,
                     is_manifest(reply) ? "another manifest than it says" : "no manifest");
}

}  // namespace flense::image

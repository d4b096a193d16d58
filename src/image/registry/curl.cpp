#include "image/registry/curl.h"

#include <sys/mman.h>
#include <sys/random.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <memory>
#include <optional>
#include <span>

#include "base/ascii.h"
#include "base/file.h"
#include "base/process.h"
#include "base/version.h"
#include "image/model/model.h"
#include "image/model/reference.h"
#include "text/json.h"

namespace flense::image {

namespace {

constexpr std::size_t kWordsOfQuestion = 5;
constexpr std::array<std::string_view, 4> kMethods = {"GET", "HEAD", "PUT", "DELETE"};
constexpr std::size_t kMostUrl = 8192;
/// curl takes no longer line.
constexpr std::size_t kMostLine = 90'000;
/// Headers of one answer, of which curl takes 100 KiB each.
constexpr std::size_t kMostHead = 1u << 20;
constexpr std::string_view kAccept =
    "application/vnd.oci.image.index.v1+json, "
    "application/vnd.docker.distribution.manifest.list.v2+json, "
    "application/vnd.oci.image.manifest.v1+json, "
    "application/vnd.docker.distribution.manifest.v2+json";

Result<std::string> fresh_mark() {
  std::array<unsigned char, 16> secret{};
  if (::getrandom(secret.data(), secret.size(), 0) != static_cast<ssize_t>(secret.size()))
    return system_error(errno, "cannot draw a random number");
  std::string out;
  for (const unsigned char byte : secret) out += fmt::format("{:02x}", byte);
  return out;
}

/// As the files of curl want it.
std::string config_word(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out + '"';
}

bool is_printable(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return c > ' ' && c < 0x7f; });
}

Failure refused(std::string_view what) {
  return fail(Code::kInternal, "the sandbox does not allow to ask {}", what);
}

struct Place {
  std::string_view host, path;  ///< the path with its slash
};

Place place_of(std::string_view url) {
  url.remove_prefix(url.find("://") + 3);
  const std::size_t slash = std::min(url.find('/'), url.size());
  return {url.substr(0, slash), url.substr(slash)};
}

bool may_write(std::string_view url, const RegistryRights& rights) {
  const Place place = place_of(url);
  return std::ranges::any_of(rights.writable, [&](const std::string& repository) {
    const std::string host = repository.substr(0, repository.find('/'));
    const std::string before = fmt::format("/v2{}/manifests/", repository.substr(host.size()));
    return place.host == host_of_registry(host) && place.path.starts_with(before) &&
           place.path.find_first_of("/?", before.size()) == std::string_view::npos;
  });
}

/// Where a registry answers, or what it names for tokens; by the words of one question.
Result<std::string> config_of(std::span<const std::string> words, const RegistryRights& rights,
                              const std::string& mark) {
  const std::string &method = words[0], &url = words[1], &token = words[2], &login = words[3],
                    &body = words[4];
  if (!is_one_of(method, kMethods) || !is_fit_url(url) || !is_printable(token)) return refused(url);
  const bool writes = method == "PUT" || method == "DELETE";
  if (writes && !may_write(url, rights)) return refused(url);
  const Place place = place_of(url);
  const bool local = is_local_registry(place.host);
  std::string out;
  const auto set = [&](std::string_view option, std::string_view value) {
    out += fmt::format("{} = {}\n", option, config_word(value));
  };
  set("url", url);
  out += "globoff\npath-as-is\nsilent\n";
  set("proto", url.starts_with("https") ? "=https" : "=http");
  set("user-agent", fmt::format("flense/{}", kVersion));
  out += fmt::format("max-time = {}\nconnect-timeout = {}\nmax-filesize = {}\n",
                     rights.patience.count(), rights.patience.count(), kMostReply);
  if (local) set("noproxy", "*");
  if (rights.authority)
    if (const std::string file = rights.authority(std::string(place.host)); !file.empty())
      set("cacert", file);
  if (place.path.find("/manifests/") != std::string_view::npos)
    set("header", fmt::format("Accept: {}", kAccept));
  if (!token.empty()) set("header", "Authorization: Bearer " + token);
  bool with_login = false;
  if (!login.empty() && rights.login)
    if (const std::string kept = rights.login(login); !kept.empty() && is_printable(kept)) {
      set("header", "Authorization: Basic " + kept);
      with_login = true;
    }
  if (method == "HEAD") {
    out += "head\noutput = \"/dev/null\"\n";
  } else if (writes) {
    set("request", method);
  }
  if (method == "PUT") {
    const bool plain = std::ranges::all_of(body, [](char c) { return c >= ' ' || c == '\t'; });
    if (!plain || config_word(body).size() > kMostLine)
      return fail(Code::kEnvironment, "an index of {} bytes cannot be written through curl",
                  body.size());
    set("header", fmt::format("Content-Type: {}", kOciIndexType));
    set("data-raw", body);
  }
  // "%" and "\" mean something here, and no word of others is among them.
  out += fmt::format(
      "write-out = \"\\n{0}<%{{exitcode}} %{{http_code}} {1}\\n%header{{docker-content-digest}}\\n"
      "%header{{content-type}}\\n%header{{www-authenticate}}\\n%{{errormsg}}\\n%{{header_json}}\\n"
      "{0}>\\n\"\n",
      mark, with_login ? 1 : 0);
  return out;
}

Result<UniqueFd> in_memory(std::string_view text) {
  UniqueFd out(::memfd_create("curl", MFD_CLOEXEC));
  if (!out) return system_error(errno, "cannot create an in-memory file");
  TRY_DO(write_fully(out.get(), as_bytes(text), "to an in-memory file"));
  if (::lseek(out.get(), 0, SEEK_SET) != 0) return system_error(errno, "cannot rewind a file");
  return out;
}

class Curl {
 public:
  explicit Curl(RegistryRights rights) : rights_(std::move(rights)) {}

  Result<guard::Answer> answer(const std::vector<std::string>& words) {
    if (words.size() == 1 && words[0] == "stop") {
      lanes_.clear();
      return guard::Answer{};
    }
    if (lanes_.size() >= kRegistryLanes) return refused("more at a time");
    TRY(const std::string mark, fresh_mark());
    TRY(const std::string config, curl_config(words, rights_, mark));
    const auto program = find_program("curl");
    if (!program)
      return fail(Code::kEnvironment,
                  "curl is not installed; it is needed to ask registries for tags")
          .hint("install curl 7.84 or later");
    TRY(const UniqueFd input, in_memory(config));
    ChildProcess::Options options;
    options.pipe_stdout = true;
    options.stdin_fd = input.get();
    // First -q: no file of the user's changes what is asked.
    TRY(auto child, ChildProcess::start({*program, "-q", "--fail-early", "-K", "-"}, options));
    TRY(auto ends, child->hand_over());
    lanes_.push_back(std::move(child));
    return guard::Answer{mark, std::move(ends[0])};
  }

 private:
  RegistryRights rights_;
  std::vector<std::unique_ptr<ChildProcess>> lanes_;
};

/// Of %header{link} curl gives the first alone.
std::string links_in(std::string_view headers) {
  const auto json = text::parse_json(headers, "the headers");
  // What cannot be read is no header that is not there.
  if (!json) return "?";
  std::string out;
  for (const text::Json& one : (*json)["link"].items())
    out += fmt::format("{}{}", out.empty() ? "" : ", ", one.text());
  return out;
}

/// The next line of `text`, whose beginning it takes.
std::string next_line(std::string_view& text) {
  const std::size_t end = std::min(text.find('\n'), text.size());
  std::string out(text.substr(0, end));
  text.remove_prefix(std::min(end + 1, text.size()));
  return out;
}

Result<RegistryReply> read_head(std::string_view text) {
  RegistryReply out;
  const std::string numbers = next_line(text);
  const char* const end = numbers.data() + numbers.size();
  const auto first = std::from_chars(numbers.data(), end, out.failure);
  if (first.ec != std::errc() || first.ptr == end || out.failure < 0 ||
      std::from_chars(first.ptr + 1, end, out.status).ec != std::errc())
    return fail(Code::kEnvironment, "curl does not tell what was answered");
  out.with_login = numbers.ends_with(" 1");
  out.digest = next_line(text);
  out.type = next_line(text);
  out.challenge = next_line(text);
  out.error = next_line(text);
  if (out.type.starts_with("%header{"))
    return fail(Code::kEnvironment, "curl is too old to ask registries")
        .hint("install curl 7.84 or later");
  out.link = links_in(text);
  return out;
}

}  // namespace

std::string host_of_registry(const std::string& host) {
  return host == "docker.io" ? "registry-1.docker.io" : host;
}

bool is_fit_url(std::string_view url) {
  constexpr std::string_view kMarks = "-._~/:?&=%+,[]";
  constexpr std::string_view kSecure = "https://", kPlain = "http://";
  if (url.size() > kMostUrl || !(url.starts_with(kSecure) || url.starts_with(kPlain))) return false;
  const Place place = place_of(url);
  return !place.host.empty() && (url.starts_with(kSecure) || is_local_registry(place.host)) &&
         place.host.find_first_of("?&=%+,~") == std::string_view::npos &&
         std::ranges::all_of(url, [&](char c) {
           return is_alphanumeric(c) || kMarks.find(c) != std::string_view::npos;
         });
}

std::vector<std::string> lane_words(const std::vector<RegistryQuestion>& questions) {
  std::vector<std::string> out = {"ask"};
  for (const RegistryQuestion& one : questions)
    for (const std::string& word : {std::string(kMethods[static_cast<std::size_t>(one.method)]),
                                    one.url, one.token, one.login, one.body})
      out.push_back(word);
  return out;
}

Result<std::string> curl_config(const std::vector<std::string>& words, const RegistryRights& rights,
                                const std::string& mark) {
  if (words.size() < 1 + kWordsOfQuestion || words.front() != "ask" ||
      (words.size() - 1) % kWordsOfQuestion != 0)
    return refused("so");
  std::string out;
  for (std::size_t at = 1; at < words.size(); at += kWordsOfQuestion) {
    if (at > 1) out += "next\n";
    TRY(const std::string one,
        config_of(std::span(words).subspan(at, kWordsOfQuestion), rights, mark));
    out += one;
  }
  return out;
}

RegistryService curl_service(RegistryRights rights) {
  return [curl = std::make_shared<Curl>(std::move(rights))](const std::vector<std::string>& words) {
    return curl->answer(words);
  };
}

Result<void> ReplyReader::take(Bytes bytes, std::vector<RegistryReply>& out) {
  text_ += as_text(bytes);
  const std::string begin = "\n" + mark_ + "<", end = "\n" + mark_ + ">\n";
  std::size_t at = 0;  // where the next reply begins
  while (true) {
    const std::size_t head = text_.find(begin, std::max(at, seen_));
    const std::size_t tail =
        head == std::string::npos ? head : text_.find(end, head + begin.size() - 1);
    if (head == std::string::npos || tail == std::string::npos) {
      if (text_.size() - at > kMostReply + kMostHead)
        return bad_input("a registry sends more than {} bytes", kMostReply);
      // A mark may be there in part.
      seen_ = std::max(at, head != std::string::npos
                               ? head
                               : text_.size() - std::min(text_.size(), begin.size()));
      text_.erase(0, at);
      seen_ -= at;
      return {};
    }
    if (head - at > kMostReply) return bad_input("a registry sends more than {} bytes", kMostReply);
    const std::size_t from = std::min(head + begin.size(), tail);
    TRY(RegistryReply reply, read_head(std::string_view(text_).substr(from, tail - from)));
    reply.body = text_.substr(at, head - at);
    out.push_back(std::move(reply));
    at = seen_ = tail + end.size();
  }
}

}  // namespace flense::image

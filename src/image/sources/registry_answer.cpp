#include "image/sources/registry_answer.h"

#include <array>

namespace flense::image {

namespace {

/// What a program said last: the message of a log line time="…" level=fatal msg="…", else the line.
std::string last_message(std::string_view text) {
  const auto last = text.rfind("msg=\"");
  if (last == std::string_view::npos) {
    while (!text.empty() && text.back() == '\n') text.remove_suffix(1);
    return std::string(text.substr(text.rfind('\n') + 1));
  }
  std::string out;
  for (std::size_t i = last + 5; i < text.size() && text[i] != '"'; ++i) {
    if (text[i] == '\\' && i + 1 < text.size()) ++i;
    out += text[i];
  }
  return out;
}

/// The parts of "docker://HOST/PATH:TAG" or "containers-storage:NAME".
struct Asked {
  std::string host;   ///< empty: Podman's storage
  std::string image;  ///< HOST/PATH:TAG
  std::string repository;
};

Asked asked_of(std::string_view name) {
  constexpr std::string_view kRegistry = "docker://";
  if (!name.starts_with(kRegistry)) {
    return {{}, std::string(name.substr(name.find(':') + 1)), {}};
  }
  name.remove_prefix(kRegistry.size());
  Asked out{std::string(name.substr(0, name.find('/'))), std::string(name), {}};
  std::string_view repository = name.substr(0, name.find('@'));
  const auto colon = repository.rfind(':');
  if (colon != std::string_view::npos && colon > repository.rfind('/'))
    repository = repository.substr(0, colon);
  out.repository = repository;
  return out;
}

/// In `sentence` and `hint`, {0} is the host, {1} the image and {2} the repository. An image's name
/// holds no spaces, so no name looks like one of the needles.
struct Known {
  std::string_view needle;
  std::string_view sentence;
  std::string_view hint;
};

constexpr std::string_view kTags =
    "look at the name; \"skopeo list-tags docker://{2}\" lists the tags that there are";
constexpr std::string_view kLogin =
    "\"skopeo login {0}\" keeps a name and a password; a password that is kept may be wrong";
constexpr std::string_view kDenied = "{0} does not allow access to {1}";
constexpr std::string_view kOwnAuthority =
    "put the certificate of your authority at /etc/containers/certs.d/{0}/ca.crt";
constexpr std::string_view kLater = "log in with \"skopeo login {0}\", or try again later";

constexpr std::string_view kTooBig =
    "{0}, or a proxy before it, takes nothing of that size (status 413)";
constexpr std::string_view kBigger = "raise its limit for the size of requests";

constexpr auto kKnown = std::to_array<Known>({
    {"manifest unknown", "{0} has no image {1}", kTags},
    {"name unknown", "{0} has no repository {2}", "look at the name of the image"},
    {"unauthorized: ", "{0} asks for a login, or does not take the one it got, for {1}", kLogin},
    {"invalid username/password", "{0} does not take the name and the password for {1}", kLogin},
    {"authentication required", "{0} asks for a login for {1}", kLogin},
    {"access to the resource is denied", "{1} does not exist, or {0} does not show it to you",
     "look at the name; of a private image \"skopeo login {0}\" comes first"},
    {"denied: ", kDenied, kLogin},
    {"403 (Forbidden)", kDenied, kLogin},
    {"toomanyrequests", "{0} takes no more requests for now", kLater},
    {"too many requests", "{0} takes no more requests for now", kLater},
    {"429 Too Many", "{0} takes no more requests for now", kLater},
    {"StatusCode: 429", "{0} takes no more requests for now", kLater},
    {"413 Request Entity", kTooBig, kBigger},
    {"StatusCode: 413", kTooBig, kBigger},
    {"connection refused", "nothing listens at {0} (connection refused)",
     "look at the name and the port; is the registry running?"},
    {"no such host", "there is no host {0}", "look at the name, and at the DNS of this machine"},
    {"server misbehaving", "the DNS of this machine does not answer for {0}",
     "look at /etc/resolv.conf and at the network"},
    {"temporary failure in name resolution", "the DNS of this machine does not answer for {0}",
     "look at /etc/resolv.conf and at the network"},
    {"network is unreachable", "there is no way to {0} (network is unreachable)",
     "look at the network of this machine, and at HTTPS_PROXY"},
    {"no route to host", "there is no way to {0} (no route to host)",
     "look at the network of this machine, and at HTTPS_PROXY"},
    {"server gave HTTP response to HTTPS client", "{0} speaks plain HTTP where HTTPS is expected",
     "if you trust the network, /etc/containers/registries.conf marks the registry "
     "\"insecure = true\""},
    {"certificate signed by unknown authority",
     "the certificate of {0} is signed by no authority that this machine knows", kOwnAuthority},
    {"certificate is not trusted", "the certificate of {0} is not trusted here", kOwnAuthority},
    {"certificate has expired", "the certificate of {0} has expired, or the clock here is wrong",
     "compare `date` with the certificate's times"},
    {"x509: ", "the certificate of {0} is not valid for it", kOwnAuthority},
    {"context deadline exceeded", "{0} does not answer", "try again; look at the network"},
    {"i/o timeout", "{0} does not answer", "try again; look at the network and at HTTPS_PROXY"},
    {"no image found in", "{1} has no image for this platform",
     "--platform OS/ARCH names another one; \"skopeo inspect --raw docker://{1}\" lists them"},
    {"no space left on device", "the disk is full",
     "\"flense cache prune\" frees what pulled images take"},
});

}  // namespace

Failure registry_failure(std::string_view said, std::string_view name) {
  const std::string message = last_message(said);
  const Asked asked = asked_of(name);
  const auto filled = [&](std::string_view text) {
    return fmt::format(fmt::runtime(text), asked.host, asked.image, asked.repository);
  };
  if (!asked.host.empty()) {
    for (const Known& known : kKnown) {
      if (message.find(known.needle) == std::string::npos) continue;
      return fail(Code::kEnvironment, "{}", filled(known.sentence)).hint(filled(known.hint));
    }
  } else if (message.find("does not resolve to an image") != std::string::npos ||
             message.find("identifier is not an image") != std::string::npos) {
    return fail(Code::kEnvironment, "Podman's storage has no image {}", asked.image)
        .hint("\"podman images\" lists those of this user");
  }
  return fail(Code::kEnvironment, "skopeo failed on {}: {}", asked.image,
              message.empty() ? "it did not say why" : message);
}

bool leaves_push_open(std::string_view said) {
  const std::string message = last_message(said);
  const auto has = [&](std::string_view text) { return message.find(text) != std::string::npos; };
  if (has("unauthorized: ")) return false;
  return has("manifest unknown") || has("name unknown") || has("404 (Not Found)") ||
         has("denied: ") || has("access to the resource is denied") || has("403 (Forbidden)");
}

bool says_missing(std::string_view said) {
  const std::string message = last_message(said);
  return message.find("manifest unknown") != std::string::npos ||
         message.find("name unknown") != std::string::npos;
}

bool speaks_plain_http(std::string_view said) {
  return last_message(said).find("server gave HTTP response to HTTPS client") != std::string::npos;
}

Failure registry_silent(std::string_view name, std::chrono::seconds waited) {
  return fail(Code::kEnvironment, "{} did not answer for {} s", asked_of(name).host, waited.count())
      .hint("try again; FLENSE_REGISTRY_TIMEOUT=SECONDS waits longer");
}

}  // namespace flense::image

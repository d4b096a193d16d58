// Registries asked many questions: how a host wants to be spoken to is learnt once, its tokens are
// fetched, and a host that does not answer is let alone.
#pragma once

#include <cstddef>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/progress.h"
#include "base/result.h"
#include "image/registry/challenge.h"
#include "image/registry/curl.h"

namespace flense::image {

/// An image in a registry, as a normalised reference says it.
struct RegistryName {
  std::string host, repository;
  std::string tag, digest;  ///< either or both may be empty
  std::string text() const;
  /// "HOST/REPOSITORY".
  std::string place() const { return host + "/" + repository; }
  bool operator==(const RegistryName&) const = default;
};
/// "docker://HOST/REPO:TAG" or without the transport; unlike elsewhere, no tag is no tag. nullopt
/// for what is no image name.
std::optional<RegistryName> parse_registry_name(std::string_view text);

struct RegistryWish {
  RegistryMethod method = RegistryMethod::kGet;
  std::string host, repository;
  std::string path;  ///< below /v2/REPOSITORY/: "manifests/1"
  std::string body = {};
  std::string place() const { return host + "/" + repository; }
};

class RegistryClient {
 public:
  /// `actions` is what tokens are asked for. `progress` may be null.
  RegistryClient(RegistryService service, std::string actions, Progress* progress)
      : service_(std::move(service)), actions_(std::move(actions)), progress_(progress) {}

  /// A reply for each wish. What goes wrong with one host is in its replies (why()); an error is
  /// what is wrong here.
  Result<std::vector<RegistryReply>> ask(const std::vector<RegistryWish>& wishes);

 private:
  struct Host {
    std::string base;  ///< "https://registry-1.docker.io"
    std::optional<Challenge> challenge;
    std::string closed;  ///< why it is asked nothing more
    int failures = 0;
  };
  struct Token {
    std::string text;
    bool with_login = false;
  };
  struct Asked {
    std::string host;
    RegistryQuestion question;
    std::string server = {};  ///< that answers; empty: the host
  };

  Result<void> meet(const std::vector<RegistryWish>& wishes);
  Result<void> fetch_tokens(const std::vector<RegistryWish>& wishes);
  Result<std::vector<RegistryReply>> ask_once(const std::vector<RegistryWish>& wishes);
  Result<std::vector<RegistryReply>> exchange(const std::vector<Asked>& asked);
  Result<void> run_lanes(const std::vector<Asked>& asked, const std::vector<std::size_t>& pending,
                         std::vector<RegistryReply>& replies);

  RegistryService service_;
  std::string actions_;
  Progress* progress_;
  std::map<std::string, Host> hosts_;
  std::map<std::string, std::string> tokenless_;  ///< why there is none, by the same
  std::map<std::string, Token> tokens_;           ///< by "HOST/REPOSITORY"
};

/// Why a reply is not what was asked for, in one sentence: "REG asks for a login".
std::string why(const RegistryReply& reply, const std::string& host);

/// Whether it is a manifest or an index of a form that is known, and not some page that a server in
/// between sends with a good status.
bool is_manifest(const RegistryReply& reply);

/// The digest of the manifest that was asked for; empty where the registry does not tell, or where
/// what it sent is another one, or none.
std::string manifest_digest(const RegistryReply& reply);
/// Why it is empty.
std::string why_no_digest(const RegistryReply& reply, const std::string& host);

}  // namespace flense::image

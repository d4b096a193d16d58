// Questions to registries through the program curl, which no other file starts. Each lane is one
// curl that asks one question after the other over a connection that stays; what it is asked comes
// on its standard input, so that no secret stands in a command line.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "guard/broker.h"

namespace flense::image {

/// Of the distribution protocol; a registry is asked at most so many questions at a time.
inline constexpr std::size_t kRegistryLanes = 4;
/// The specification asks registries to take manifests of so many bytes, and no more.
inline constexpr std::size_t kMostReply = 4u << 20;

enum class RegistryMethod : std::uint8_t { kGet, kHead, kPut, kDelete };

struct RegistryQuestion {
  RegistryMethod method = RegistryMethod::kGet;
  std::string url = {};    ///< https, or http to this machine
  std::string token = {};  ///< what the registry gave for the repository
  std::string login = {};  ///< "HOST/REPOSITORY": the name and password kept for it go along
  std::string body = {};   ///< of kPut: an index
};

struct RegistryReply {
  static constexpr int kNotAsked = -1;
  int failure = kNotAsked;  ///< curl's exit status; 0: an answer came
  int status = 0;           ///< of HTTP
  bool with_login = false;  ///< a name and a password went along, or a token that they got
  // Headers, as they came.
  std::string digest = {}, type = {}, challenge = {};
  std::string link = {};   ///< all of that name, with commas between them
  std::string error = {};  ///< what curl says of the failure
  std::string body = {};
  bool fine() const { return failure == 0 && status >= 200 && status < 300; }
};

/// {"ask", question…} starts a lane, whose replies come from the descriptor, and gives the mark
/// that stands around each of them; {"stop"} ends all lanes.
using RegistryService = std::function<Result<guard::Answer>(const std::vector<std::string>& words)>;
std::vector<std::string> lane_words(const std::vector<RegistryQuestion>& questions);

struct RegistryRights {
  /// "HOST/REPOSITORY", whose manifests may be put and deleted.
  std::vector<std::string> writable = {};
  std::chrono::seconds patience{60};  ///< with one answer
  /// The base64 text of "NAME:PASSWORD" for "HOST/REPOSITORY"; empty: none is kept.
  std::function<std::string(const std::string& repository)> login = nullptr;
  /// Of the authority that signs a host's certificate; empty: one of the system's.
  std::function<std::string(const std::string& host)> authority = nullptr;
};
/// Asks nothing but registries' endpoints, and writes nothing but manifests of `rights.writable`.
RegistryService curl_service(RegistryRights rights);

/// What curl reads: its options for these questions. Refuses what the service does not do.
Result<std::string> curl_config(const std::vector<std::string>& words, const RegistryRights& rights,
                                const std::string& mark);

/// What a lane writes, piece by piece. The mark was drawn at random: no body can contain it.
class ReplyReader {
 public:
  explicit ReplyReader(std::string mark) : mark_(std::move(mark)) {}
  /// Appends the replies that are complete; bad input where one is larger than may be.
  Result<void> take(Bytes bytes, std::vector<RegistryReply>& out);

 private:
  std::string mark_, text_;
  std::size_t seen_ = 0;  ///< of text_, without a mark
};

/// Where the registry of that name in references answers: Docker's own is elsewhere.
std::string host_of_registry(const std::string& host);

/// https, or http to this machine; nothing that curl or a shell would read in another way.
bool is_fit_url(std::string_view url);

}  // namespace flense::image

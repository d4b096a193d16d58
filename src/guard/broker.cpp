#include "guard/broker.h"

#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <map>
#include <utility>

#include "base/binary_fields.h"

namespace flense::guard {

enum class Kind : std::uint8_t { kStart, kKill, kWait, kWritten, kSave, kAsk };

struct Request {
  Kind kind = Kind::kAsk;
  int pid = 0;
  std::vector<std::string> words;
  std::string text;
};
constexpr std::size_t member_count(const Request*) {
  return 4;
}

struct Reply {
  bool failed = false;
  Code code = Code::kInternal;
  std::string message, hint;
  std::vector<std::string> context;
  std::optional<std::uint64_t> number;
  std::string text;
};
constexpr std::size_t member_count(const Reply*) {
  return 7;
}

namespace {

/// A report to look at is the largest that is written.
constexpr std::uint64_t kMostBytes = 1ULL << 30;
constexpr std::size_t kMostPrograms = 16;
constexpr std::size_t kMostFds = 2;
using Fds = std::array<UniqueFd, kMostFds>;

Failure lost() {
  return fail(Code::kEnvironment, "the process that starts other programs has ended");
}

/// Not write(): where the other side has ended this one would be killed by SIGPIPE.
Result<void> send_bytes(int socket, Bytes bytes) {
  while (!bytes.empty()) {
    iovec part{const_cast<std::byte*>(bytes.data()), bytes.size()};
    msghdr whole{};
    whole.msg_iov = &part;
    whole.msg_iovlen = 1;
    const ssize_t sent = ::sendmsg(socket, &whole, MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent <= 0) return lost();
    bytes = bytes.subspan(static_cast<std::size_t>(sent));
  }
  return {};
}

template <class Message>
Result<void> send(int socket, const Message& message, const Fds& fds) {
  BinaryWriter out;
  out.put(message);
  const std::string body = out.take();
  std::uint64_t size = body.size();
  iovec head{&size, sizeof size};
  alignas(cmsghdr) std::array<char, CMSG_SPACE(kMostFds * sizeof(int))> control{};
  msghdr whole{};
  whole.msg_iov = &head;
  whole.msg_iovlen = 1;
  std::array<int, kMostFds> numbers{};
  std::size_t count = 0;
  for (const UniqueFd& fd : fds)
    if (fd) numbers[count++] = fd.get();
  if (count > 0) {
    whole.msg_control = control.data();
    whole.msg_controllen = CMSG_SPACE(count * sizeof(int));
    cmsghdr* const header = CMSG_FIRSTHDR(&whole);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(count * sizeof(int));
    std::memcpy(CMSG_DATA(header), numbers.data(), count * sizeof(int));
  }
  ssize_t sent = 0;
  do sent = ::sendmsg(socket, &whole, MSG_NOSIGNAL);
  while (sent < 0 && errno == EINTR);
  if (sent != static_cast<ssize_t>(sizeof size)) return lost();
  return send_bytes(socket, as_bytes(body));
}

/// The first bytes of a message, with the descriptors that came along.
Result<std::uint64_t> receive_head(int socket, Fds& fds) {
  std::uint64_t size = 0;
  iovec head{&size, sizeof size};
  alignas(cmsghdr) std::array<char, CMSG_SPACE(kMostFds * sizeof(int))> control{};
  msghdr whole{};
  whole.msg_iov = &head;
  whole.msg_iovlen = 1;
  whole.msg_control = control.data();
  whole.msg_controllen = control.size();
  ssize_t got = 0;
  do got = ::recvmsg(socket, &whole, MSG_CMSG_CLOEXEC | MSG_WAITALL);
  while (got < 0 && errno == EINTR);
  for (cmsghdr* at = CMSG_FIRSTHDR(&whole); got > 0 && at != nullptr;
       at = CMSG_NXTHDR(&whole, at)) {
    if (at->cmsg_level != SOL_SOCKET || at->cmsg_type != SCM_RIGHTS) continue;
    const std::size_t count = (at->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    std::array<int, kMostFds> numbers{};
    std::memcpy(numbers.data(), CMSG_DATA(at), std::min(count, kMostFds) * sizeof(int));
    for (std::size_t i = 0; i < std::min(count, kMostFds); ++i) fds[i] = UniqueFd(numbers[i]);
  }
  if (got != static_cast<ssize_t>(sizeof size) || size > kMostBytes) return lost();
  return size;
}

template <class Message>
Result<Message> receive(int socket, Fds& fds) {
  TRY(const std::uint64_t size, receive_head(socket, fds));
  std::string body;
  FdSource source(socket, "a process");
  while (body.size() < size) {
    TRY(const Bytes chunk, source.next(static_cast<std::size_t>(size - body.size())));
    if (chunk.empty()) return lost();
    body += as_text(chunk);
  }
  BinaryReader in(as_bytes(body));
  Message out;
  in.get(out);
  if (!in.good() || !in.at_end()) return lost();
  return out;
}

class Server {
 public:
  explicit Server(const Services& services) : services_(services) {}

  Result<Reply> answer(const Request& request, Fds& fds) {
    Reply out;
    switch (request.kind) {
      case Kind::kStart: {
        if (!services_.may_start || request.words.empty() || !services_.may_start(request.words) ||
            running_.size() >= kMostPrograms)
          return refused(request.words);
        ChildProcess::Options options;
        options.pipe_stdout = true;
        TRY(auto child, ChildProcess::start(request.words, options));
        out.number = static_cast<std::uint64_t>(child->pid());
        TRY(fds, child->hand_over());
        running_.emplace(child->pid(), std::move(child));
        return out;
      }
      case Kind::kKill:
        if (const auto at = running_.find(request.pid); at != running_.end()) at->second->kill();
        return out;
      case Kind::kWait: {
        const auto at = running_.find(request.pid);
        if (at == running_.end()) return refused({"wait"});
        TRY(const int status, at->second->wait());
        running_.erase(at);
        out.number = static_cast<std::uint64_t>(status);
        return out;
      }
      case Kind::kWritten:
        if (const auto at = running_.find(request.pid); at != running_.end())
          out.number = at->second->written();
        return out;
      case Kind::kSave:
        if (!services_.save || request.words.size() != 1) return refused(request.words);
        TRY_DO(services_.save(request.words.front(), request.text));
        return out;
      case Kind::kAsk: {
        if (!services_.ask) return refused(request.words);
        TRY(Answer answer, services_.ask(request.words));
        out.text = std::move(answer.text);
        fds[0] = std::move(answer.fd);
        return out;
      }
    }
    return refused(request.words);
  }

 private:
  static Failure refused(const std::vector<std::string>& words) {
    return fail(Code::kInternal, "the sandbox does not allow: {}", fmt::join(words, " "));
  }

  const Services& services_;
  std::map<int, std::unique_ptr<ChildProcess>> running_;
};

/// Until the other side is gone.
void serve(int socket, const Services& services) {
  Server server(services);
  while (true) {
    Fds none, fds;
    const auto request = receive<Request>(socket, none);
    if (!request) return;
    Result<Reply> reply = server.answer(*request, fds);
    if (!reply) {
      Error& error = reply.error();
      reply = Reply{
          true, error.code, std::move(error.message), std::move(error.hint), error.context, {}, {}};
    }
    if (!send(socket, *reply, fds)) return;
  }
}

Result<Reply> exchange(int socket, const Request& request, Fds& fds) {
  TRY_DO(send(socket, request, {}));
  TRY(Reply reply, receive<Reply>(socket, fds));
  if (reply.failed)
    return Failure({reply.code,
                    std::move(reply.message),
                    std::move(reply.context),
                    std::move(reply.hint),
                    {}});
  return reply;
}

}  // namespace

Result<std::unique_ptr<Broker>> Broker::begin(const Services& services) {
  std::array<int, 2> ends{};
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) != 0)
    return system_error(errno, "cannot create a pair of sockets");
  UniqueFd ours(ends[0]), its(ends[1]);
  const pid_t pid = ::fork();
  if (pid < 0) return system_error(errno, "cannot start a process");
  if (pid == 0) {
    ours = UniqueFd();
    // Its memory is nobody's business.
    static_cast<void>(::prctl(PR_SET_DUMPABLE, 0));
    serve(its.get(), services);
    ::_exit(0);
  }
  return std::unique_ptr<Broker>(new Broker(pid, std::move(ours)));
}

Broker::~Broker() {
  socket_ = UniqueFd();
  while (::waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
  }
}

Result<ProgramStarter::Started> Broker::start(const std::vector<std::string>& argv) {
  Fds fds;
  TRY(const Reply reply, exchange(socket_.get(), {Kind::kStart, 0, argv, {}}, fds));
  return Started{static_cast<int>(reply.number.value_or(0)), std::move(fds[0]), std::move(fds[1])};
}

void Broker::kill(int pid) {
  Fds none;
  // A broker that is gone has killed it.
  static_cast<void>(exchange(socket_.get(), {Kind::kKill, pid, {}, {}}, none));
}

Result<int> Broker::wait(int pid) {
  Fds none;
  TRY(const Reply reply, exchange(socket_.get(), {Kind::kWait, pid, {}, {}}, none));
  return static_cast<int>(reply.number.value_or(0));
}

std::optional<std::uint64_t> Broker::written(int pid) {
  Fds none;
  const auto reply = exchange(socket_.get(), {Kind::kWritten, pid, {}, {}}, none);
  return reply ? reply->number : std::nullopt;
}

Result<void> Broker::save(const std::string& path, std::string_view text) {
  Fds none;
  TRY_DO(exchange(socket_.get(), {Kind::kSave, 0, {path}, std::string(text)}, none));
  return {};
}

Result<Answer> Broker::ask(const std::vector<std::string>& words) {
  Fds fds;
  TRY(Reply reply, exchange(socket_.get(), {Kind::kAsk, 0, words, {}}, fds));
  return Answer{std::move(reply.text), std::move(fds[0])};
}

}  // namespace flense::guard

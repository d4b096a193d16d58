// Device nodes by stat(2) and access(2), never by open(2): opening /dev/nvidia0 wakes a GPU.
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>

#include "host/tree.h"

namespace flense::host {

namespace {

std::string_view next_word(std::string_view& rest) {
  constexpr std::string_view kBlank = " \t\r\n";
  rest.remove_prefix(std::min(rest.size(), rest.find_first_not_of(kBlank)));
  const std::string_view word = rest.substr(0, rest.find_first_of(kBlank));
  rest.remove_prefix(word.size());
  return word;
}

bool read_number(std::string_view word, int base, std::uint32_t& out) {
  const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), out, base);
  return !word.empty() && error == std::errc() && end == word.data() + word.size();
}

}  // namespace

std::optional<DeviceNode> parse_stand_in(std::string_view text) {
  if (next_word(text) != "c") return std::nullopt;
  DeviceNode out;
  out.kind = DeviceNode::Kind::kDevice;
  for (const auto& [field, base] :
       {std::pair{&out.major, 10}, std::pair{&out.minor, 10}, std::pair{&out.mode, 8},
        std::pair{&out.uid, 10}, std::pair{&out.gid, 10}})
    if (!read_number(next_word(text), base, *field)) return std::nullopt;
  out.mode &= 07777u;
  const std::string_view answer = next_word(text);
  if (answer == "EACCES")
    out.refusal = EACCES;
  else if (answer == "EPERM")
    out.refusal = EPERM;
  else if (!answer.empty())
    return std::nullopt;
  return out;
}

std::optional<DeviceNode> Tree::node(std::string_view path) const {
  const std::optional<std::string> real = resolve(path);
  if (!real) return std::nullopt;
  const char* file = real->empty() ? "." : real->c_str();
  struct stat status{};
  if (::fstatat(memory_->top(), file, &status, AT_SYMLINK_NOFOLLOW) != 0) return std::nullopt;
  DeviceNode out;
  out.mode = status.st_mode & 07777u;
  out.uid = status.st_uid;
  out.gid = status.st_gid;
  if (S_ISCHR(status.st_mode)) {
    out.kind = DeviceNode::Kind::kDevice;
    out.major = major(status.st_rdev);
    out.minor = minor(status.st_rdev);
    // The kernel also considers access control lists, user namespaces and the device rules of the
    // control group, which the mode does not show.
    out.refusal = ::faccessat(memory_->top(), file, R_OK | W_OK, AT_EACCESS) == 0 ? 0 : errno;
  } else if (S_ISDIR(status.st_mode)) {
    out.kind = DeviceNode::Kind::kDirectory;
  } else if (S_ISREG(status.st_mode)) {
    out.kind = DeviceNode::Kind::kFile;
    if (copy_)
      if (const Result<std::string> text = read(path, 128))
        if (const auto stand_in = parse_stand_in(*text)) return stand_in;
  }
  return out;
}

}  // namespace flense::host

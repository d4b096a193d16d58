// What `flense run` reads besides images and ELF files: listings of unpacked roots, what was
// decided about driver libraries, files of variables, words for mounts, accounts of an image, lists
// of processors. The first byte chooses.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <string_view>

#include "base/accounts.h"
#include "launch/container/numa.h"
#include "launch/container/run_options.h"
#include "launch/inject/directory.h"
#include "launch/rootfs/listing.h"

namespace {

using namespace flense;

void expect(bool holds) {
  if (!holds) std::abort();
}

bool is_variable(std::string_view item) {
  const std::size_t equal = item.find('=');
  return equal != 0 && equal != std::string_view::npos && item.find('\0') == std::string_view::npos;
}

/// Behind a sum that holds, which no fuzzer finds by itself.
void listing(std::string_view text) {
  constexpr std::size_t kMagic = 8;
  constexpr std::size_t kSum = 64;
  static_cast<void>(launch::decode_listing(as_bytes(text)));
  std::string whole = launch::encode_listing({});
  whole.resize(kMagic);
  whole += text;
  whole += launch::listing_sum(whole);
  const auto read = launch::decode_listing(as_bytes(whole));
  if (!read) {
    expect(read.error().code == Code::kBadInput);
    return;
  }
  const std::string again = launch::encode_listing(*read);
  expect(again.size() > kMagic + kSum);
  const auto same = launch::decode_listing(as_bytes(again));
  expect(same.has_value() && !launch::first_difference(*read, *same));
}

void decisions(std::string_view text) {
  const auto prepared = launch::parse_prepared(text);
  if (!prepared) return;
  const cdi::Edits edits = launch::edits_with({}, *prepared, "/prepared");
  expect(edits.mounts.size() == prepared->binds.size());
  for (const cdi::Mount& mount : edits.mounts) expect(mount.host_path.starts_with('/'));
}

void variables(std::string_view text) {
  const auto host = [](std::string_view name) {
    return name == "HOME" ? std::optional<std::string>("/home/x") : std::nullopt;
  };
  const auto items = launch::parse_env_file(text, "fuzz.env", host);
  if (!items) return;
  for (const std::string& item : *items) expect(is_variable(item));
}

void mounts(std::string_view text) {
  for (const auto& mount :
       {launch::parse_volume(text, "/work"), launch::parse_mount(text, "/work")}) {
    if (!mount) continue;
    expect(mount->target.starts_with('/'));
    expect(mount->kind == launch::MountRequest::Kind::kTmpfs ? mount->source.empty()
                                                             : mount->source.starts_with('/'));
  }
}

void accounts(std::string_view text) {
  const std::size_t half = std::min(text.find('\1'), text.size());
  const std::string passwd(text.substr(0, half)),
      group(text.substr(std::min(half + 1, text.size())));
  static_cast<void>(find_account(passwd, 1000));
  static_cast<void>(group_name(group, 1000));
  for (const char* user : {"app", "app:web", "33", "33:44", "0", ""})
    static_cast<void>(resolve_user(user, passwd, group));
  static_cast<void>(resolve_user(passwd, passwd, group));
  Account caller;
  caller.name = "me";
  caller.uid = 1000;
  caller.gid = 1000;
  caller.home = "/home/me";
  caller.shell = "/bin/sh";
  if (const auto added = passwd_with(passwd, caller))
    expect(find_account(*added, 1000).has_value());
}

void lists(std::string_view text) {
  const auto list = launch::parse_list(text);
  if (!list) return;
  expect(list->empty() || *list->rbegin() <= 65535);
  expect(launch::parse_list(launch::list_text(*list)) == *list);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data + 1), size - 1);
  switch (data[0] % 6) {
    case 0:
      listing(text);
      break;
    case 1:
      decisions(text);
      break;
    case 2:
      variables(text);
      break;
    case 3:
      mounts(text);
      break;
    case 4:
      accounts(text);
      break;
    default:
      lists(text);
  }
  return 0;
}

// What `cdi generate` reads of a machine: mig-minors and access files, the CSV lists of Jetson, and
// the answers of nvidia-smi. What comes out goes into specifications as it is.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "cdi/generate/jetson_csv.h"
#include "cdi/generate/mig.h"
#include "host/mig_query.h"
#include "host/text_formats.h"

namespace {

using namespace flense;

constexpr std::uint32_t kMostMinors = 1u << 20;

void expect(bool holds) {
  if (!holds) std::abort();
}

bool is_printable(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return static_cast<unsigned char>(c) >= 0x20; });
}

void minors(std::string_view text) {
  for (const auto& [name, minor] : cdi::parse_mig_minors(text))
    expect(!name.empty() && name.size() <= 64 && minor < kMostMinors);
  if (const auto minor = cdi::parse_access(text)) expect(*minor < kMostMinors);
}

void lists(std::string_view text) {
  const auto lines = cdi::parse_csv(text, "fuzz.csv");
  if (!lines) {
    expect(lines.error().message.starts_with("fuzz.csv:") && is_printable(lines.error().message));
    return;
  }
  for (const cdi::CsvLine& line : *lines) {
    expect(line.path.size() > 1 && line.path.front() == '/' && line.path.back() != '/');
    expect(is_printable(line.path) && (line.path + "/").find("/../") == std::string::npos);
    expect(line.path.substr(0, line.path.rfind('/')).find_first_of("*?[") == std::string::npos);
  }
}

void answers(std::string_view text) {
  const std::size_t half = std::min(text.find('\0'), text.size());
  const host::MigAnswer answer =
      host::parse_mig(text.substr(0, half), text.substr(std::min(half + 1, text.size())));
  for (const std::string& address : answer.enabled) expect(host::pci_address(address) == address);
  for (const host::MigInstance& one : answer.instances) {
    expect(host::pci_address(one.pci_address) == one.pci_address);
    expect(one.uuid.empty() ||
           (one.uuid.starts_with("MIG-") && one.uuid.size() <= 64 && is_printable(one.uuid)));
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  minors(text);
  lists(text);
  answers(text);
  return 0;
}

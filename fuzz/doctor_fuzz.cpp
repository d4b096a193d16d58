// What flense doctor reads of others: the loader's cache, CDI specifications, PyTorch's version
// file, stand-ins of device nodes, and logs.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "doctor/cdi_spec.h"
#include "doctor/loader.h"
#include "doctor/messages.h"
#include "doctor/python.h"
#include "elf/loader_cache.h"
#include "host/tree.h"
#include "knowledge/explained.h"

namespace {

using namespace flense::doctor;

void expect(bool holds) {
  if (!holds) std::abort();
}

void loader(std::string_view text) {
  for (const std::uint16_t machine : std::initializer_list<std::uint16_t>{62, 183, 0})
    for (const char* name : {"libcuda.so.1", "libc.so.6"})
      if (const auto paths = flense::elf::cached_paths(flense::as_bytes(text), name, machine)) {
        expect(paths->size() <= 64);
        for (const std::string& path : *paths) expect(path.size() <= 4096);
      }
  const auto folders = directories_of(text);
  expect(folders.size() <= 256);
  for (const std::string& folder : folders) expect(folder.starts_with('/'));
}

void specification(std::string_view text) {
  const auto spec = parse_cdi_spec(text);
  if (!spec) return;
  expect(!spec->kind.empty() && spec->files.size() <= 4096 && spec->nodes.size() <= 4096);
  for (const std::string& file : spec->files) expect(file.starts_with('/'));
  for (const CdiNode& node : spec->nodes) expect(node.path.starts_with("/dev/"));
}

void log(std::string_view text) {
  static const auto known =
      flense::knowledge::Explained::read(flense::knowledge::TableSet::load().value());
  std::uint64_t last = 0;
  for (const Recognised& one : recognise(text, known)) {
    expect(one.number > last && one.line.size() <= 256 && !one.cause.empty());
    expect(std::ranges::none_of(one.line, [](unsigned char c) { return c < 0x20; }));
    last = one.number;
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  loader(text);
  specification(text);
  if (const auto torch = parse_torch_version(text)) expect(!torch->version.empty());
  if (const auto node = flense::host::parse_stand_in(text)) expect(node->mode <= 07777u);
  log(text);
  return 0;
}

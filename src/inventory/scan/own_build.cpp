#include "inventory/scan/own_build.h"

#include <elf.h>
#include <link.h>

#include "base/format.h"
#include "elf/notes.h"

namespace flense::inventory {

namespace {

/// The program itself comes first in the walk (dl_iterate_phdr(3)), in static programs alone.
int take_build_id(dl_phdr_info* info, std::size_t /*size*/, void* to) {
  for (ElfW(Half) i = 0; i < info->dlpi_phnum; ++i) {
    const ElfW(Phdr)& segment = info->dlpi_phdr[i];
    if (segment.p_type != PT_NOTE) continue;
    // NOLINTNEXTLINE(performance-no-int-to-ptr): where the loader has put the segment.
    const auto* begin = reinterpret_cast<const std::byte*>(info->dlpi_addr + segment.p_vaddr);
    const Bytes id =
        elf::find_note({begin, segment.p_memsz}, segment.p_align, "GNU", NT_GNU_BUILD_ID);
    for (const std::byte byte : id)
      *static_cast<std::string*>(to) += fmt::format("{:02x}", std::to_integer<unsigned>(byte));
    if (!id.empty()) break;
  }
  return 1;
}

}  // namespace

std::string own_build() {
  std::string out;
  dl_iterate_phdr(take_build_id, &out);
  return out;
}

}  // namespace flense::inventory

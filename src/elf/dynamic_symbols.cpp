#include "elf/dynamic_symbols.h"

#include <elf.h>

#include <algorithm>
#include <cstddef>

#include "base/bytes.h"

namespace flense::elf {

void for_each_dynamic_symbol(const File& file,
                             const std::function<void(const DynamicSymbol&)>& visit) {
  const Section* symbols = file.find_section(".dynsym");
  if (symbols == nullptr || symbols->link >= file.sections().size()) return;
  const Bytes table = file.section_bytes(*symbols);
  const std::string_view names = as_text(file.section_bytes(file.sections()[symbols->link]));
  for (std::size_t at = 0; at + sizeof(Elf64_Sym) <= table.size(); at += sizeof(Elf64_Sym)) {
    const auto name = load_le<std::uint32_t>(table, at + offsetof(Elf64_Sym, st_name));
    if (name == 0 || name >= names.size()) continue;
    const auto info = load_le<std::uint8_t>(table, at + offsetof(Elf64_Sym, st_info));
    const auto section = load_le<std::uint16_t>(table, at + offsetof(Elf64_Sym, st_shndx));
    const std::string_view rest = names.substr(name);
    visit({rest.substr(0, std::min(rest.find('\0'), rest.size())), section != SHN_UNDEF,
           ELF64_ST_BIND(info) == STB_WEAK});
  }
}

}  // namespace flense::elf

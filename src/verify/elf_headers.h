// What describes an ELF file: headers, segments that are no memory, sections, symbols.
#pragma once

#include "verify/code_places.h"
#include "verify/elf_pair.h"

namespace flense::verify {

void compare_headers(const ElfPair& pair);
void compare_segments(const ElfPair& pair);
/// Bytes of the file that no header names: zeros between, nothing behind.
void compare_unnamed_bytes(const ElfPair& pair);
/// With the bytes of sections that are not mapped, and the symbols of all tables.
void compare_sections(const ElfPair& pair, const CodePlaces& places);

}  // namespace flense::verify

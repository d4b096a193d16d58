// The wrappers of .nvFatBinSegment and .hipFatBinSegment: the arguments of __cudaRegisterFatBinary
// and __hipRegisterFatBinary.
#pragma once

#include <vector>

#include "base/result.h"
#include "device/fatbin.h"
#include "elf/file.h"

namespace flense::device {

/// All wrappers of a linked file, with pointers taken from the relocations that fill them at load
/// time (RELATIVE entries), else from the words in place (RELR, ET_EXEC). Empty for
/// relocatable objects, whose pointers are not known before linking.
Result<std::vector<Wrapper>> read_wrappers(const elf::File& file);
/// The same of HIP, whose second pointer means nothing: Wrapper::extra stays 0.
Result<std::vector<Wrapper>> read_hip_wrappers(const elf::File& file);

}  // namespace flense::device

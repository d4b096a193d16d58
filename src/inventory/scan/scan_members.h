// How many members the structures of a LayerScan have, for tie_members. A new member is kept, read
// back and compared by the tests as soon as its structure's number here is right; until then it
// does not compile.
#pragma once

#include "base/binary_fields.h"
#include "inventory/scan/layer_scan.h"

namespace flense::inventory {

constexpr std::size_t member_count(const ArchCount*) {
  return 8;
}
constexpr std::size_t member_count(const CodeFate*) {
  return 4;
}
constexpr std::size_t member_count(const PruneSummary*) {
  return 10;
}
constexpr std::size_t member_count(const ForwardNote*) {
  return 3;
}
constexpr std::size_t member_count(const BareCode*) {
  return 3;
}
constexpr std::size_t member_count(const CxxVersions*) {
  return 2;
}
constexpr std::size_t member_count(const SymbolVersions*) {
  return 2;
}
constexpr std::size_t member_count(const ElfFacts*) {
  return 28;
}
constexpr std::size_t member_count(const Package*) {
  return 5;
}
constexpr std::size_t member_count(const TensorType*) {
  return 4;
}
constexpr std::size_t member_count(const TensorShape*) {
  return 4;
}
constexpr std::size_t member_count(const ModelFile*) {
  return 7;
}
constexpr std::size_t member_count(const LayerScan*) {
  return 15;
}

}  // namespace flense::inventory

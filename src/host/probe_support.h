// Shared by the probes: one file, one fact.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/numbers.h"
#include "host/profile.h"
#include "host/text_formats.h"
#include "host/tree.h"

namespace flense::host {

/// The whole file as one line of text.
inline Text text_fact(const Tree& tree, std::string_view path) {
  const Result<std::string> text = tree.read(path);
  if (!text) return Text::unknown(text.error().message);
  // Device-tree strings end with a NUL byte.
  const std::string value = clean(text->substr(0, text->find('\0')));
  if (value.empty()) return Text::unknown(tree.label(path) + " is empty");
  return Text::known(value, tree.label(path));
}

/// The file through a parser that returns nullopt for what it does not understand.
template <class T, class Parser>
Fact<T> parsed_fact(const Tree& tree, std::string_view path, Parser parse) {
  const Result<std::string> text = tree.read(path);
  if (!text) return Fact<T>::unknown(text.error().message);
  std::optional<T> value = parse(*text);
  if (!value)
    return Fact<T>::unknown(fmt::format("{} says '{}'", tree.label(path),
                                        clean(std::string_view(*text).substr(0, 60))));
  return Fact<T>::known(*std::move(value), tree.label(path));
}

inline Number number_fact(const Tree& tree, std::string_view path) {
  return parsed_fact<std::uint64_t>(tree, path, parse_number);
}

/// A NUMA node; the kernel writes -1 where the firmware names none.
inline Number numa_fact(const Tree& tree, std::string_view path) {
  Number node = number_fact(tree, path);
  if (!node.value && node.evidence.find("'-1'") != std::string::npos)
    node.evidence = tree.label(path) + " names no node";
  return node;
}

/// Is this module loaded? False where it is not and is not built for this kernel either; unknown
/// where it is built, since the first user may load it.
Flag module_fact(const Machine& machine, std::string_view name);

/// A PCI function's own files, the same for every kind of card.
struct PciFacts {
  std::string vendor, device, device_class;  ///< "10de", "2330", "030200"
  std::string driver;                        ///< empty: none is bound
};
PciFacts pci_facts(const Tree& sys, const std::string& address);
/// Addresses of the functions for which `wanted` holds, in order.
std::vector<std::string> pci_functions(const Tree& sys,
                                       const std::function<bool(const PciFacts&)>& wanted);
/// A GPU of AMD's, or one partition of it, as the KFD topology has it.
struct AmdNode {
  std::string path;     ///< of its properties
  std::string address;  ///< of the card
  std::uint64_t gfx = 0, unique_id = 0, render_minor = 0;
};
/// In the one order in which AMD's GPUs are numbered, amd-ctk's: by PCI address, the partitions of
/// a card by render node. ROCm itself counts by the numbers of KFD nodes, which follow neither.
std::vector<AmdNode> amd_nodes(const Tree& sys);
/// Addresses of AMD's display controllers and accelerators: those with nodes before those that ROCm
/// cannot use.
std::vector<std::string> amd_cards(const Tree& sys, const std::vector<AmdNode>& nodes);

/// Address, identity, driver, NUMA node and link of the GPU at `address`.
Gpu pci_gpu(const Tree& sys, const std::string& address, std::string vendor);

}  // namespace flense::host

// ELF files read beside the walk over their layer, which goes on to the next member meanwhile.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <map>
#include <mutex>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "base/bytes.h"
#include "base/parallel.h"
#include "inventory/scan/layer_scan.h"

namespace flense::inventory {

class ElfReaders {
 public:
  /// `prune` and `further` as for read_elf_facts(), and used by several threads; they must outlive
  /// this. Threads start with the first file.
  ElfReaders(unsigned workers, const device::PruneOptions* prune,
             std::span<const device::PruneOptions> further = {})
      : workers_(std::max(1U, workers)), prune_(prune), further_(further) {}
  ElfReaders(const ElfReaders&) = delete;
  ElfReaders& operator=(const ElfReaders&) = delete;
  /// What waits is given up.
  ~ElfReaders();

  /// A member that begins like an ELF file; `bytes` must outlive this. Waits while many are ahead.
  void add(std::uint32_t index, Bytes bytes, std::string path);
  /// The facts of all that were added, but for those that read_elf_facts() takes for data. Once.
  std::map<std::uint32_t, ElfFacts> finish();

 private:
  struct Task {
    std::uint32_t index;
    Bytes bytes;
    std::string path;
  };
  void work();

  const unsigned workers_;
  const device::PruneOptions* const prune_;
  const std::span<const device::PruneOptions> further_;
  BoundedQueue<Task> tasks_{256};
  std::atomic<bool> given_up_ = false;
  std::mutex mutex_;
  std::map<std::uint32_t, ElfFacts> facts_;
  std::vector<std::jthread> threads_;
};

}  // namespace flense::inventory

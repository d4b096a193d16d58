#include "inventory/scan/elf_readers.h"

#include <utility>

#include "inventory/scan/elf_facts.h"

namespace flense::inventory {

ElfReaders::~ElfReaders() {
  given_up_ = true;
  tasks_.close();
}

void ElfReaders::add(std::uint32_t index, Bytes bytes, std::string path) {
  while (threads_.size() < workers_) threads_.emplace_back([this] { work(); });
  tasks_.push({index, bytes, std::move(path)});
}

std::map<std::uint32_t, ElfFacts> ElfReaders::finish() {
  tasks_.close();
  threads_.clear();
  return std::move(facts_);
}

void ElfReaders::work() {
  while (const auto task = tasks_.pop()) {
    if (given_up_) continue;
    auto facts = read_elf_facts(task->bytes, task->path, prune_, further_);
    if (!facts) continue;
    const std::scoped_lock lock(mutex_);
    facts_.emplace(task->index, *std::move(facts));
  }
}

}  // namespace flense::inventory

// Shared by the readers of node lists: labels in order, quantities, and the tables looked up once
// for each model and driver instead of once for each node.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "host/profile.h"
#include "knowledge/knowledge.h"

namespace flense::host {

/// More nodes than this in one list are refused; the largest Kubernetes clusters have 15,000.
inline constexpr std::size_t kMaxNodes = 20'000;
inline constexpr std::uint64_t kMaxGpusOfNode = 64;
/// A line of sinfo may claim 64 GPUs for each of 20,000 nodes; that is gigabytes of nothing.
inline constexpr std::size_t kMaxGpusOfList = 200'000;

/// Answers of the tables, kept while a list is read.
class NodeTables {
 public:
  explicit NodeTables(const knowledge::Knowledge& tables) : known(tables) {}

  /// By the product table; the reason where it does not know the model.
  const Text& architecture_of(const std::string& model);
  /// By the driver table.
  const Text& cuda_of(const std::string& driver);

  const knowledge::Knowledge& known;

 private:
  std::map<std::string, Text> architectures_, cuda_;
};

/// Kubernetes' quantities, rounded down: "8", "95800m", "1056561968Ki", "64G"; nullopt for others.
std::optional<std::uint64_t> parse_quantity(std::string_view text);

/// "Linux 5.15.0-91-generic #101-Ubuntu SMP" -> "5.15.0-91-generic"; empty when it is not of that
/// form.
std::string kernel_of_os(std::string_view text);

/// `count` equal GPUs as the table of instance types has them.
void add_instance(const knowledge::Gpus& gpus, const knowledge::InstanceType& type,
                  const std::string& evidence, Profile& out);

/// Every fact about drivers and GPUs that is not known yet gets the reason why.
void mark_unknown(Profile& out, const std::string& reason);

}  // namespace flense::host

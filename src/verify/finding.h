// What a verification says: where the result is not what it has to be, and what nobody can know.
#pragma once

#include <cstdint>
#include <mutex>
#include <string>
#include <vector>

namespace flense::verify {

struct Difference {
  std::string path;   ///< in the image; empty: the image itself
  std::string what;   ///< "device code", "mapped byte", "mode", …
  std::string where;  ///< "entry 3 of the region at 0x1000"; may be empty
  std::string expected, found;
};

/// What keeps the verification from an answer.
struct Unknown {
  std::string path, why;
};

/// Filled by several threads.
class Findings {
 public:
  /// Beyond so many only their number is kept: a wrong pair of images differs everywhere.
  static constexpr std::size_t kMostKept = 10'000;

  void differ(Difference one);
  void unknown(std::string path, std::string why);
  /// A planned change that was proved, by what it is: "files gone by the record".
  void count(const char* what, std::uint64_t number = 1);

  struct Counted {
    std::string what;
    std::uint64_t number = 0;
  };
  /// Sorted by path: the same for any number of threads.
  std::vector<Difference> differences() const;
  std::vector<Unknown> unknowns() const;
  std::vector<Counted> counts() const;
  std::uint64_t difference_count() const;
  std::uint64_t unknown_count() const;

 private:
  mutable std::mutex mutex_;
  std::vector<Difference> differences_;
  std::vector<Unknown> unknowns_;
  std::vector<Counted> counts_;
  std::uint64_t difference_count_ = 0, unknown_count_ = 0;
};

}  // namespace flense::verify

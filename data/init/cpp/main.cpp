// saxpy [--count N]: computes y = a x + y on the GPU, compares it with the processor's result and
// says so.
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "saxpy.h"

namespace {

constexpr std::size_t kMostValues = std::size_t{1} << 28;

int usage() {
  std::fprintf(stderr, "usage: saxpy [--count N]   N from 1 to %zu\n", kMostValues);
  return 2;
}

}  // namespace

int main(int count_of_words, char** words) {
  std::size_t count = 1 << 20;
  if (count_of_words == 3 && std::strcmp(words[1], "--count") == 0) {
    char* end = nullptr;
    count = std::strtoull(words[2], &end, 10);
    if (end == words[2] || *end != '\0' || count == 0 || count > kMostValues) return usage();
  } else if (count_of_words != 1) {
    return usage();
  }
  if (device_count() <= 0) {
    std::fprintf(stderr, "error: no NVIDIA GPU is visible; docker run --gpus all\n");
    return 1;
  }
  std::vector<float> x(count), y(count, 1.0F);
  for (std::size_t i = 0; i < count; ++i) x[i] = static_cast<float>(i % 1000) / 1000.0F;
  std::vector<float> expected = y;
  saxpy_host(2.0F, x, expected);
  if (const std::string error = saxpy_device(2.0F, x, y); !error.empty()) {
    std::fprintf(stderr, "error: %s\n", error.c_str());
    return 1;
  }
  for (std::size_t i = 0; i < count; ++i)
    if (std::fabs(y[i] - expected[i]) > 1e-5F) {
      std::fprintf(stderr, "error: value %zu is %g, expected %g\n", i, y[i], expected[i]);
      return 1;
    }
  std::printf("%zu values computed on the GPU\n", count);
  return 0;
}

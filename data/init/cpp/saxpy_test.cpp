// saxpy_test host | device: 0 passed, 1 failed, 77 there is no GPU.
#include <cmath>
#include <cstdio>
#include <cstring>

#include "saxpy.h"

namespace {

int failures = 0;

void expect(bool condition, const char* what) {
  if (condition) return;
  std::fprintf(stderr, "failed: %s\n", what);
  ++failures;
}

void test_host() {
  std::vector<float> y = {1, 2, 3};
  saxpy_host(2, {10, 20, 30}, y);
  expect(y == std::vector<float>({21, 42, 63}), "2 x + y");
  expect(!saxpy_device(1, {1, 2}, y).empty(), "different lengths are refused");
  std::vector<float> none;
  expect(saxpy_device(1, {}, none).empty(), "nothing to compute is no error");
}

void test_device() {
  for (const std::size_t count : {1U, 255U, 257U, 1U << 20, (1U << 20) + 3}) {
    std::vector<float> x(count), y(count, 0.5F);
    for (std::size_t i = 0; i < count; ++i) x[i] = static_cast<float>(i % 97);
    std::vector<float> expected = y;
    saxpy_host(-3, x, expected);
    const std::string error = saxpy_device(-3, x, y);
    expect(error.empty(), error.c_str());
    float worst = 0;
    for (std::size_t i = 0; i < count; ++i) worst = std::fmax(worst, std::fabs(y[i] - expected[i]));
    expect(worst < 1e-3F, "GPU and processor agree");
  }
}

}  // namespace

int main(int count, char** words) {
  const bool device = count == 2 && std::strcmp(words[1], "device") == 0;
  if (device && device_count() <= 0) return 77;
  device ? test_device() : test_host();
  return failures == 0 ? 0 : 1;
}

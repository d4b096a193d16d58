// What the GPU computes, by the definition of each step: the reference, and the way out where there
// is no GPU.
#include <cmath>
#include <complex>

#include "bandpower.h"

namespace {
const double kPi = std::acos(-1.0);
}

std::vector<float> window(const Shape& shape) {
  std::vector<float> out(shape.frame);
  for (int i = 0; i < shape.frame; ++i)
    out[i] = static_cast<float>(0.5 - 0.5 * std::cos(2 * kPi * i / shape.frame));
  return out;
}

std::vector<float> weights(const Shape& shape) {
  std::vector<float> out(static_cast<std::size_t>(shape.bands) * shape.bins());
  const double width = static_cast<double>(shape.bins() - 1) / (shape.bands + 1);
  for (int band = 0; band < shape.bands; ++band)
    for (int bin = 0; bin < shape.bins(); ++bin)
      out[static_cast<std::size_t>(band) * shape.bins() + bin] =
          static_cast<float>(std::fmax(0.0, 1 - std::fabs(bin - (band + 1) * width) / width));
  return out;
}

Result on_cpu(const std::vector<float>& signal, const Shape& shape) {
  const int frames = shape.frames(signal.size());
  const auto taper = window(shape);
  const auto weight = weights(shape);
  std::vector<std::complex<double>> turn(shape.frame);
  for (int i = 0; i < shape.frame; ++i) turn[i] = std::polar(1.0, -2 * kPi * i / shape.frame);

  Result out;
  for (int at = 0; at < frames; ++at) {
    const float* samples = &signal[static_cast<std::size_t>(at) * shape.hop];
    for (int bin = 0; bin < shape.bins(); ++bin) {
      std::complex<double> sum;
      for (int i = 0; i < shape.frame; ++i)
        sum += static_cast<double>(samples[i] * taper[i]) *
               turn[static_cast<long>(bin) * i % shape.frame];
      out.power.push_back(static_cast<float>(std::norm(sum)));
    }
    const float* power = &out.power[static_cast<std::size_t>(at) * shape.bins()];
    for (int band = 0; band < shape.bands; ++band) {
      double sum = 0;
      for (int bin = 0; bin < shape.bins(); ++bin)
        sum += weight[static_cast<std::size_t>(band) * shape.bins() + bin] * power[bin];
      out.bands.push_back(static_cast<float>(sum));
    }
  }
  return out;
}

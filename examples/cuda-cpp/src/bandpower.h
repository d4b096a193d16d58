#pragma once
#include <string>
#include <vector>

/// How a signal is cut and summed: frames of `frame` samples, one each `hop` samples, of `bands`
/// bands.
struct Shape {
  int frame = 512;
  int hop = 256;
  int bands = 24;
  int bins() const { return frame / 2 + 1; }
  int frames(std::size_t samples) const { return static_cast<int>(1 + (samples - frame) / hop); }
};

/// Row by row: the power spectrum of each frame, and what the bands hold of it.
struct Result {
  std::vector<float> power;
  std::vector<float> bands;
};

/// Hann's window, `frame` values.
std::vector<float> window(const Shape& shape);
/// Triangles of equal width over the bins, `bands` rows of `bins` weights.
std::vector<float> weights(const Shape& shape);

Result on_cpu(const std::vector<float>& signal, const Shape& shape);
Result on_gpu(const std::vector<float>& signal, const Shape& shape);

/// Why no GPU can be used here; empty: one can.
std::string why_no_gpu();
/// Of the CUDA runtime, cuBLAS and cuFFT; needs no GPU.
std::string library_versions();

// A signal scaled and transformed: on the GPU where there is one, else on the CPU. Prints a checksum.
#include <cublas_v2.h>
#include <cuda_runtime.h>
#include <cufft.h>

#include <cmath>
#include <complex>
#include <cstdint>
#include <cstdio>
#include <vector>

__global__ void scale(float* data, int count, float factor) {
  const int at = blockIdx.x * blockDim.x + threadIdx.x;
  if (at < count) data[at] *= factor;
}

static std::uint64_t checksum(const std::vector<std::complex<float>>& values) {
  std::uint64_t sum = 14695981039346656037ULL;
  for (const auto& value : values)
    sum = (sum ^ static_cast<std::uint64_t>(std::llround(std::abs(value) * 1000))) * 1099511628211ULL;
  return sum;
}

int main() {
  constexpr int kCount = 512;
  std::vector<float> signal(kCount);
  for (int i = 0; i < kCount; ++i) signal[i] = std::sin(0.1F * i) + 0.5F * std::cos(0.7F * i);
  int devices = 0;
  const bool gpu = cudaGetDeviceCount(&devices) == cudaSuccess && devices > 0;
  int version = 0;
  cufftGetVersion(&version);
  std::vector<std::complex<float>> out(kCount / 2 + 1);
  if (gpu) {
    float* data = nullptr;
    cufftComplex* spectrum = nullptr;
    cudaMalloc(&data, kCount * sizeof(float));
    cudaMalloc(&spectrum, out.size() * sizeof(cufftComplex));
    cudaMemcpy(data, signal.data(), kCount * sizeof(float), cudaMemcpyHostToDevice);
    scale<<<(kCount + 255) / 256, 256>>>(data, kCount, 2.0F);
    cublasHandle_t blas;
    cublasCreate(&blas);
    const float half = 0.5F;
    cublasSscal(blas, kCount, &half, data, 1);
    cufftHandle plan;
    cufftPlan1d(&plan, kCount, CUFFT_R2C, 1);
    cufftExecR2C(plan, data, spectrum);
    cudaMemcpy(out.data(), spectrum, out.size() * sizeof(cufftComplex), cudaMemcpyDeviceToHost);
  } else {
    for (std::size_t k = 0; k < out.size(); ++k)
      for (int i = 0; i < kCount; ++i)
        out[k] += signal[i] * std::polar(1.0F, -2.0F * static_cast<float>(M_PI) * static_cast<float>(k) * i / kCount);
  }
  std::printf("cuFFT %d, %s, %016llx\n", version, gpu ? "GPU" : "CPU", static_cast<unsigned long long>(checksum(out)));
}

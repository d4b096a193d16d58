// Two small kernels around cuFFT and cuBLAS.
#include <cublas_v2.h>
#include <cuda_runtime.h>
#include <cufft.h>

#include <stdexcept>

#include "bandpower.h"

namespace {

void check(cudaError_t status) {
  if (status != cudaSuccess)
    throw std::runtime_error(std::string("CUDA: ") + cudaGetErrorString(status));
}
void check(cublasStatus_t status) {
  if (status != CUBLAS_STATUS_SUCCESS)
    throw std::runtime_error(std::string("cuBLAS: ") + cublasGetStatusString(status));
}
void check(cufftResult status) {
  if (status != CUFFT_SUCCESS) throw std::runtime_error("cuFFT: status " + std::to_string(status));
}

template <class T>
class OnDevice {
 public:
  explicit OnDevice(std::size_t count) : count_(count) {
    check(cudaMalloc(&data_, count * sizeof(T)));
  }
  explicit OnDevice(const std::vector<T>& values) : OnDevice(values.size()) {
    check(cudaMemcpy(data_, values.data(), count_ * sizeof(T), cudaMemcpyHostToDevice));
  }
  OnDevice(const OnDevice&) = delete;
  OnDevice& operator=(const OnDevice&) = delete;
  ~OnDevice() { cudaFree(data_); }
  T* get() { return data_; }
  std::vector<T> values() const {
    std::vector<T> out(count_);
    check(cudaMemcpy(out.data(), data_, count_ * sizeof(T), cudaMemcpyDeviceToHost));
    return out;
  }

 private:
  T* data_ = nullptr;
  std::size_t count_;
};

__global__ void cut(const float* signal, const float* window, float* out, int frame, int hop,
                    int count) {
  const int at = blockIdx.x * blockDim.x + threadIdx.x;
  if (at < count) out[at] = signal[at / frame * hop + at % frame] * window[at % frame];
}

__global__ void square(const cufftComplex* spectrum, float* out, int count) {
  const int at = blockIdx.x * blockDim.x + threadIdx.x;
  if (at < count) out[at] = spectrum[at].x * spectrum[at].x + spectrum[at].y * spectrum[at].y;
}

int blocks(int count) {
  return (count + 255) / 256;
}

}  // namespace

Result on_gpu(const std::vector<float>& signal, const Shape& shape) {
  const int frames = shape.frames(signal.size());
  const int samples = frames * shape.frame;
  const int bins = frames * shape.bins();
  OnDevice<float> input(signal), taper(window(shape)), weight(weights(shape));
  OnDevice<float> cut_out(samples), power(bins),
      bands(static_cast<std::size_t>(frames) * shape.bands);
  OnDevice<cufftComplex> spectrum(bins);

  cut<<<blocks(samples), 256>>>(input.get(), taper.get(), cut_out.get(), shape.frame, shape.hop,
                                samples);
  check(cudaGetLastError());
  cufftHandle plan;
  check(cufftPlan1d(&plan, shape.frame, CUFFT_R2C, frames));
  check(cufftExecR2C(plan, cut_out.get(), spectrum.get()));
  check(cufftDestroy(plan));
  square<<<blocks(bins), 256>>>(spectrum.get(), power.get(), bins);
  check(cudaGetLastError());

  // cuBLAS counts by columns: its bands × frames are our rows of frames.
  cublasHandle_t blas;
  const float one = 1, zero = 0;
  check(cublasCreate(&blas));
  check(cublasSgemm(blas, CUBLAS_OP_T, CUBLAS_OP_N, shape.bands, frames, shape.bins(), &one,
                    weight.get(), shape.bins(), power.get(), shape.bins(), &zero, bands.get(),
                    shape.bands));
  check(cublasDestroy(blas));
  return {power.values(), bands.values()};
}

std::string why_no_gpu() {
  int count = 0;
  const cudaError_t status = cudaGetDeviceCount(&count);
  if (status != cudaSuccess) return cudaGetErrorString(status);
  return count > 0 ? "" : "no CUDA device";
}

std::string library_versions() {
  int runtime = 0, fft = 0, major = 0, minor = 0, patch = 0;
  check(cudaRuntimeGetVersion(&runtime));
  check(cufftGetVersion(&fft));
  check(cublasGetProperty(MAJOR_VERSION, &major));
  check(cublasGetProperty(MINOR_VERSION, &minor));
  check(cublasGetProperty(PATCH_LEVEL, &patch));
  return "CUDA " + std::to_string(runtime) + ", cuBLAS " + std::to_string(major) + "." +
         std::to_string(minor) + "." + std::to_string(patch) + ", cuFFT " + std::to_string(fft);
}

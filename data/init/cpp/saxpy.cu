#include "saxpy.h"

#include <cuda_runtime.h>

namespace {

__global__ void saxpy_kernel(std::size_t count, float a, const float* x, float* y) {
  const std::size_t stride = std::size_t{blockDim.x} * gridDim.x;
  for (std::size_t i = std::size_t{blockIdx.x} * blockDim.x + threadIdx.x; i < count; i += stride)
    y[i] = a * x[i] + y[i];
}

/// Memory of the GPU that is given back whatever happens.
class Buffer {
 public:
  explicit Buffer(std::size_t bytes) : status_(cudaMalloc(&data_, bytes)) {}
  ~Buffer() { cudaFree(data_); }
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;
  float* get() const { return static_cast<float*>(data_); }
  cudaError_t status() const { return status_; }

 private:
  void* data_ = nullptr;
  cudaError_t status_;
};

cudaError_t run(float a, const std::vector<float>& x, std::vector<float>& y) {
  const std::size_t bytes = x.size() * sizeof(float);
  const Buffer device_x(bytes), device_y(bytes);
  cudaError_t status = device_x.status() != cudaSuccess ? device_x.status() : device_y.status();
  if (status == cudaSuccess)
    status = cudaMemcpy(device_x.get(), x.data(), bytes, cudaMemcpyHostToDevice);
  if (status == cudaSuccess)
    status = cudaMemcpy(device_y.get(), y.data(), bytes, cudaMemcpyHostToDevice);
  if (status != cudaSuccess) return status;
  constexpr unsigned kThreads = 256, kMostBlocks = 4096;
  const std::size_t blocks = (x.size() + kThreads - 1) / kThreads;
  saxpy_kernel<<<blocks < kMostBlocks ? static_cast<unsigned>(blocks) : kMostBlocks, kThreads>>>(
      x.size(), a, device_x.get(), device_y.get());
  status = cudaGetLastError();
  if (status == cudaSuccess)
    status = cudaMemcpy(y.data(), device_y.get(), bytes, cudaMemcpyDeviceToHost);
  return status;
}

}  // namespace

void saxpy_host(float a, const std::vector<float>& x, std::vector<float>& y) {
  for (std::size_t i = 0; i < x.size(); ++i) y[i] = a * x[i] + y[i];
}

std::string saxpy_device(float a, const std::vector<float>& x, std::vector<float>& y) {
  if (x.size() != y.size()) return "the vectors have different lengths";
  if (x.empty()) return {};
  const cudaError_t status = run(a, x, y);
  return status == cudaSuccess ? std::string() : std::string(cudaGetErrorString(status));
}

int device_count() {
  int count = 0;
  return cudaGetDeviceCount(&count) == cudaSuccess ? count : -1;
}

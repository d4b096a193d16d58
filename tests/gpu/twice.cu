// Runs one kernel and says how that went; verdicts.py builds it for one architecture at a time.
#include <cstdio>

__global__ void twice(int* value) { *value *= 2; }

int main() {
  int *device = nullptr, value = 21;
  cudaError_t error = cudaMalloc(&device, sizeof value);
  if (error == cudaSuccess) error = cudaMemcpy(device, &value, sizeof value, cudaMemcpyHostToDevice);
  if (error == cudaSuccess) {
    twice<<<1, 1>>>(device);
    error = cudaGetLastError();
  }
  if (error == cudaSuccess) error = cudaMemcpy(&value, device, sizeof value, cudaMemcpyDeviceToHost);
  const bool right = error == cudaSuccess && value == 42;
  std::puts(error == cudaSuccess && !right ? "wrong result" : cudaGetErrorName(error));
  return right ? 0 : 1;
}

#pragma once

#include <string>
#include <vector>

/// y = a x + y on the processor: what the GPU's result is compared with.
void saxpy_host(float a, const std::vector<float>& x, std::vector<float>& y);

/// The same on GPU 0. Returns what went wrong; empty when nothing did.
std::string saxpy_device(float a, const std::vector<float>& x, std::vector<float>& y);

/// How many GPUs there are; -1 without a driver.
int device_count();

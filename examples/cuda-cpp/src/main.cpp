// bandpower: how much power a signal has in each band, frame by frame.
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <exception>
#include <fstream>
#include <iterator>

#include "bandpower.h"

namespace {

enum Status { kFine = 0, kFailed = 1, kUsage = 2, kInput = 3, kNoGpu = 4 };

constexpr const char* kHelp =
    "Usage: bandpower [--cpu] [-o FILE] SIGNAL\n"
    "       bandpower --version\n\n"
    "Reads SIGNAL, 32-bit floats, and prints digests of its power spectrum and of the power in 24 "
    "bands; -o writes\n"
    "the latter, 24 floats for each frame. Ends with 2 for wrong usage, 3 for bad input, 4 where "
    "there is no GPU.\n";

int say(Status status, const std::string& text) {
  std::fprintf(stderr, "bandpower: %s\n", text.c_str());
  return status;
}

/// FNV-1a over the bytes: the same on every run on one kind of device.
std::uint64_t digest(const std::vector<float>& values) {
  std::uint64_t sum = 14695981039346656037ULL;
  const auto* bytes = reinterpret_cast<const unsigned char*>(values.data());
  for (std::size_t i = 0; i < values.size() * sizeof(float); ++i)
    sum = (sum ^ bytes[i]) * 1099511628211ULL;
  return sum;
}

int run(const std::string& input, const std::string& output, bool cpu) {
  const Shape shape;
  std::ifstream file(input, std::ios::binary);
  const std::string bytes(std::istreambuf_iterator<char>(file), {});
  if (!file) return say(kInput, input + " cannot be read");
  if (bytes.size() % sizeof(float) != 0 || bytes.size() < shape.frame * sizeof(float))
    return say(kInput, input + ": " + std::to_string(bytes.size()) + " bytes are not " +
                           std::to_string(shape.frame) + " floats or more");
  std::vector<float> signal(bytes.size() / sizeof(float));
  std::memcpy(signal.data(), bytes.data(), bytes.size());

  if (const std::string why = cpu ? "" : why_no_gpu(); !why.empty())
    return say(kNoGpu, "no GPU can be used here: " + why + "; --cpu does without");
  const Result result = cpu ? on_cpu(signal, shape) : on_gpu(signal, shape);
  std::printf("device %s\nframes %d\npower  %016llx\nbands  %016llx\n", cpu ? "CPU" : "GPU",
              shape.frames(signal.size()), static_cast<unsigned long long>(digest(result.power)),
              static_cast<unsigned long long>(digest(result.bands)));
  if (output.empty()) return kFine;
  std::ofstream out(output, std::ios::binary);
  out.write(reinterpret_cast<const char*>(result.bands.data()),
            static_cast<std::streamsize>(result.bands.size() * sizeof(float)));
  return out.flush() ? kFine : say(kFailed, output + " cannot be written");
}

}  // namespace

int main(int argc, char** argv) try {
  std::string input, output;
  bool cpu = false;
  for (int i = 1; i < argc; ++i) {
    const std::string word = argv[i];
    if (word == "--help") return std::fputs(kHelp, stdout) < 0 ? kFailed : kFine;
    if (word == "--version") return std::puts(library_versions().c_str()) < 0 ? kFailed : kFine;
    if (word == "--cpu") {
      cpu = true;
    } else if (word == "-o" && i + 1 < argc) {
      output = argv[++i];
    } else if (!word.starts_with("-") && input.empty()) {
      input = word;
    } else {
      return say(kUsage, "'" + word + "' is not understood; see --help");
    }
  }
  return input.empty() ? say(kUsage, "SIGNAL is missing; see --help") : run(input, output, cpu);
} catch (const std::exception& error) {
  return say(kFailed, error.what());
}

// Python wheels (PyPA, "Binary distribution format") as images of one layer.
#pragma once

#include <cstddef>
#include <memory>
#include <string>

#include "base/file.h"
#include "base/result.h"
#include "codec/zip.h"
#include "image/model/image.h"
#include "image/model/wheel_name.h"

namespace flense::image {

/// Where an installer puts the files of a wheel, and so their image paths.
inline constexpr std::string_view kWheelRoot = "site-packages/";

struct Wheel {
  WheelName name;
  codec::ZipArchive archive;
  // Members of the dist-info directory, by position.
  std::size_t metadata = 0, wheel = 0, record = 0;
};

/// `bytes` must outlive the result; `path` names the wheel.
Result<Wheel> read_wheel(Bytes bytes, const std::string& path);

/// The members in the order of the archive, below kWheelRoot.
Result<std::unique_ptr<Image>> open_wheel(const MappedFile& file, const std::string& path);

}  // namespace flense::image

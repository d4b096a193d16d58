#pragma once
namespace flense {
inline constexpr const char* kVersion = "0.1.0";
}

// Safetensors files made by hand.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace lf {

inline std::string length_bytes(uint64_t length) {
  return {reinterpret_cast<const char*>(&length), sizeof length};
}

// A file of this header and so many bytes of data.
inline std::string file_of(const std::string& header, size_t data_bytes) {
  return length_bytes(header.size()) + header + std::string(data_bytes, 'd');
}

}  // namespace lf

// The header of a safetensors file: eight bytes of length (little-endian), then that many bytes of JSON, then
// the data. Parsing is strict, because the file may come from anywhere.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "core/weights/safetensors.h"

namespace lf {

struct SafetensorsHeader {
  std::vector<TensorInfo> tensors;  // in the order of their bytes
  SafetensorsMetadata metadata;
};

// Reads and checks the header of a whole file; `path` is for the messages.
SafetensorsHeader parse_safetensors_header(std::span<const uint8_t> file, const std::string& path);

// Length and JSON, padded with spaces so that the data begin at a multiple of eight bytes.
std::string safetensors_header(const std::vector<TensorSpec>& tensors, const SafetensorsMetadata& metadata);

}  // namespace lf

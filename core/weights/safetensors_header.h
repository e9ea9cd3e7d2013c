// The header of a safetensors file: eight bytes of length (little-endian), then that many bytes of JSON, then
// the data. Parsing is strict, because the file may come from anywhere.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "core/tensor.h"

namespace lf {

// What a file says about itself; Hugging Face's programs want {"format": "pt"} in the files they load.
using SafetensorsMetadata = std::map<std::string, std::string>;

// One entry of a file's header.
struct TensorInfo {
  std::string name;
  std::string stored_dtype;    // in the file's spelling: "F32", "F8_E4M3"
  std::optional<DType> dtype;  // absent when this program has no such type
  Shape shape;
  int64_t begin = 0, end = 0;  // where the bytes lie in the file
};

// What a tensor of a file will be, before its values are known.
struct TensorSpec {
  std::string name;
  DType dtype = DType::f32;
  Shape shape;

  int64_t bytes() const { return shape.elements() * size_of(dtype); }
};

struct SafetensorsHeader {
  std::vector<TensorInfo> tensors;  // in the order of their bytes
  SafetensorsMetadata metadata;
};

// Reads and checks the header of a whole file; `path` is for the messages.
SafetensorsHeader parse_safetensors_header(std::span<const uint8_t> file, const std::string& path);

// Length and JSON, padded with spaces so that the data begin at a multiple of eight bytes.
std::string safetensors_header(const std::vector<TensorSpec>& tensors, const SafetensorsMetadata& metadata);

}  // namespace lf

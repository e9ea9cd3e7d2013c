// The index of a sharded checkpoint (model.safetensors.index.json, pytorch_model.bin.index.json): which file
// holds which tensor.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace lf {

struct WeightsIndex {
  std::vector<std::string> files;              // names beside the index, sorted
  std::map<std::string, std::string> file_of;  // by tensor
  std::optional<int64_t> total_size;           // bytes of all tensors
};

// Strict: repeated keys, files outside the index's folder and anything that is no such index are Errors that
// begin with `path`.
WeightsIndex parse_weights_index(std::string json, const std::string& path);

}  // namespace lf

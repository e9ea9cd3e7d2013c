// PyTorch's file format before 1.6: five pickles (magic number, protocol, system, objects, list of keys),
// then each storage as its number of elements and its bytes.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>

#include "core/weights/torch_contents.h"

namespace lf {

struct TorchLegacy {
  TorchContents contents;
  std::map<std::string, std::span<const uint8_t>> storages;  // by key; they lie in the file
};

// Reads and checks the whole structure; `path` is for the messages.
TorchLegacy parse_torch_legacy(std::span<const uint8_t> file, const std::string& path);

}  // namespace lf

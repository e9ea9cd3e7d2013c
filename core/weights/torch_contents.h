// The tensors that the object pickle of a PyTorch checkpoint describes, checked against the storages that it
// claims. Which dictionary is the state dict, and how nested ones are named, is decided here.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/tensor.h"
#include "core/weights/pickle.h"

namespace lf {

// One tensor: a view of a storage, which other tensors may share.
struct TorchTensor {
  std::string name;
  std::string stored_dtype;    // in the spelling of safetensors: "F32", "F16", "BOOL"
  std::optional<DType> dtype;  // of what is read: F16 becomes f32, BOOL u8; absent when there is no such type
  Shape shape;
  int64_t element_bytes = 0;     // as stored
  std::string storage;           // its key; equal keys are the same memory
  int64_t offset = 0;            // in elements, from the storage's beginning
  std::vector<int64_t> strides;  // in elements, as long as the shape; none is negative

  bool contiguous() const;
};

struct TorchStorage {
  int64_t bytes = 0, element_bytes = 1;
};

struct TorchContents {
  std::vector<TorchTensor> tensors;              // in the order of the pickle
  std::map<std::string, TorchStorage> storages;  // by key; all that the pickle mentions
  std::string wrapper;                           // "state_dict": the entry that was taken; "" for the whole
  std::vector<std::string> left_out;             // entries beside the wrapper
};

// Errors begin with `who`.
TorchContents torch_contents(const Pickle& pickle, const std::string& who);

}  // namespace lf

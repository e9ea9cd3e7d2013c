// PyTorch's element types, what its pickles call them and what this program reads them as.
#pragma once

#include <optional>
#include <span>

#include "core/dtype.h"
#include "core/weights/pickle.h"

namespace lf {

struct TorchType {
  const char* storage;  // class of the storages in module torch; "" for types that have none
  const char* dtype;    // name in module torch
  const char* stored;   // in the spelling of safetensors
  int64_t bytes;        // of an element
  std::optional<DType> read_as;
};

inline constexpr TorchType kTorchTypes[] = {
    {"FloatStorage", "float32", "F32", 4, DType::f32},
    {"DoubleStorage", "float64", "F64", 8, DType::f64},
    {"BFloat16Storage", "bfloat16", "BF16", 2, DType::bf16},
    {"HalfStorage", "float16", "F16", 2, DType::f32},
    {"LongStorage", "int64", "I64", 8, DType::i64},
    {"IntStorage", "int32", "I32", 4, DType::i32},
    {"ByteStorage", "uint8", "U8", 1, DType::u8},
    {"BoolStorage", "bool", "BOOL", 1, DType::u8},
    {"", "uint16", "U16", 2, DType::u16},
    {"ShortStorage", "int16", "I16", 2, std::nullopt},
    {"CharStorage", "int8", "I8", 1, std::nullopt},
    {"ComplexFloatStorage", "complex64", "C64", 8, std::nullopt},
    {"ComplexDoubleStorage", "complex128", "C128", 16, std::nullopt},
    {"", "uint32", "U32", 4, std::nullopt},
    {"", "uint64", "U64", 8, std::nullopt},
    {"", "float8_e4m3fn", "F8_E4M3", 1, std::nullopt},
    {"", "float8_e5m2", "F8_E5M2", 1, std::nullopt},
};

// The globals that a checkpoint's pickles may mention, beside OrderedDict.
std::span<const PickleGlobal> torch_globals();

}  // namespace lf

// What several verbs' options name.
#pragma once

#include <string>
#include <vector>

#include "core/device.h"
#include "core/dtype.h"

namespace lf::cli {

// "cpu" or "cuda", a device that is there; throws a UsageError for another word, an Error that names the
// remedy where the device is missing.
Device parse_device(const std::string& text);

// "f32", "bf16" or "f64"; a UsageError that names `option` otherwise.
DType parse_dtype(const std::string& option, const std::string& text);

// Throws an Error when something that was printed has not been written; flushes. Verbs that print for long
// call it now and then, main() at the end.
void check_standard_output();

}  // namespace lf::cli

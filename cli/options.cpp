#include "cli/options.h"

#include <cerrno>
#include <cstdio>

#include "core/check.h"
#include "core/choices.h"
#include "core/files.h"
#include "core/messages.h"

namespace lf::cli {

Device parse_device(const std::string& text) {
  const Device device = choice_of<Device>("--device", text);
  require(device);
  return device;
}

DType parse_dtype(const std::string& option, const std::string& text) {
  for (const DType dtype : {DType::f32, DType::bf16, DType::f64}) {
    if (text == name(dtype)) return dtype;
  }
  throw UsageError(option + " is " + text + "; needed f32, bf16 or f64");
}

void check_standard_output() {
  errno = 0;
  const bool written = std::fflush(stdout) == 0 && std::ferror(stdout) == 0;
  // An earlier write may have failed, whose cause is not kept.
  CHECK(written, "cannot write standard output: ",
        errno != 0 ? reason(errno) : "the disk is full or the reader is gone");
}

}  // namespace lf::cli

// The error of memory that does not suffice.
#pragma once

#include "core/check.h"

namespace lf {

// What would need less depends on what was to be done: who knows it says it.
class OutOfMemory : public Error {
 public:
  using Error::Error;
};

}  // namespace lf

// A part of a text.
#pragma once

#include <cstdint>

namespace lf {

// The bytes [begin, end) of a text.
struct ByteRange {
  int64_t begin, end;
  friend bool operator==(const ByteRange&, const ByteRange&) = default;
};

}  // namespace lf

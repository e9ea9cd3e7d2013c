// Special tokens of a RoBERTa-like vocabulary: those that frame, fill and mask a sequence.
#pragma once

#include <cstdint>

namespace lf {

// Ids of the special tokens; the defaults are RoBERTa's. -1 where a vocabulary lacks one.
struct SpecialIds {
  int32_t begin = 0;    // <s>
  int32_t padding = 1;  // <pad>
  int32_t end = 2;      // </s>, also after every document
  int32_t unknown = 3;  // <unk>
  int32_t mask = -1;    // <mask>

  bool contains(int32_t id) const {
    return id >= 0 && (id == begin || id == padding || id == end || id == unknown || id == mask);
  }
  bool operator==(const SpecialIds&) const = default;
};

}  // namespace lf

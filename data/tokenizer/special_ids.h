// Ids of the tokens that frame, fill and mask a sequence.
#pragma once

#include <cstdint>
#include <optional>

namespace lf {

// Ids of the tokens with a meaning of their own; absent where the vocabulary has none.
struct SpecialIds {
  std::optional<int32_t> begin, padding, end, unknown, mask;  // <s> <pad> </s> <unk> <mask>

  bool contains(int32_t id) const {
    return id == begin || id == padding || id == end || id == unknown || id == mask;
  }
  bool operator==(const SpecialIds&) const = default;
};

}  // namespace lf

// The merges of byte-pair encoding: from the bytes of one piece of text to token ids.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <vector>

#include "data/tokenizer/tokenizer_definition.h"

namespace lf {

class MergeTable {
 public:
  // The definition must have passed check_definition().
  explicit MergeTable(const TokenizerDefinition& definition);

  // Appends the piece's ids: starting from its bytes, the merge that stands first in the list is done first,
  // the leftmost of equal ones. n bytes take O(n log n).
  void append(std::string_view piece, std::vector<int32_t>& ids) const;

 private:
  static constexpr uint32_t kNoRank = ~0u;
  struct Entry {
    uint64_t pair = kNoPair;
    uint32_t rank = kNoRank;
    int32_t merged = 0;
  };
  static constexpr uint64_t kNoPair = ~uint64_t{0};  // ids are not negative

  const Entry& find(int32_t left, int32_t right) const;
  void append_short(std::string_view piece, std::vector<int32_t>& ids) const;
  void append_long(std::string_view piece, std::vector<int32_t>& ids) const;

  std::array<int32_t, 256> byte_ids_;
  std::vector<Entry> entries_;  // a hash table, at most half full
  int shift_ = 0;
};

}  // namespace lf

#include "data/tokenizer/merge_table.h"

#include <algorithm>
#include <bit>
#include <functional>
#include <limits>
#include <queue>
#include <unordered_map>

#include "core/check.h"
#include "data/tokenizer/byte_alphabet.h"

namespace lf {
namespace {

// Below this many bytes, looking at every pair for each merge beats a queue.
constexpr size_t kShort = 48;

uint64_t pair_of(int32_t left, int32_t right) {
  return static_cast<uint64_t>(left) << 32 | static_cast<uint32_t>(right);
}

// Fibonacci hashing: the golden ratio's bits spread neighbouring ids.
uint64_t spread(uint64_t pair) { return (pair ^ pair >> 29) * 0x9E3779B97F4A7C15u; }

}  // namespace

MergeTable::MergeTable(const TokenizerDefinition& definition) {
  std::unordered_map<std::string_view, int32_t> ids;
  for (size_t id = 0; id < definition.tokens.size(); ++id) {
    ids.emplace(definition.tokens[id], static_cast<int32_t>(id));
  }
  for (size_t byte = 0; byte < 256; ++byte) {
    byte_ids_[byte] = ids.at(byte_character(static_cast<uint8_t>(byte)));
  }
  const size_t slots = std::bit_ceil(2 * definition.merges.size() + 2);
  entries_.resize(slots);
  shift_ = 64 - std::countr_zero(slots);
  uint32_t rank = 0;
  for (const Merge& merge : definition.merges) {
    const uint64_t pair = pair_of(merge.left, merge.right);
    size_t slot = spread(pair) >> shift_;
    while (entries_[slot].pair != kNoPair) slot = (slot + 1) & (slots - 1);
    entries_[slot] = {pair, rank++, merge.merged};
  }
}

const MergeTable::Entry& MergeTable::find(int32_t left, int32_t right) const {
  const uint64_t pair = pair_of(left, right);
  size_t slot = spread(pair) >> shift_;
  while (entries_[slot].pair != pair && entries_[slot].pair != kNoPair) {
    slot = (slot + 1) & (entries_.size() - 1);
  }
  return entries_[slot];
}

void MergeTable::append(std::string_view piece, std::vector<int32_t>& ids) const {
  piece.size() < kShort ? append_short(piece, ids) : append_long(piece, ids);
}

void MergeTable::append_short(std::string_view piece, std::vector<int32_t>& ids) const {
  std::array<int32_t, kShort> symbols;
  std::array<uint32_t, kShort> ranks;  // of the pair that begins at each symbol
  size_t count = piece.size();
  const auto rank_at = [&](size_t i) {
    return i + 1 < count ? find(symbols[i], symbols[i + 1]).rank : kNoRank;
  };
  for (size_t i = 0; i < count; ++i) symbols[i] = byte_ids_[static_cast<uint8_t>(piece[i])];
  for (size_t i = 0; i < count; ++i) ranks[i] = rank_at(i);
  while (count > 1) {
    const auto best = std::min_element(ranks.begin(), ranks.begin() + count);  // the leftmost smallest
    if (*best == kNoRank) break;
    const auto at = static_cast<size_t>(best - ranks.begin());
    symbols[at] = find(symbols[at], symbols[at + 1]).merged;
    std::copy(symbols.begin() + at + 2, symbols.begin() + count, symbols.begin() + at + 1);
    std::copy(ranks.begin() + at + 2, ranks.begin() + count, ranks.begin() + at + 1);
    --count;
    ranks[at] = rank_at(at);
    if (at > 0) ranks[at - 1] = rank_at(at - 1);
  }
  ids.insert(ids.end(), symbols.begin(), symbols.begin() + count);
}

void MergeTable::append_long(std::string_view piece, std::vector<int32_t>& ids) const {
  constexpr int32_t kNone = -1;
  struct Symbol {
    int32_t id, previous, next;  // id kNone: merged into the one before
  };
  struct Candidate {
    uint32_t rank;
    int32_t at;
    bool operator>(const Candidate& other) const {
      return rank != other.rank ? rank > other.rank : at > other.at;
    }
  };
  constexpr size_t kLongest = std::numeric_limits<int32_t>::max();
  CHECK(piece.size() <= kLongest, "tokenizer: a word of ", piece.size(), " bytes; the longest has ",
        kLongest);
  const auto count = static_cast<int32_t>(piece.size());
  std::vector<Symbol> symbols(piece.size());
  for (int32_t i = 0; i < count; ++i) {
    symbols[static_cast<size_t>(i)] = {byte_ids_[static_cast<uint8_t>(piece[static_cast<size_t>(i)])], i - 1,
                                       i + 1 < count ? i + 1 : kNone};
  }
  const auto symbol = [&](int32_t at) -> Symbol& { return symbols[static_cast<size_t>(at)]; };
  std::priority_queue<Candidate, std::vector<Candidate>, std::greater<>> queue;
  const auto propose = [&](int32_t at) {
    if (at == kNone || symbol(at).next == kNone) return;
    const uint32_t rank = find(symbol(at).id, symbol(symbol(at).next).id).rank;
    if (rank != kNoRank) queue.push({rank, at});
  };
  for (int32_t i = 0; i < count; ++i) propose(i);
  while (!queue.empty()) {
    const Candidate best = queue.top();
    queue.pop();
    Symbol& left = symbol(best.at);
    if (left.id == kNone || left.next == kNone) continue;
    Symbol& right = symbol(left.next);
    const Entry& merge = find(left.id, right.id);
    if (merge.rank != best.rank) continue;  // one of the two has changed since
    left.id = merge.merged;
    right.id = kNone;
    left.next = right.next;
    if (left.next != kNone) symbol(left.next).previous = best.at;
    propose(best.at);
    propose(left.previous);
  }
  for (int32_t at = 0; at != kNone; at = symbol(at).next) ids.push_back(symbol(at).id);
}

}  // namespace lf

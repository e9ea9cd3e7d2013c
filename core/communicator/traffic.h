// What a rank sends in the exchanges of over_transport.cpp, without any rank: for predictions.
#pragma once

#include <cstdint>
#include <vector>

namespace lf {

// Elements of a slice that are exchanged at a time: what is received of them lies in the cache when it is
// added.
inline constexpr int64_t kExchangedAtOnce = 1 << 18;

// Bytes that `rank` of so many sends in a gather of words, of which each rank has so many bytes.
int64_t gather_bytes(int rank, const std::vector<int64_t>& words);
// Of a reduction, or an accumulation, of `bytes`, of which it keeps `own`.
inline int64_t reduce_bytes(int64_t bytes, int64_t own) { return bytes - own; }
// When it hands `own` bytes to all the others.
inline int64_t all_gather_bytes(int64_t own, int64_t ranks) { return own * (ranks - 1); }

// Exchanges behind one another in a gather: two with rank 0, and two along the tree of ranks.
int64_t gather_exchanges(int64_t ranks);

// Bytes of memory in which a rank has what the others send it of a slice of `bytes`, while it adds that up.
int64_t reduce_buffer_bytes(int64_t bytes, int64_t ranks);

}  // namespace lf

// How a model's flat block is cut for several ranks: into buckets, which are reduced one after the other
// while gradients are still being computed, and each bucket into the shares of the ranks, who update these.
#pragma once

#include <cstdint>
#include <vector>

#include "trainers/optimizer/parameter_groups.h"

namespace lf {

// One of several processes that share every update.
struct Rank {
  int64_t index = 0, count = 1;
};

// A bucket: where each rank's share begins, in elements of the block, and where the last one's ends.
using Bucket = std::vector<int64_t>;

class Shares {
 public:
  // Shares begin where a chunk of kernels::kSquares elements of a part does, so that sums over chunks do not
  // depend on how many there are. Buckets have about `bucket` elements; one rank has one bucket.
  Shares(const std::vector<ParameterGroup>& groups, int64_t elements, Rank rank, int64_t bucket);

  const std::vector<Bucket>& buckets() const { return buckets_; }

  // What a rank updates, in the block's order, with its place in tensors that hold one rank's share alone.
  struct Piece {
    int64_t begin = 0, end = 0;
    int64_t place = 0;
    size_t group = 0;
  };
  const std::vector<Piece>& own() const { return own_; }
  // Elements of this rank's shares together.
  int64_t own_elements() const { return own_elements_; }

  // Chunks that elements [begin, end) of a part are summed in.
  static int64_t chunks_in(int64_t begin, int64_t end);
  // Chunks of the rank's share of a bucket.
  int64_t chunks(size_t bucket, int64_t rank) const;

 private:
  // A part of a group, cut to a range of the block.
  struct Part {
    int64_t begin = 0, end = 0;
    size_t group = 0;
  };
  std::vector<Part> parts_within(int64_t begin, int64_t end) const;

  std::vector<Part> parts_;  // of all groups, in the block's order
  std::vector<Bucket> buckets_;
  std::vector<Piece> own_;
  int64_t own_elements_ = 0;
};

}  // namespace lf

#include "autograd/slice_sight.h"

#include <algorithm>
#include <utility>

namespace lf {

SliceSight::SliceSight(std::shared_ptr<const SequenceSlices> slices, const kernels::AttentionCall& call)
    : slices_(std::move(slices)), globals_(call.globals) {
  int64_t farthest = 1;
  for (const int32_t D : call.dilation) farthest = std::max<int64_t>(farthest, D);
  // Farther than the longest sequence there is nothing, however wide the window.
  before_ = std::min(call.left, slices_->longest()) * farthest;
  after_ = std::min(call.right, slices_->longest()) * farthest;
}

int64_t SliceSight::globals(int64_t b) const {
  if (!globals_) return 0;
  return globals_->offsets[static_cast<size_t>(b) + 1] - globals_->offsets[static_cast<size_t>(b)];
}

int64_t SliceSight::global(int64_t b, int64_t n) const {
  return globals_->positions[static_cast<size_t>(globals_->offsets[static_cast<size_t>(b)] + n)];
}

Stretch SliceSight::stretch(int64_t b, int rank) const {
  const int64_t begin = slices_->begin(b, rank), end = slices_->begin(b, rank + 1);
  if (begin == end) return {begin, end};
  return {std::max<int64_t>(0, begin - before_), std::min(slices_->length(b), end + after_)};
}

WantedRows SliceSight::wanted_by(int rank, const std::vector<std::vector<int64_t>>& offsets) const {
  WantedRows wanted;
  for (int64_t b = 0; b < slices_->sequences(); ++b) {
    const auto own_row = [&](int owner, int64_t token) {
      return offsets[static_cast<size_t>(owner)][static_cast<size_t>(b)] + token - slices_->begin(b, owner);
    };
    const Stretch seen = stretch(b, rank);
    for (int64_t token = seen.begin; token < seen.end;) {
      const int owner = slices_->owner(b, token);
      const int64_t end = std::min(seen.end, slices_->begin(b, owner + 1));
      wanted.add(owner, own_row(owner, token), end - token);
      token = end;
    }
    for (int64_t n = 0; n < globals(b); ++n) {
      const int owner = slices_->owner(b, global(b, n));
      wanted.add(owner, own_row(owner, global(b, n)), 1);
    }
  }
  return wanted;
}

std::vector<WantedRows> SliceSight::wanted() const {
  std::vector<std::vector<int64_t>> offsets;
  for (int rank = 0; rank < slices_->ranks->size(); ++rank) offsets.push_back(slices_->offsets(rank));
  std::vector<WantedRows> result;
  for (int rank = 0; rank < slices_->ranks->size(); ++rank) result.push_back(wanted_by(rank, offsets));
  return result;
}

}  // namespace lf

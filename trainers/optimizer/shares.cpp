#include "trainers/optimizer/shares.h"

#include <algorithm>

#include "core/kernels/kernels.h"

namespace lf {

Shares::Shares(const std::vector<ParameterGroup>& groups, int64_t elements, Rank rank, int64_t bucket) {
  for (size_t group = 0; group < groups.size(); ++group)
    for (const auto& [begin, end] : groups[group].parts) parts_.push_back({begin, end, group});
  std::sort(parts_.begin(), parts_.end(), [](const Part& a, const Part& b) { return a.begin < b.begin; });
  std::vector<int64_t> chunks;  // where they begin
  for (const Part& part : parts_)
    for (int64_t at = part.begin; at < part.end; at += kernels::kSquares) chunks.push_back(at);
  const auto count = std::ssize(chunks);
  const int64_t in_a_bucket =
      rank.count == 1 ? std::max<int64_t>(count, 1) : std::max<int64_t>(1, bucket / kernels::kSquares);
  for (int64_t first = 0; first < std::max<int64_t>(count, 1); first += in_a_bucket) {
    const int64_t last = std::min(first + in_a_bucket, count);
    const auto begin_of = [&](int64_t chunk) {
      return chunk == count ? elements : chunks[static_cast<size_t>(chunk)];
    };
    Bucket bounds;
    for (int64_t r = 0; r <= rank.count; ++r)
      bounds.push_back(begin_of(first + (last - first) * r / rank.count));
    if (first == 0) bounds.front() = 0;
    buckets_.push_back(bounds);
  }
  for (const Bucket& bounds : buckets_) {
    const int64_t begin = bounds[static_cast<size_t>(rank.index)],
                  end = bounds[static_cast<size_t>(rank.index) + 1];
    for (const Part& part : parts_within(begin, end))
      own_.push_back({part.begin, part.end, own_elements_ + part.begin - begin, part.group});
    own_elements_ += end - begin;
  }
}

int64_t Shares::chunks_in(int64_t begin, int64_t end) {
  return (end - begin + kernels::kSquares - 1) / kernels::kSquares;
}

std::vector<Shares::Part> Shares::parts_within(int64_t begin, int64_t end) const {
  std::vector<Part> result;
  for (Part part : parts_) {
    part.begin = std::max(part.begin, begin);
    part.end = std::min(part.end, end);
    if (part.begin < part.end) result.push_back(part);
  }
  return result;
}

int64_t Shares::chunks(size_t bucket, int64_t rank) const {
  const Bucket& bounds = buckets_[bucket];
  int64_t count = 0;
  for (const Part& part :
       parts_within(bounds[static_cast<size_t>(rank)], bounds[static_cast<size_t>(rank) + 1]))
    count += chunks_in(part.begin, part.end);
  return count;
}

}  // namespace lf

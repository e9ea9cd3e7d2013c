#include "autograd/sequence_slices.h"

#include <algorithm>

namespace lf {

int64_t SequenceSlices::longest() const {
  return lengths.empty() ? 0 : *std::max_element(lengths.begin(), lengths.end());
}

int SequenceSlices::owner(int64_t b, int64_t token) const {
  CHECK(token >= 0 && token < length(b), "slices: token ", token, " of sequence ", b, " is outside ",
        length(b), " tokens");
  return static_cast<int>(token * ranks->size() / length(b));
}

std::vector<int64_t> SequenceSlices::offsets(int rank) const {
  std::vector<int64_t> result{0};
  for (int64_t b = 0; b < sequences(); ++b)
    result.push_back(result.back() + begin(b, rank + 1) - begin(b, rank));
  return result;
}

Tensor SequenceSlices::own(const Tensor& whole) const {
  const int me = ranks->rank();
  const std::vector<int64_t> places = offsets(me);
  std::vector<int64_t> dims = whole.shape().dims();
  dims.front() = places.back();
  Tensor mine = Tensor::empty(Shape(dims), whole.dtype());
  int64_t first = 0;
  for (int64_t b = 0; b < sequences(); ++b) {
    const auto i = static_cast<size_t>(b);
    if (places[i] < places[i + 1])
      mine.slice(places[i], places[i + 1])
          .copy_from(whole.slice(first + begin(b, me), first + begin(b, me + 1)));
    first += length(b);
  }
  return mine;
}

std::vector<int64_t> SequenceSlices::sums_before(const std::vector<int64_t>& mine) const {
  const auto B = static_cast<size_t>(sequences()), size = static_cast<size_t>(ranks->size());
  std::vector<double> all(size * B);  // whole numbers far below 2^53
  for (size_t b = 0; b < B; ++b)
    all[static_cast<size_t>(ranks->rank()) * B + b] = static_cast<double>(mine[b]);
  ranks->sum(all);
  std::vector<int64_t> result(B);
  for (size_t rank = 0; rank < static_cast<size_t>(ranks->rank()); ++rank)
    for (size_t b = 0; b < B; ++b) result[b] += static_cast<int64_t>(all[rank * B + b]);
  return result;
}

GlobalTokens SequenceSlices::globals_of(int rank, const GlobalTokens& globals) const {
  GlobalTokens result{.offsets = {0}, .positions = {}};
  for (int64_t b = 0; b < sequences(); ++b) {
    const auto first = globals.positions.begin() + globals.offsets[static_cast<size_t>(b)],
               last = globals.positions.begin() + globals.offsets[static_cast<size_t>(b) + 1];
    for (auto position = first; position != last; ++position)
      if (owner(b, *position) == rank) result.positions.push_back(*position - begin(b, rank));
    result.offsets.push_back(static_cast<int64_t>(result.positions.size()));
  }
  return result;
}

}  // namespace lf

#include "layers/roberta_embeddings.h"

#include <algorithm>

#include "autograd/sequence_slices.h"

namespace lf {
namespace {

constexpr uint32_t kDropoutSite = 0;

}  // namespace

Tensor positions_of(const Tensor& ids, const std::vector<int64_t>& offsets, int32_t padding_id,
                    const SequenceSlices* slices) {
  Tensor result = Tensor::empty(ids.shape(), DType::i32);
  const int32_t* id = ids.data<int32_t>();
  int32_t* position = result.data<int32_t>();
  std::vector<int64_t> before(offsets.size() - 1);  // ids other than padding in the slices before
  if (slices) {
    for (size_t b = 0; b < before.size(); ++b)
      before[b] =
          std::count_if(id + offsets[b], id + offsets[b + 1], [&](int32_t i) { return i != padding_id; });
    before = slices->sums_before(before);
  }
  for (size_t b = 0; b + 1 < offsets.size(); ++b) {
    int32_t last = padding_id + static_cast<int32_t>(before[b]);
    for (int64_t n = offsets[b]; n < offsets[b + 1]; ++n)
      position[n] = id[n] == padding_id ? padding_id : ++last;
  }
  return result;
}

RobertaEmbeddings::RobertaEmbeddings(const EncoderShape& shape_)
    : shape(shape_),
      words{.shape = {shape_.vocabulary, shape_.width}},
      positions{.shape = {shape_.positions, shape_.width}},
      token_types{.shape = {shape_.token_types, shape_.width}},
      norm(shape_.make_norm()) {}

Var RobertaEmbeddings::operator()(const EncoderInput& input, const Pass& pass) const {
  const Tensor& ids = input.ids;
  const Tensor places = positions_of(ids, input.sequences(), shape.padding_id, pass.slices.get());
  // Look-ups of the padding id train neither table, as in PyTorch's padding_idx.
  Var x = embedding(words, ids, 1.0, pass.compute, shape.padding_id);
  x = add(x, embedding(positions, places, 1.0, pass.compute, shape.padding_id));
  x = add(x, embedding(token_types, Tensor::zeros(ids.shape(), DType::i32), 1.0, pass.compute));
  return dropout(norm(x), pass.token_dropout(shape.dropout, kDropoutSite));
}

}  // namespace lf

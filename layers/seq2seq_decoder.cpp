#include "layers/seq2seq_decoder.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <utility>

namespace lf {
namespace {

Tensor split_heads(const Var& x, int64_t heads) {
  return x.value().view({x.dim(0), heads, x.dim(1) / heads});
}

// The places of a cache of other sizes: step t of column c is place t * columns + c. No place is read before
// it was written.
Tensor moved(const Tensor& cache, int64_t steps, int64_t columns, int64_t new_steps, int64_t new_columns) {
  Tensor result =
      Tensor::empty({new_steps * new_columns, cache.dim(1), cache.dim(2)}, DType::f32, cache.device());
  for (int64_t t = 0; t < steps; ++t) {
    Tensor to = result.slice(t * new_columns, t * new_columns + columns);
    to.copy_from(cache.slice(t * columns, (t + 1) * columns));
  }
  return result;
}

}  // namespace

Seq2SeqDecoder::Seq2SeqDecoder(const Seq2Seq& model, int64_t tokens, int64_t texts)
    : model_(model), caches_(static_cast<size_t>(model.shape.decoder_layers)) {
  grow(tokens, texts);
}

void Seq2SeqDecoder::add(const EncoderOutput& source, int64_t texts) {
  CHECK(source.offsets.size() == 2 && texts > 0, "decoder: ", source.offsets.size() - 1,
        " sources at once, needed one; ", texts, " texts");
  const NoGrad no_grad;
  Source added{.keys = {}, .values = {}, .mask = source.mask, .columns = {}};
  for (const DecoderLayer& layer : model_.model.decoder.layers) {
    added.keys.push_back(split_heads(layer.cross.key(source.hidden), model_.shape.decoder_heads));
    added.values.push_back(split_heads(layer.cross.value(source.hidden), model_.shape.decoder_heads));
  }
  const auto missing = texts - std::ssize(free_columns_);
  if (missing > 0) grow(steps_, columns_ + missing);
  for (int64_t n = 0; n < texts; ++n) {
    added.columns.push_back(free_columns_.back());
    free_columns_.pop_back();
    texts_.push_back({sources_.size(), {}});
  }
  sources_.push_back(std::move(added));
}

void Seq2SeqDecoder::grow(int64_t steps, int64_t columns) {
  const Seq2SeqShape& shape = model_.shape;
  const int64_t H = shape.decoder_heads, K = shape.encoder.width / H;
  const Device device = model_.model.words.value.device();
  for (Cache& cache : caches_) {
    for (Tensor* x : {&cache.keys, &cache.values}) {
      if (!x->defined()) *x = Tensor::empty({0, H, K}, DType::f32, device);
      *x = moved(*x, steps_, columns_, steps, columns);
    }
  }
  for (Text& text : texts_) {
    for (int32_t& place : text.places) {
      const int64_t step = place / columns_, column = place % columns_;
      place = static_cast<int32_t>(step * columns + column);
    }
  }
  for (int64_t column = columns - 1; column >= columns_; --column)
    free_columns_.push_back(static_cast<int32_t>(column));
  steps_ = steps, columns_ = columns;
}

void Seq2SeqDecoder::reorder(const std::vector<int32_t>& parents) {
  std::vector<Text> texts;
  std::vector<bool> has_texts(sources_.size(), false);
  for (const int32_t parent : parents) {
    CHECK(parent >= 0 && parent < rows(), "decoder: row ", parent, " of ", rows());
    texts.push_back(texts_[static_cast<size_t>(parent)]);
    has_texts[texts.back().source] = true;
  }
  std::vector<Source> sources;
  std::vector<size_t> number(sources_.size());
  for (size_t s = 0; s < sources_.size(); ++s) {
    number[s] = sources.size();
    if (has_texts[s])
      sources.push_back(std::move(sources_[s]));
    else
      free_columns_.insert(free_columns_.end(), sources_[s].columns.begin(), sources_[s].columns.end());
  }
  for (Text& text : texts) text.source = number[text.source];
  sources_ = std::move(sources);
  texts_ = std::move(texts);
}

// Gives every text a place for its newest token: the step of the text's length, in the source's column for
// its n-th text, which no token of another text of that length has.
void Seq2SeqDecoder::place_tokens() {
  int64_t longest = 0;
  for (const Text& text : texts_) longest = std::max<int64_t>(longest, std::ssize(text.places));
  CHECK(longest < model_.shape.longest_target(), "decoder: a text of ", longest + 1,
        " tokens, but the model has ", model_.shape.longest_target(), " positions");
  if (longest == steps_) grow(2 * steps_, columns_);
  size_t nth = 0;
  for (size_t r = 0; r < texts_.size(); ++r) {
    Text& text = texts_[r];
    nth = r > 0 && texts_[r - 1].source == text.source ? nth + 1 : 0;
    const std::vector<int32_t>& columns = sources_[text.source].columns;
    CHECK(nth < columns.size(), "decoder: more texts of a source than it began with, ", columns.size());
    text.places.push_back(static_cast<int32_t>(std::ssize(text.places) * columns_ + columns[nth]));
  }
}

kernels::CachedRows Seq2SeqDecoder::cached_rows() const {
  int64_t longest = 0;
  for (const Text& text : texts_) longest = std::max<int64_t>(longest, std::ssize(text.places));
  std::vector<int32_t> unused;
  Tensor table = Tensor::zeros({rows(), longest}, DType::i32);
  for (size_t r = 0; r < texts_.size(); ++r) {
    const std::vector<int32_t>& places = texts_[r].places;
    unused.push_back(static_cast<int32_t>(longest - std::ssize(places)));
    std::copy(places.begin(), places.end(), table.data<int32_t>() + static_cast<int64_t>(r) * longest);
  }
  const Device device = model_.model.words.value.device();
  return {table.to(device), Tensor::from({rows()}, unused).to(device)};
}

Var Seq2SeqDecoder::embed(const Tensor& ids) const {
  std::vector<int64_t> positions;
  for (const Text& text : texts_) positions.push_back(std::ssize(text.places) - 1);
  return model_.embed_target(ids, positions, {});
}

Var Seq2SeqDecoder::see_own(size_t layer, const Var& x, const kernels::CachedRows& rows) {
  const BartAttention& attention = model_.model.decoder.layers[layer].self;
  const int64_t H = model_.shape.decoder_heads;
  const Tensor q = split_heads(attention.query(x), H), k = split_heads(attention.key(x), H),
               v = split_heads(attention.value(x), H);
  Tensor context = Tensor::like(q);
  kernels::beam_attention(rows, q, k, v, caches_[layer].keys, caches_[layer].values, context);
  return attention.output(context.view(x.shape()));
}

Var Seq2SeqDecoder::see_source(size_t layer, const Var& x) const {
  const BartAttention& attention = model_.model.decoder.layers[layer].cross;
  const Tensor q = split_heads(attention.query(x), model_.shape.decoder_heads);
  Tensor context = Tensor::like(q);
  for (int64_t begin = 0, end = 0; begin < rows(); begin = end) {
    const size_t number = texts_[static_cast<size_t>(begin)].source;
    while (end < rows() && texts_[static_cast<size_t>(end)].source == number) ++end;
    const Source& source = sources_[number];
    kernels::DenseCall call{.query_offsets = {0, end - begin}, .key_offsets = {0, source.keys[layer].dim(0)}};
    call.mask = source.mask;
    call.scale = 1.0 / std::sqrt(static_cast<double>(q.dim(2)));
    Tensor seen = context.slice(begin, end);
    Tensor lse = Tensor::empty({end - begin, q.dim(1)}, DType::f32, q.device());
    kernels::dense_attention(call, q.slice(begin, end), source.keys[layer], source.values[layer], seen, lse);
  }
  return attention.output(context.view(x.shape()));
}

Tensor Seq2SeqDecoder::next(const Tensor& ids) {
  CHECK(ids.shape() == Shape{rows()} && ids.dtype() == DType::i32, "decoder: ids are ", ids.shape(), ' ',
        name(ids.dtype()), " for ", rows(), " rows");
  const NoGrad no_grad;
  place_tokens();
  const kernels::CachedRows cached = cached_rows();
  Var x = embed(ids);
  for (size_t i = 0; i < caches_.size(); ++i) {
    x = decoder_block(
        model_.model.decoder.layers[i], x, [&](const Var& y) { return see_own(i, y, cached); },
        [&](const Var& y) { return see_source(i, y); }, {});
  }
  return model_.logits(x).value();
}

}  // namespace lf

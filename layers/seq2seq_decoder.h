// BART's and LED's decoder one token at a time, for several sources at once and several texts to a source, as
// beam search writes them. The sources' keys and values are computed once and shared by a source's texts;
// those of the texts stay where they were written, and texts that follow another refer to them.
#pragma once

#include <cstdint>
#include <vector>

#include "core/kernels/kernels.h"
#include "layers/seq2seq.h"

namespace lf {

class Seq2SeqDecoder {
 public:
  // The model must outlive the decoder. Computes in f32, where the model is. There is room for so many tokens
  // of so many texts; more of either make more room, at the price of a copy.
  explicit Seq2SeqDecoder(const Seq2Seq& model, int64_t tokens = 64, int64_t texts = 4);

  // One more source, the encoder's output of one document, with so many texts, all empty; they are the last
  // rows from now on.
  void add(const EncoderOutput& source, int64_t texts);
  int64_t rows() const { return static_cast<int64_t>(texts_.size()); }

  // Appends one token to every row, ids (R) i32 in CPU memory; returns the logits (R,V) f32 of those after
  // them, which a device may still be computing. An Error beyond the model's positions.
  Tensor next(const Tensor& ids);

  // Row r goes on from what was row parents[r], of the same source; sources of which no row is left leave. A
  // source's rows stand together, in the order of the sources, and are no more than it began with.
  void reorder(const std::vector<int32_t>& parents);

 private:
  // A text: of which source, and the places of its tokens.
  struct Text {
    size_t source;
    std::vector<int32_t> places;
  };
  struct Source {
    std::vector<Tensor> keys, values;  // of the layers, (N,H,K)
    Tensor mask;                       // (N) u8, or undefined
    std::vector<int32_t> columns;      // of the caches: where its texts write their tokens
  };
  struct Cache {
    Tensor keys, values;  // (steps columns,H,K)
  };
  void grow(int64_t steps, int64_t columns);
  void place_tokens();
  kernels::CachedRows cached_rows() const;
  Var embed(const Tensor& ids) const;
  Var see_own(size_t layer, const Var& x, const kernels::CachedRows& rows);
  Var see_source(size_t layer, const Var& x) const;

  const Seq2Seq& model_;
  std::vector<Cache> caches_;
  int64_t steps_ = 0, columns_ = 0;  // of the caches
  std::vector<int32_t> free_columns_;
  std::vector<Source> sources_;
  std::vector<Text> texts_;
};

}  // namespace lf

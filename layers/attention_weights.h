// The probabilities by which the layers of an encoder attend, as transformers returns them with
// output_attentions=True. Attention kernels never hold them: they are computed again, from queries and keys.
//
// Letters: B sequences, all of T tokens, H heads, x global tokens of the sequence that has most (padded ones
// are none), w a Longformer's window, both sides together.
//   attentions         (B, H, T, x + w + 1): of query t to the n-th global token in column n, and to token
//                      t + c - w / 2 in column x + c. Zero: columns of tokens that are not there, padded, or
//                      of global ones in the band; all of a row whose query is padded or global.
//   global_attentions  (B, H, T, x): of the n-th global token, as a query, to token t in [t][n]. Columns of a
//                      sequence that has fewer have 1 / (T rounded up to a multiple of the largest window):
//                      transformers pads to that, and its softmax has nothing to choose by.
// Without windows attentions are (B, H, T, T), zero where query or key is padded.
#pragma once

#include "layers/attention_probe.h"

namespace lf {

// x
int64_t most_global_tokens(const EncoderInput& input);

// The shapes of both in a layer. An Error unless the sequences are equally long.
Shape attention_shape(const EncoderShape& shape, const EncoderInput& input, int64_t layer);
Shape global_attention_shape(const EncoderShape& shape, const EncoderInput& input);

// The probabilities, f32 in CPU memory, where they are computed whatever the model's device and dtype.
Tensor attention_weights(const AttentionInputs& seen);
// Not to be asked for where x is 0.
Tensor global_attention_weights(const AttentionInputs& seen);

}  // namespace lf

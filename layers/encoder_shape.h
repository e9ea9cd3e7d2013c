// The sizes of RoBERTa and Longformer, and a batch of token sequences for them.
#pragma once

#include <algorithm>
#include <memory>
#include <vector>

#include "autograd/attention_pattern.h"
#include "layers/basic.h"

namespace lf {

struct EncoderShape {
  int64_t vocabulary = 50265, width = 768, layers = 12, heads = 12, feed_forward = 3072;
  int64_t positions = 514;  // rows of the position table
  int64_t token_types = 1;
  int32_t padding_id = 1;
  double layer_norm_epsilon = 1e-5, dropout = 0.1, attention_dropout = 0.1;
  double inner_dropout = 0;  // between the two products of the feed-forward network
  // Rows of the position table before that of position 0; -1: padding_id + 1, as RoBERTa has them.
  int64_t reserved_positions = -1;
  // Keys that a local query sees on both sides together, per layer, as in `attention_window`; empty: RoBERTa.
  std::vector<int64_t> windows;
  // Of a Longformer, whether global attention has projections of its own or those of the windows (the
  // ablation of Beltagy et al. 2020, table 10).
  bool own_global_projections = true;

  bool is_longformer() const { return !windows.empty(); }
  int64_t head_width() const { return width / heads; }
  // The windows by layer; of RoBERTa, which has none, `length` for each.
  std::vector<int64_t> windows_or(int64_t length) const {
    return is_longformer() ? windows : std::vector<int64_t>(static_cast<size_t>(layers), length);
  }
  int64_t first_position() const { return reserved_positions >= 0 ? reserved_positions : padding_id + 1; }
  // The longest sequence.
  int64_t longest() const { return positions - first_position(); }
  // Of a sequence that is to have so many tokens at most, what the positions allow; 0: nothing else limits
  // it.
  int64_t longest_read(int64_t wanted) const { return wanted > 0 ? std::min(wanted, longest()) : longest(); }
  // Throws Error unless the heads divide the width and the windows fit the layers.
  void check() const;

  // As they start in BERT: the identity.
  LayerNorm make_norm() const;
};

// In CPU memory whatever the model's device. A batch of B sequences is their N tokens one behind the other,
// and offsets; or, if they are equally long, (B, T) without.
struct EncoderInput {
  Tensor ids;                                         // (N) or (B, T) i32
  Tensor mask;                                        // likewise, u8, 1 = a real token; undefined: all are
  std::shared_ptr<const GlobalTokens> global_tokens;  // null: none; RoBERTa has none
  std::vector<int64_t> offsets{};                     // (B + 1), see AttentionPattern; empty: (B, T)

  bool is_ragged() const { return !offsets.empty(); }
  // Offsets in either case.
  std::vector<int64_t> sequences() const;
  std::vector<int64_t> lengths() const;
  int64_t longest() const;
};

// This rank's slices of whole sequences, with all their global tokens; everything where the pass cuts none.
EncoderInput part_of(const EncoderInput& whole, const Pass& pass);

}  // namespace lf

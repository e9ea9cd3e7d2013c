// The smallest modules: Linear, LayerNorm, FeedForward.
#pragma once

#include "autograd/ops.h"
#include "layers/module.h"

namespace lf {

class AttentionProbe;   // layers/attention_probe.h
class Communicator;     // core/communicator/communicator.h
struct SequenceSlices;  // autograd/sequence_slices.h

// What a forward pass knows besides its inputs: whether it trains, in which dtype it computes, what dropout
// draws, who looks on.
struct Pass {
  bool training = false;
  DType compute = DType::f32;
  uint64_t seed = 0;
  uint64_t step = 0;  // counts micro-batches over the whole run, so that no two draw the same bits
  AttentionProbe* probe = nullptr;  // is shown what the layers of an encoder attend by; null: nobody is
  // Where sequences are cut over ranks: inputs and outputs are those of this rank's slices, but for lists of
  // global tokens, and parameters' gradients its share, to be added up over ranks. Null: they are whole.
  std::shared_ptr<const SequenceSlices> slices{};
  // The ranks that would cut sequences: see over(). Null: none does.
  std::shared_ptr<Communicator> sequence_ranks{};

  // This pass over sequences of these lengths, cut where several ranks do that.
  Pass over(std::vector<int64_t> lengths) const;

  // Dropout at one site of the model; none outside training. Of what every rank has whole, and of
  // probabilities; token_dropout() is that of rows of tokens, slices of which draw the bits of the whole.
  Dropout dropout(double probability, uint32_t site) const {
    return {training ? probability : 0.0, {seed, kFirstDropoutUse + site, step}};
  }
  RowDropout token_dropout(double probability, uint32_t site) const;
};

// y = x weight^T + bias
struct Linear {
  Parameter weight, bias;

  Linear(int64_t inputs, int64_t outputs, bool has_bias) : weight{.shape = {outputs, inputs}} {
    if (has_bias) bias = {.shape = {outputs}, .initial = Initial::zero, .decays = false};
  }
  bool has_bias() const { return bias.shape.rank() > 0; }
  Var operator()(const Var& x) const {
    return linear(x, weight.in(x.dtype()), has_bias() ? static_cast<Var>(bias) : Var());
  }
  void visit(auto&& field) {
    field("weight", weight);
    if (has_bias()) field("bias", bias);
  }
};

struct LayerNorm {
  Parameter weight, bias;
  double epsilon;

  explicit LayerNorm(int64_t width, double epsilon_ = 1e-5)
      : weight{.shape = {width}, .initial = Initial::normal_around_one, .decays = false},
        bias{.shape = {width}, .initial = Initial::zero, .decays = false},
        epsilon(epsilon_) {}
  Var operator()(const Var& x) const { return layer_norm(x, weight, bias, epsilon); }
  // residual + dropout(x), and its norm.
  SumAndNorm of_sum(const Var& residual, const Var& x, const RowDropout& drop) const {
    return add_dropout_layer_norm(residual, x, drop, weight, bias, epsilon);
  }
  void visit(auto&& field) {
    field("weight", weight);
    field("bias", bias);
  }
};

// down(dropout(gelu(up(x))))
struct FeedForward {
  Linear up, down;

  FeedForward(int64_t width, int64_t inner) : up(width, inner, true), down(inner, width, true) {}
  Var operator()(const Var& x, const RowDropout& drop) const { return down(gelu_dropout(up(x), drop)); }
  void visit(auto&& field) {
    field("up", up);
    field("down", down);
  }
};

}  // namespace lf

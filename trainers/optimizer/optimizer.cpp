#include "trainers/optimizer/optimizer.h"

#include <cmath>

#include "core/failpoint.h"
#include "core/kernels/kernels.h"

namespace lf {

Optimizer::Optimizer(const ParameterBlock& block, const OptimizerSection& settings,
                     std::vector<ParameterGroup> groups, Rank rank, int64_t bucket)
    : block_(block),
      settings_(settings),
      groups_(std::move(groups)),
      rank_(rank),
      shares_(groups_, block.values.elements(), rank, bucket),
      first_(Tensor::zeros({shares_.own_elements()}, block.values.dtype(), block.values.device())),
      second_(Tensor::zeros_like(first_)) {}

Tensor Optimizer::squares() const {
  int64_t count = 0;
  for (const Shares::Piece& piece : shares_.own()) count += Shares::chunks_in(piece.begin, piece.end);
  Tensor all = Tensor::empty({count}, DType::f64, block_.gradients.device());
  int64_t done = 0;
  for (const Shares::Piece& piece : shares_.own()) {
    const int64_t here = Shares::chunks_in(piece.begin, piece.end);
    Tensor sums = all.slice(done, done + here);
    kernels::sums_of_squares(block_.gradients.slice(piece.begin, piece.end), sums);
    done += here;
  }
  return all;
}

Tensor Optimizer::squared_gradient_norm() const {
  CHECK(rank_.count == 1, "optimizer: each rank knows the gradients of its own shares");
  const Tensor all = squares();
  Tensor whole = Tensor::empty({1}, DType::f64, all.device());
  kernels::total(all, whole);
  return whole;
}

double Optimizer::gradient_norm() const { return std::sqrt(squared_gradient_norm().item()); }

void Optimizer::step(double learning_rate, double gradient_norm) {
  failpoint("optimizer.step");
  ++updates_;
  const bool clips = settings_.clip > 0 && gradient_norm > settings_.clip;
  kernels::AdamW update{.learning_rate = learning_rate,
                        .beta1 = settings_.betas[0],
                        .beta2 = settings_.betas[1],
                        .epsilon = settings_.epsilon,
                        .weight_decay = 0,
                        .step = updates_,
                        .gradient_scale = clips ? settings_.clip / gradient_norm : 1.0};
  for (const Shares::Piece& piece : shares_.own()) {
    const ParameterGroup& group = groups_[piece.group];
    update.learning_rate = learning_rate * group.rate_factor;
    update.weight_decay = group.weight_decay;
    const int64_t after = piece.place + piece.end - piece.begin;
    Tensor values = block_.values.slice(piece.begin, piece.end), first = first_.slice(piece.place, after),
           second = second_.slice(piece.place, after);
    kernels::adamw(update, block_.gradients.slice(piece.begin, piece.end), values, first, second);
  }
  if (rank_.count == 1) parameters_changed();
  zero_gradients();
}

void Optimizer::zero_gradients() { block_.gradients.fill_zero(); }

}  // namespace lf

#include "trainers/optimizer/optimizer.h"

#include <algorithm>
#include <cmath>

#include "core/kernels/kernels.h"

namespace lf {
namespace {

int64_t chunks_in(int64_t begin, int64_t end) {
  return (end - begin + kernels::kSquares - 1) / kernels::kSquares;
}

}  // namespace

Optimizer::Optimizer(const ParameterBlock& block, const OptimizerSection& settings,
                     std::vector<ParameterGroup> groups, Rank rank)
    : block_(block), settings_(settings), groups_(std::move(groups)), rank_(rank) {
  int64_t chunks = 0;
  for (size_t group = 0; group < groups_.size(); ++group) {
    for (const auto& [begin, end] : groups_[group].parts) {
      parts_.push_back({begin, end, group});
      chunks += chunks_in(begin, end);
    }
  }
  std::sort(parts_.begin(), parts_.end(), [](const Part& a, const Part& b) { return a.begin < b.begin; });
  // Shares begin where a chunk of squares does.
  bounds_.push_back(0);
  int64_t before = 0;
  for (const Part& part : parts_) {
    const int64_t here = chunks_in(part.begin, part.end);
    for (auto next = std::ssize(bounds_); next < rank.count; next = std::ssize(bounds_)) {
      const int64_t wanted = chunks * next / rank.count - before;
      if (wanted >= here) break;
      bounds_.push_back(part.begin + wanted * kernels::kSquares);
    }
    before += here;
  }
  bounds_.resize(static_cast<size_t>(rank.count) + 1, block.values.elements());
  const auto own = static_cast<size_t>(rank.index);
  first_ = Tensor::zeros({bounds_[own + 1] - bounds_[own]}, block.values.dtype(), block.values.device());
  second_ = Tensor::zeros_like(first_);
}

// What this rank updates.
std::vector<Optimizer::Part> Optimizer::own_parts() const {
  const auto own = static_cast<size_t>(rank_.index);
  std::vector<Part> result;
  for (Part part : parts_) {
    part.begin = std::max(part.begin, bounds_[own]);
    part.end = std::min(part.end, bounds_[own + 1]);
    if (part.begin < part.end) result.push_back(part);
  }
  return result;
}

Tensor Optimizer::squares() const {
  const std::vector<Part> parts = own_parts();
  int64_t count = 0;
  for (const auto& [begin, end, group] : parts) count += chunks_in(begin, end);
  Tensor all = Tensor::empty({count}, DType::f64, block_.gradients.device());
  int64_t done = 0;
  for (const auto& [begin, end, group] : parts) {
    const int64_t here = chunks_in(begin, end);
    Tensor sums = all.slice(done, done + here);
    kernels::sums_of_squares(block_.gradients.slice(begin, end), sums);
    done += here;
  }
  return all;
}

Tensor Optimizer::squared_gradient_norm() const {
  CHECK(rank_.count == 1, "optimizer: each rank knows the gradients of its own share");
  const Tensor all = squares();
  Tensor whole = Tensor::empty({1}, DType::f64, all.device());
  kernels::total(all, whole);
  return whole;
}

double Optimizer::gradient_norm() const { return std::sqrt(squared_gradient_norm().item()); }

void Optimizer::step(double learning_rate, double gradient_norm) {
  ++updates_;
  const bool clips = settings_.clip > 0 && gradient_norm > settings_.clip;
  kernels::AdamW update{.learning_rate = learning_rate,
                        .beta1 = settings_.betas[0],
                        .beta2 = settings_.betas[1],
                        .epsilon = settings_.epsilon,
                        .weight_decay = 0,
                        .step = updates_,
                        .gradient_scale = clips ? settings_.clip / gradient_norm : 1.0};
  const int64_t origin = bounds_[static_cast<size_t>(rank_.index)];
  for (const auto& [begin, end, index] : own_parts()) {
    const ParameterGroup& group = groups_[index];
    update.learning_rate = learning_rate * group.rate_factor;
    update.weight_decay = group.weight_decay;
    Tensor values = block_.values.slice(begin, end), first = first_.slice(begin - origin, end - origin),
           second = second_.slice(begin - origin, end - origin);
    kernels::adamw(update, block_.gradients.slice(begin, end), values, first, second);
  }
  if (rank_.count == 1) parameters_changed();
  zero_gradients();
}

void Optimizer::zero_gradients() { block_.gradients.fill_zero(); }

}  // namespace lf

#include "trainers/ranks/gradient_exchange.h"

#include <algorithm>
#include <cstring>

#include "core/kernels/kernels.h"
#include "core/profile.h"

namespace lf {
namespace {

std::string bytes_of(const double* values, size_t count) {
  return count == 0 ? std::string()
                    : std::string(reinterpret_cast<const char*>(values), count * sizeof(double));
}

}  // namespace

std::vector<double> in_order(Communicator& ranks, const std::vector<double>& mine) {
  if (ranks.size() == 1) return mine;
  std::vector<std::vector<double>> all;
  size_t count = 0;
  for (const std::string& bytes : ranks.gather(bytes_of(mine.data(), mine.size()))) {
    all.emplace_back(bytes.size() / sizeof(double));
    std::memcpy(all.back().data(), bytes.data(), bytes.size());
    count += all.back().size();
  }
  std::vector<double> result;
  for (size_t i = 0; i < count; ++i) result.push_back(all[i % all.size()].at(i / all.size()));
  return result;
}

GradientExchange::GradientExchange(Communicator& ranks, const ParameterBlock& block, Optimizer& optimizer,
                                   ReductionChoice reduction)
    : ranks_(ranks), block_(block), optimizer_(optimizer), reduction_(reduction) {
  if (reduction_ == ReductionChoice::ordered) total_ = Tensor::zeros_like(block.gradients);
}

int64_t GradientExchange::rounds(int64_t over_all_ranks) const {
  return (over_all_ranks + ranks_.size() - 1) / ranks_.size();
}

void GradientExchange::add_round(int64_t round, int64_t over_all_ranks) {
  if (reduction_ != ReductionChoice::ordered) return;
  const Phase phase("communication");
  const int64_t left = over_all_ranks - round * ranks_.size();
  const auto adding = static_cast<int>(std::min<int64_t>(left, ranks_.size()));
  ranks_.start_accumulate(block_.gradients, total_, adding, optimizer_.bounds()).wait();
  Tensor gradients = block_.gradients;  // the same memory
  gradients.fill_zero();
}

void GradientExchange::finish() {
  const Phase phase("communication");
  if (reduction_ == ReductionChoice::ordered) {
    Tensor gradients = block_.gradients;  // the same memory
    gradients.copy_from(total_);
    total_.fill_zero();
    return;
  }
  ranks_.start_reduce_scatter(block_.gradients, optimizer_.bounds()).wait();
}

Tensor GradientExchange::squared_norm() {
  const Phase phase("norm");
  if (ranks_.size() == 1) return optimizer_.squared_gradient_norm();
  const Tensor own = optimizer_.squares().to(Device::cpu);
  const std::vector<std::string> all =
      ranks_.gather(bytes_of(own.data<double>(), static_cast<size_t>(own.elements())));
  std::string joined;
  for (const std::string& each : all) joined += each;
  Tensor squares = Tensor::empty({static_cast<int64_t>(joined.size() / sizeof(double))}, DType::f64);
  std::memcpy(squares.raw(), joined.data(), joined.size());
  Tensor whole = Tensor::empty({1}, DType::f64);
  kernels::total(squares, whole);
  return whole;
}

void GradientExchange::share_parameters() {
  const Phase phase("communication");
  ranks_.start_all_gather(block_.values, optimizer_.bounds()).wait();
  optimizer_.parameters_changed();
}

}  // namespace lf

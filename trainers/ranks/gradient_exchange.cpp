#include "trainers/ranks/gradient_exchange.h"

#include <algorithm>
#include <iterator>
#include <sstream>
#include <utility>

#include "core/communicator/divided.h"
#include "core/kernels/kernels.h"
#include "core/profile.h"

namespace lf {
std::vector<double> in_order(const RankGrid& ranks, const std::vector<double>& mine, size_t numbers) {
  const std::vector<std::vector<double>> all = gather_numbers(ranks.all(), mine);
  size_t count = 0;
  for (const std::vector<double>& each : all) count += each.size();
  std::vector<double> result;
  // Ranks are in the order of groups and slices, and so are the slices of a round's micro-batches.
  for (size_t i = 0; i < count / numbers; ++i)
    for (size_t k = 0; k < numbers; ++k)
      result.push_back(all[i % all.size()].at(i / all.size() * numbers + k));
  return result;
}

// Sends buckets while backward runs.
class GradientExchange::Watch : public GradientWatch {
 public:
  explicit Watch(GradientExchange& exchange) : exchange_(exchange), awaited_(exchange.buckets_) {}

  void begins(const std::vector<const Gradient*>& awaited) override {
    for (const Gradient* gradient : awaited)
      for_each_bucket(*gradient, [&](size_t bucket) { ++awaited_[bucket]; });
    for (size_t bucket = 0; bucket < awaited_.size(); ++bucket)
      if (awaited_[bucket] == 0) exchange_.completed_.push_back(bucket);
    send();
  }
  void completed(const Gradient& gradient) override {
    for_each_bucket(gradient, [&](size_t bucket) {
      if (--awaited_[bucket] == 0) exchange_.completed_.push_back(bucket);
    });
    send();
  }

 private:
  // f(bucket) for each that has elements of the gradient.
  template <class F>
  void for_each_bucket(const Gradient& gradient, F&& f) {
    const Tensor& all = exchange_.block_.gradients;
    const int64_t begin = (gradient.sum.raw() - all.raw()) / size_of(all.dtype()),
                  end = begin + gradient.sum.elements();
    const std::vector<Bucket>& buckets = exchange_.optimizer_.shares().buckets();
    for (size_t bucket = 0; bucket < buckets.size(); ++bucket)
      if (begin < buckets[bucket].back() && end > buckets[bucket].front()) f(bucket);
  }

  // All ranks send in one order, whichever bucket is complete first here.
  void send() {
    while (exchange_.sent_ < exchange_.order_.size() && awaited_[exchange_.order_[exchange_.sent_]] == 0)
      exchange_.start(exchange_.order_[exchange_.sent_++]);
  }

  GradientExchange& exchange_;
  std::vector<int64_t> awaited_;  // gradients that a bucket still waits for
};

GradientExchange::GradientExchange(const RankGrid& ranks, const ParameterBlock& block, Optimizer& optimizer,
                                   ReductionChoice reduction)
    : grid_(ranks),
      ranks_(ranks.all()),
      block_(block),
      optimizer_(optimizer),
      reduction_(reduction),
      buckets_(optimizer.shares().buckets().size()) {
  if (reduction_ == ReductionChoice::ordered) total_ = Tensor::zeros_like(block.gradients);
  for (size_t bucket = buckets_; bucket-- > 0;) order_.push_back(bucket);
}

GradientExchange::~GradientExchange() = default;

Tensor GradientExchange::bucket_of(const Tensor& block, size_t bucket) const {
  const Bucket& bounds = optimizer_.shares().buckets()[bucket];
  return block.slice(bounds.front(), bounds.back());
}

Bounds GradientExchange::slices_of(size_t bucket) const {
  Bounds slices = optimizer_.shares().buckets()[bucket];
  const int64_t begin = slices.front();
  for (int64_t& bound : slices) bound -= begin;
  return slices;
}

int64_t GradientExchange::rounds(int64_t over_all_ranks) const {
  return (over_all_ranks + grid_.groups() - 1) / grid_.groups();
}

bool GradientExchange::has_micro_batch(int64_t round, int64_t over_all_ranks) const {
  return round * grid_.groups() + grid_.group() < over_all_ranks;
}

// Whether gradients are sent in the round: in ordered reduction in each, otherwise once they have all been
// added up here.
bool GradientExchange::is_sent_in(int64_t round, int64_t over_all_ranks) const {
  return reduction_ == ReductionChoice::ordered || !has_micro_batch(round + 1, over_all_ranks);
}

void GradientExchange::begin_round(int64_t round, int64_t over_all_ranks) {
  const int64_t left = over_all_ranks - round * grid_.groups();
  adding_ = static_cast<int>(std::min<int64_t>(left, grid_.groups())) * grid_.slices();
  if (ranks_.size() == 1 || !has_micro_batch(round, over_all_ranks) || !is_sent_in(round, over_all_ranks))
    return;
  completed_.clear();
  watch_ = std::make_unique<Watch>(*this);
}

void GradientExchange::end_round(int64_t, int64_t) {
  watch_.reset();
  if (reduction_ != ReductionChoice::ordered) return;
  send_rest();
  Tensor gradients = block_.gradients;  // the same memory
  gradients.fill_zero();
}

void GradientExchange::start(size_t bucket) {
  const Tensor gradients = bucket_of(block_.gradients, bucket);
  pending_.push_back(
      reduction_ == ReductionChoice::ordered
          ? ranks_.start_accumulate(gradients, bucket_of(total_, bucket), adding_, slices_of(bucket))
          : ranks_.start_reduce_scatter(gradients, slices_of(bucket)));
}

// What backward has not sent, and then waits for all.
void GradientExchange::send_rest() {
  const Phase phase("communication");
  while (sent_ < order_.size()) start(order_[sent_++]);
  for (Pending& pending : pending_) pending.wait();
  pending_.clear();
  sent_ = 0;
}

void GradientExchange::finish() {
  if (reduction_ == ReductionChoice::ordered) {
    Tensor gradients = block_.gradients;  // the same memory
    gradients.copy_from(total_);
    total_.fill_zero();
  } else {
    send_rest();
  }
  if (buckets_ == 1 || !order_is_guessed_) return;
  // From now on buckets go in the order in which rank 0 has completed them.
  std::string words;
  for (const size_t bucket : completed_) words += text(bucket, ' ');
  std::istringstream order(ranks_.broadcast(words));
  std::vector<size_t> agreed{std::istream_iterator<size_t>(order), std::istream_iterator<size_t>()};
  if (agreed.size() == buckets_) order_ = std::move(agreed);
  order_is_guessed_ = false;
}

Tensor GradientExchange::squared_norm() {
  const Phase phase("norm");
  if (ranks_.size() == 1) return optimizer_.squared_gradient_norm();
  const Tensor own = optimizer_.squares().to(Device::cpu);
  const std::vector<std::vector<double>> all = gather_numbers(ranks_, own.to_doubles());
  // In the block's order: each bucket's shares, by rank.
  std::vector<double> joined;
  std::vector<int64_t> taken(all.size());
  for (size_t bucket = 0; bucket < buckets_; ++bucket) {
    for (size_t rank = 0; rank < all.size(); ++rank) {
      const int64_t chunks = optimizer_.shares().chunks(bucket, static_cast<int64_t>(rank));
      const auto begin = all[rank].begin() + taken[rank];
      joined.insert(joined.end(), begin, begin + chunks);
      taken[rank] += chunks;
    }
  }
  // Added where one rank would add them: the device has an order of its own.
  const Device device = block_.gradients.device();
  const Tensor squares = Tensor::from({std::ssize(joined)}, joined).to(device);
  Tensor whole = Tensor::empty({1}, DType::f64, device);
  kernels::total(squares, whole);
  return whole;
}

void GradientExchange::share_parameters() {
  const Phase phase("communication");
  for (size_t bucket = 0; bucket < buckets_; ++bucket)
    pending_.push_back(ranks_.start_all_gather(bucket_of(block_.values, bucket), slices_of(bucket)));
  for (Pending& pending : pending_) pending.wait();
  pending_.clear();
  optimizer_.parameters_changed();
}

}  // namespace lf

#include "trainers/ranks/shared_state.h"

#include <nlohmann/json.hpp>
#include <utility>

#include "core/communicator/divided.h"

namespace lf {
namespace {

void copy_into(Tensor place, const Tensor& values) {
  if (place.elements() > 0) place.copy_from(values);
}

// A rank's shares of a whole block on rank 0, bucket by bucket, as parcels to or from that rank.
std::vector<Communicator::Parcel> shares_in(const Tensor& whole, const Shares& shares, int rank) {
  std::vector<Communicator::Parcel> parcels;
  const auto r = static_cast<size_t>(rank);
  for (const Bucket& bounds : shares.buckets())
    if (bounds[r] < bounds[r + 1]) parcels.push_back({rank, whole.slice(bounds[r], bounds[r + 1])});
  return parcels;
}

// The same of this rank's shares, which stand one after the other, as parcels to or from rank 0.
std::vector<Communicator::Parcel> own_shares(const Tensor& share, const Shares& shares, int rank) {
  std::vector<Communicator::Parcel> parcels;
  const auto r = static_cast<size_t>(rank);
  int64_t place = 0;
  for (const Bucket& bounds : shares.buckets()) {
    const int64_t length = bounds[r + 1] - bounds[r];
    if (length > 0) parcels.push_back({0, share.slice(place, place + length)});
    place += length;
  }
  return parcels;
}

std::vector<Communicator::Parcel> shares_of_others(const Tensor& whole, const Shares& shares, int ranks) {
  std::vector<Communicator::Parcel> parcels;
  for (int rank = 1; rank < ranks; ++rank)
    for (Communicator::Parcel& parcel : shares_in(whole, shares, rank)) parcels.push_back(std::move(parcel));
  return parcels;
}

void gather(Communicator& ranks, const Tensor& share, const Shares& shares, const Tensor& whole) {
  const std::vector<Communicator::Parcel> mine = own_shares(share.to(Device::cpu), shares, ranks.rank());
  if (ranks.rank() != 0) return ranks.exchange(mine, {});
  const std::vector<Communicator::Parcel> places = shares_in(whole, shares, 0);
  for (size_t i = 0; i < places.size(); ++i) copy_into(places[i].content, mine[i].content);
  ranks.exchange({}, shares_of_others(whole, shares, ranks.size()));
}

void scatter(Communicator& ranks, const Tensor& whole, const Shares& shares, const Tensor& share) {
  if (ranks.size() == 1) return copy_into(share, whole);
  const Tensor own = share.device() == Device::cpu ? share : Tensor::empty(share.shape(), share.dtype());
  const std::vector<Communicator::Parcel> mine = own_shares(own, shares, ranks.rank());
  if (ranks.rank() == 0) {
    ranks.exchange(shares_of_others(whole, shares, ranks.size()), {});
    const std::vector<Communicator::Parcel> places = shares_in(whole, shares, 0);
    for (size_t i = 0; i < places.size(); ++i) copy_into(mine[i].content, places[i].content);
  } else {
    ranks.exchange({}, mine);
  }
  if (share.device() != Device::cpu) copy_into(share, own);
}

}  // namespace

void gather_state(Communicator& ranks, Optimizer& optimizer, OptimizerState& whole) {
  gather(ranks, optimizer.first(), optimizer.shares(), whole.first);
  gather(ranks, optimizer.second(), optimizer.shares(), whole.second);
  whole.updates = optimizer.updates();
}

void share_state(Communicator& ranks, const ParameterBlock& block, RunState& state,
                 const OptimizerState& whole, Optimizer& optimizer) {
  const auto words = [&] {
    return nlohmann::ordered_json({{"run", to_json(state)}, {"updates", whole.updates}}).dump();
  };
  const nlohmann::ordered_json shared =
      nlohmann::ordered_json::parse(ranks.broadcast(ranks.rank() == 0 ? words() : std::string()));
  state = run_state_from_json(shared.at("run"));
  optimizer.set_updates(shared.at("updates").get<int64_t>());
  if (ranks.size() > 1) {
    const Tensor values = block.values.to(Device::cpu);
    ranks.broadcast(values);
    if (block.values.device() != Device::cpu) copy_into(block.values, values);
    block.changed();
  }
  scatter(ranks, whole.first, optimizer.shares(), optimizer.first());
  scatter(ranks, whole.second, optimizer.shares(), optimizer.second());
}

void share_metrics(Communicator& ranks, Evaluation& score) {
  if (ranks.size() == 1) return;
  std::vector<double> values;
  for (const Metric& metric : score.metrics) values.push_back(metric.value);
  const std::vector<double> shared = gather_numbers(ranks, values).front();
  CHECK(shared.size() == values.size(), "ranks scored different metrics");
  for (size_t i = 0; i < shared.size(); ++i) score.metrics[i].value = shared[i];
}

}  // namespace lf

#include "trainers/ranks/shared_state.h"

#include <cstring>
#include <nlohmann/json.hpp>

namespace lf {
namespace {

// A rank's share of a flat block.
Tensor share_of(const Tensor& whole, const Bounds& bounds, int rank) {
  const auto r = static_cast<size_t>(rank);
  return whole.slice(bounds[r], bounds[r + 1]);
}

bool has_share(const Bounds& bounds, int rank) {
  const auto r = static_cast<size_t>(rank);
  return bounds[r] < bounds[r + 1];
}

// The shares of the ranks but rank 0, which they send to it or receive from it.
std::vector<Communicator::Parcel> shares_of_others(const Tensor& whole, const Bounds& bounds, int ranks) {
  std::vector<Communicator::Parcel> parcels;
  for (int rank = 1; rank < ranks; ++rank)
    if (has_share(bounds, rank)) parcels.push_back({rank, share_of(whole, bounds, rank)});
  return parcels;
}

// This rank's share, for rank 0.
std::vector<Communicator::Parcel> own_share(const Tensor& share, const Bounds& bounds, int rank) {
  if (!has_share(bounds, rank)) return {};
  return {{0, share}};
}

void copy_into(Tensor place, const Tensor& values) {
  if (place.elements() > 0) place.copy_from(values);
}

Tensor gathered(Communicator& ranks, const Tensor& share, const Bounds& bounds) {
  const Tensor own = share.to(Device::cpu);
  if (ranks.size() == 1) return own;
  if (ranks.rank() != 0) {
    ranks.exchange(own_share(own, bounds, ranks.rank()), {});
    return {};
  }
  const Tensor whole = Tensor::empty({bounds.back()}, share.dtype());
  copy_into(share_of(whole, bounds, 0), own);
  ranks.exchange({}, shares_of_others(whole, bounds, ranks.size()));
  return whole;
}

void scatter(Communicator& ranks, const Tensor& whole, const Bounds& bounds, const Tensor& share) {
  if (ranks.rank() == 0) {
    ranks.exchange(shares_of_others(whole, bounds, ranks.size()), {});
    return copy_into(share, share_of(whole, bounds, 0));
  }
  const Tensor own = share.device() == Device::cpu ? share : Tensor::empty(share.shape(), share.dtype());
  ranks.exchange({}, own_share(own, bounds, ranks.rank()));
  if (share.device() != Device::cpu) copy_into(share, own);
}

}  // namespace

OptimizerState whole_state(Communicator& ranks, Optimizer& optimizer) {
  return {gathered(ranks, optimizer.first(), optimizer.bounds()),
          gathered(ranks, optimizer.second(), optimizer.bounds()), optimizer.updates()};
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
  scatter(ranks, whole.first, optimizer.bounds(), optimizer.first());
  scatter(ranks, whole.second, optimizer.bounds(), optimizer.second());
}

void share_metrics(Communicator& ranks, Evaluation& score) {
  if (ranks.size() == 1) return;
  std::string values(score.metrics.size() * sizeof(double), '\0');
  for (size_t i = 0; i < score.metrics.size(); ++i)
    std::memcpy(values.data() + i * sizeof(double), &score.metrics[i].value, sizeof(double));
  const std::string shared = ranks.broadcast(values);
  CHECK(shared.size() == values.size(), "ranks scored different metrics");
  for (size_t i = 0; i < score.metrics.size(); ++i)
    std::memcpy(&score.metrics[i].value, shared.data() + i * sizeof(double), sizeof(double));
}

}  // namespace lf

#include "trainers/measure/predicted_ranks.h"

#include <algorithm>
#include <cmath>
#include <iterator>

#include "core/communicator/rank_grid.h"
#include "core/communicator/traffic.h"
#include "trainers/ranks/same_run.h"
#include "trainers/tasks/micro_batches.h"

namespace lf {
namespace {

constexpr int64_t kUpdates = 32;            // that are looked at
constexpr double kBackwardShare = 2.0 / 3;  // of forward and backward: twice the products

// The work of updates, and of it what the slowest ranks have to do one after the other, in tokens.
struct Work {
  double tokens = 0, critical = 0, micro_batches = 0, rounds = 0;
  std::vector<int64_t> of_groups;  // micro-batches of each in the first update
};

// Of groups of ranks, each of which has a slice of all that its group computes.
Work work_of(const Task& task, const Stage& stage, int64_t groups, bool in_rounds) {
  Work work{.of_groups = std::vector<int64_t>(static_cast<size_t>(groups))};
  const int64_t updates = std::clamp<int64_t>(task.examples(stage) / stage.batch_size, 1, kUpdates);
  const double share = 1.0 / static_cast<double>(updates);
  for (int64_t update = 0; update < updates; ++update) {
    const std::vector<ExampleRange> ranges = micro_batches_of(task, stage, update * stage.batch_size);
    std::vector<int64_t> tokens(static_cast<size_t>(groups));
    int64_t longest_of_round = 0, of_rounds = 0, all = 0;
    for (int64_t i = 0; i < std::ssize(ranges); ++i) {
      const int64_t here = tokens_of(task, stage, ranges[static_cast<size_t>(i)]);
      const auto group = static_cast<size_t>(i % groups);
      tokens[group] += here;
      all += here;
      if (update == 0) ++work.of_groups[group];
      longest_of_round = std::max(longest_of_round, here);
      if (i % groups + 1 == groups || i + 1 == std::ssize(ranges)) {
        of_rounds += longest_of_round;
        longest_of_round = 0;
      }
    }
    work.tokens += share * static_cast<double>(all);
    work.critical += share * static_cast<double>(in_rounds ? of_rounds : std::ranges::max(tokens));
    work.micro_batches += share * static_cast<double>(ranges.size());
    work.rounds += share * std::ceil(static_cast<double>(ranges.size()) / static_cast<double>(groups));
  }
  return work;
}

// What rank 0 sends in an update (trainers/ranks/gradient_exchange.cpp, Trainer::train_step).
struct Traffic {
  int64_t largest_slice = 0, buckets = 0;
  int64_t reduced = 0;   // once for each round that gradients are sent in
  int64_t gathered = 0;  // parameters
  int64_t agreed = 0, agreements = 0;
};

Traffic traffic_of(const Shares& shares, int64_t ranks, const Work& work) {
  Traffic traffic{.buckets = std::ssize(shares.buckets())};
  std::vector<int64_t> squares(static_cast<size_t>(ranks));
  for (size_t bucket = 0; bucket < shares.buckets().size(); ++bucket) {
    const Bucket& bounds = shares.buckets()[bucket];
    const auto bytes = [](int64_t elements) { return elements * static_cast<int64_t>(sizeof(float)); };
    const int64_t own = bytes(bounds[1] - bounds[0]);
    traffic.reduced += reduce_bytes(bytes(bounds.back() - bounds.front()), own);
    traffic.gathered += all_gather_bytes(own, ranks);
    for (int64_t rank = 0; rank < ranks; ++rank) {
      const auto r = static_cast<size_t>(rank);
      traffic.largest_slice = std::max(traffic.largest_slice, bytes(bounds[r + 1] - bounds[r]));
      squares[r] += static_cast<int64_t>(sizeof(double)) * shares.chunks(bucket, rank);
    }
  }
  // Weight and tokens of micro-batches, their losses, squares of gradients, and what is agreed on.
  const auto gather = [&](const std::vector<int64_t>& words) {
    traffic.agreed += gather_bytes(0, words);
    ++traffic.agreements;
  };
  for (const int64_t numbers : {2, 1}) {
    const auto bytes = numbers * static_cast<int64_t>(sizeof(double));
    std::vector<int64_t> words;  // of each rank of each group
    for (const int64_t micro_batches : work.of_groups)
      words.insert(words.end(), static_cast<size_t>(ranks) / work.of_groups.size(), micro_batches * bytes);
    gather(words);
  }
  gather(squares);
  gather(std::vector<int64_t>(static_cast<size_t>(ranks), sizeof(Agreement)));
  return traffic;
}

int64_t moments_bytes(Optimizer& optimizer) { return optimizer.first().bytes() + optimizer.second().bytes(); }

}  // namespace

RanksPrediction predict_ranks(PredictedRun& run, const Stage& stage, const StagePrediction& one,
                              int64_t ranks, const Network& network) {
  const RunConfig& config = run.config();
  const bool ordered = config.ranks.reduction == ReductionChoice::ordered;
  const int64_t slices = config.ranks.sequence, groups = ranks / slices;
  RanksPrediction result{.ranks = ranks, .error = RankGrid::refusal(ranks, slices)};
  if (!result.error.empty()) return result;
  result.error = too_few_micro_batches(stage, groups, slices > 1);
  const Work work = work_of(run.task(), stage, groups, ordered);
  result.micro_batches = work.micro_batches;
  result.idle = 1 - work.tokens / (static_cast<double>(groups) * work.critical);
  result.memory_bytes = one.memory_bytes;
  result.other_memory_bytes = one.memory_bytes - run.copy_bytes();
  const double alone = static_cast<double>(slices) * one.computing_seconds + one.updating_seconds;
  result.seconds = alone, result.efficiency = 1;
  if (ranks == 1) return result;

  const std::unique_ptr<Optimizer> whole = run.optimizer_of({}), shared = run.optimizer_of({0, ranks});
  const Traffic traffic = traffic_of(shared->shares(), ranks, work);
  const int64_t more =
      moments_bytes(*shared) - moments_bytes(*whole) + reduce_buffer_bytes(traffic.largest_slice, ranks);
  result.memory_bytes += more;
  result.other_memory_bytes += more;

  const double sending_rounds = ordered ? work.rounds : 1;
  const double of_first = static_cast<double>(work.of_groups.front()) / work.micro_batches;
  result.bytes_sent =
      std::llround(sending_rounds * static_cast<double>(traffic.reduced) + of_first * one.slice_bytes) +
      traffic.gathered + traffic.agreed;
  const auto seconds = [&](int64_t exchanges, int64_t bytes) {
    return static_cast<double>(exchanges) * network.latency +
           static_cast<double>(bytes) / network.bytes_per_second;
  };
  // Buckets are complete at even intervals of backward; each is sent once those before it have gone.
  const double reducing = seconds(traffic.buckets, traffic.reduced);
  const double of_a_bucket = reducing / static_cast<double>(traffic.buckets);
  const double backward = kBackwardShare * one.computing_seconds / work.micro_batches;
  const double unhidden =
      std::max(of_a_bucket, reducing - (backward - backward / static_cast<double>(traffic.buckets)));
  const double sharing = seconds(traffic.buckets, traffic.gathered);
  const double agreeing = seconds(traffic.agreements * gather_exchanges(ranks), traffic.agreed);
  // Computing waits for what slices need of one another.
  const double slicing =
      (one.slice_exchanges * network.latency + one.slice_bytes / network.bytes_per_second) * work.critical /
      work.tokens;
  result.exchange_seconds = sending_rounds * reducing + sharing + agreeing + slicing;
  result.exchange_wait_seconds = sending_rounds * unhidden + sharing + slicing;
  result.seconds = one.computing_seconds * work.critical / work.tokens +
                   one.updating_seconds / static_cast<double>(ranks) + result.exchange_wait_seconds +
                   agreeing;
  result.efficiency = alone / (static_cast<double>(ranks) * result.seconds);
  return result;
}

}  // namespace lf

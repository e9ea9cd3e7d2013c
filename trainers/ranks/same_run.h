// That all ranks of a run do the same: one configuration, one program, the same data.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>

#include "core/communicator/rank_grid.h"
#include "core/failpoint.h"
#include "core/profile.h"
#include "trainers/config/run_config.h"
#include "trainers/config/stages.h"
#include "trainers/run/opened_model.h"
#include "trainers/tasks/task.h"

namespace lf {

// When a rank's turn is to prepare files.
inline constexpr int kTurns = 3;
int turn_of(const Communicator& ranks);

// The communicator of this process: of all that a launcher of MPI started with it, or alone. From here on
// messages say which rank speaks.
std::shared_ptr<Communicator> open_ranks(const RanksSection& settings, Device device, const Alarm& alarm);

// What settled_config() makes of the configuration on rank 0, on every rank. An error where ranks were given
// different ones, or are different programs.
RunConfig agreed_config(Communicator& ranks, const RunConfig& config, const std::string& folder, bool resume);

// What make() returns on each rank. Ranks that may share files prepare them one after the other: rank 0, then
// the first rank of every other machine, then the others.
template <class Make>
auto in_turn(Communicator& ranks, Make&& make) {
  const Phase phase("prepare");
  const int turn = turn_of(ranks);
  std::optional<std::invoke_result_t<Make>> result;
  for (int now = 0; now < (ranks.size() == 1 ? 1 : kTurns); ++now) {
    all_or_none(ranks, [&] {
      if (now != turn) return;
      failpoint("ranks.prepare");
      result.emplace(make());
    });
  }
  return std::move(*result);
}

// Computes with so many threads; where 0, ranks that may use the same CPUs of a machine share these, unless
// OMP_NUM_THREADS says otherwise.
void use_threads_of(Communicator& ranks, int64_t threads);

// A UsageError where not all ranks say the same: "rank 2 on B `differs` than rank 0 on A".
void check_same(Communicator& ranks, const std::string& mine, const std::string& differs);
// A UsageError where not all ranks are the same program.
void check_same_program(Communicator& ranks);

// The model, opened on every rank: with the same configuration, weights and, where they are needed, data.
OpenedModel open_together(Communicator& ranks, const std::string& path, const OpenOptions& options);

// An error where ranks read other data, or another model, than rank 0.
void check_same_data(Communicator& ranks, const RunConfig& config, const Task& task);

// What is said of a stage with fewer micro-batches in an update than there are groups of ranks;
// "" where it has enough.
std::string too_few_micro_batches(const Stage& stage, int64_t groups, bool of_several = false);
// The same of all stages, as a UsageError.
void check_enough_work(const RankGrid& ranks, const std::vector<Stage>& stages);

}  // namespace lf

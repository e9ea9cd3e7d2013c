// How an update goes where ranks share it, before there are any: what each computes, keeps in memory and
// sends. Every rank is taken to be a machine like this one, with a network of its own.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "trainers/measure/predicted_run.h"

namespace lf {

struct Network {
  double bytes_per_second = 1.25e9;  // that a rank sends and adds up, while it receives as many
  double latency = 50e-6;            // seconds until an exchange of nothing has ended
};

struct RanksPrediction {
  int64_t ranks = 1;
  std::string error;  // what the run says instead of starting; "" where it starts
  int64_t memory_bytes = 0, other_memory_bytes = 0;  // of rank 0, which writes checkpoints, and of any other
  // Of an update, where updates differ the mean of the first ones.
  double micro_batches = 0;
  int64_t bytes_sent = 0;  // by rank 0, in a step that neither scores nor saves
  // Of the time that ranks compute, the share in which one of them waits for micro-batches of others.
  double idle = 0;
  // Of exchanges; of these what is not hidden behind backward; the whole update. They need a timed run.
  double exchange_seconds = 0, exchange_wait_seconds = 0, seconds = 0;
  // One rank's seconds for the update, those of a slice times their number where sequences are cut, divided
  // by those of all ranks together.
  double efficiency = 0;
};

// Of a stage, of which `one` is predicted of one process. Once all stages have been.
RanksPrediction predict_ranks(PredictedRun& run, const Stage& stage, const StagePrediction& one,
                              int64_t ranks, const Network& network);

}  // namespace lf

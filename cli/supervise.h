// A training that is started as a process of its own, or as several ranks, and started again where it ends by
// a fault that a new start helps.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "trainers/run_requests.h"

namespace lf::cli {

struct Supervision {
  int64_t ranks = 1;         // started by MPI's launcher where there are more
  int64_t max_restarts = 0;  // how often a training that was killed is started again
};

// Runs this `longform train` as processes of their own until it ends; returns its exit code. Requests to
// save or stop are passed on. The newest checkpoint in `run` tells whether a restart got anywhere.
int supervise(const std::string& run, const Supervision& supervision,
              const std::shared_ptr<RunRequests>& requests);

}  // namespace lf::cli

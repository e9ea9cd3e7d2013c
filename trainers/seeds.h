// The same configuration with several seeds: a run for each, and the mean and spread of their scores.
#pragma once

#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>

#include "trainers/trainer.h"

namespace lf {

// Trains seeds config.seed, config.seed + 1, ... one after the other, each in FOLDER/seed-N. With `resume`,
// those that ended are left as they are and the one that was stopped goes on; those that were not begun
// start.
RunEnd train_seeds(const RunConfig& config, const std::string& folder, int64_t count, bool resume,
                   std::shared_ptr<RunRequests> requests);

// Scores each run's best checkpoint by validation, or its last where there is none, on every split that can
// be scored but the training split; writes FOLDER/seeds.json and returns it: for each split and metric the
// values by seed, their mean and their standard deviation (of a sample, n - 1).
nlohmann::ordered_json summarize_seeds(const RunConfig& config, const std::string& folder, int64_t count);

}  // namespace lf

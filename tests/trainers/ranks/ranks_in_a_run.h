// Whether several ranks train a run to the same end as one.
#pragma once

#include <string>
#include <vector>

#include "tests/core/communicator/ranks_in_threads.h"
#include "tests/trainers/run/run_ends.h"
#include "trainers/run/run_log.h"
#include "trainers/trainer.h"

namespace lf {

// The run folder of a run that so many ranks have trained, `name` below `folder`.
inline std::string trained_by(int ranks, const RunConfig& config, const std::string& folder,
                              const std::string& name) {
  const std::string run = folder + "/" + name;
  run_ranks(ranks, [&](const std::shared_ptr<Communicator>& communicator) {
    EXPECT_EQ(Trainer(config, run, false, std::make_shared<RunRequests>(), communicator).run(),
              RunEnd::finished);
  });
  return run;
}

// Trains runs below `folder` whose sums are ordered, by one rank and by each of so many: the same weights,
// moments and log, to the last bit.
inline void expect_same_run_of_ranks(RunConfig config, const std::string& folder, int64_t steps,
                                     std::initializer_list<int> counts) {
  config.ranks.reduction = ReductionChoice::ordered;
  config.ranks.bucket_megabytes = 0.001;
  const std::string whole = trained_by(1, config, folder, "ranks1");
  for (const int count : counts)
    expect_same_end(trained_by(count, config, folder, text("ranks", count)), whole, steps);
}

// The scores and losses of a run's log, in their order.
inline std::vector<double> logged_losses(const std::string& run) {
  std::vector<double> values;
  for (const LogRecord& record : read_run_log(run + "/log.jsonl"))
    for (const char* key : {"loss", "gradient_norm", "weight", "tokens", "score"})
      if (record.fields.contains(key)) values.push_back(record.fields.at(key));
  return values;
}

// Trains runs below `folder` by one rank, by two that cut each sequence, and by several such pairs: they
// differ from one rank's by rounding, and from one another not at all.
inline void expect_slices_train_the_run(RunConfig config, const std::string& folder, int64_t steps,
                                        std::initializer_list<int> pairs) {
  config.ranks.reduction = ReductionChoice::ordered;
  config.ranks.bucket_megabytes = 0.001;
  const std::vector<double> expected = logged_losses(trained_by(1, config, folder, "whole"));
  config.ranks.sequence = 2;
  const std::string cut = trained_by(2, config, folder, "cut");
  const std::vector<double> found = logged_losses(cut);
  ASSERT_GE(std::ssize(expected), 2 * steps);
  ASSERT_EQ(found.size(), expected.size());
  for (size_t i = 0; i < found.size(); ++i)
    EXPECT_NEAR(found[i], expected[i], 2e-4 * std::abs(expected[i])) << i;
  for (const int count : pairs)
    expect_same_end(trained_by(2 * count, config, folder, text("cut", count)), cut, steps);
}

}  // namespace lf

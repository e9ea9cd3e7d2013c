// Whether several ranks train a run to the same end as one.
#pragma once

#include <string>

#include "tests/core/communicator/ranks_in_threads.h"
#include "tests/trainers/run/run_ends.h"
#include "trainers/trainer.h"

namespace lf {

// Trains runs below `folder` whose sums are ordered, by one rank and by each of so many: the same weights,
// moments and log, to the last bit.
inline void expect_same_run_of_ranks(RunConfig config, const std::string& folder, int64_t steps,
                                     std::initializer_list<int> counts) {
  config.ranks.reduction = ReductionChoice::ordered;
  config.ranks.bucket_megabytes = 0.001;
  const auto train = [&](int count) {
    const std::string run = text(folder, "/ranks", count);
    run_ranks(count, [&](const std::shared_ptr<Communicator>& ranks) {
      EXPECT_EQ(Trainer(config, run, false, std::make_shared<RunRequests>(), ranks).run(), RunEnd::finished);
    });
    return run;
  };
  const std::string whole = train(1);
  for (const int count : counts) expect_same_end(train(count), whole, steps);
}

}  // namespace lf

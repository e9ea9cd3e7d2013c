// The verbs of the program, one file each. add_VERB registers the verb's options and what it does; a verb
// that did not end well throws (exit code 1, or 2 for a UsageError) or sets the exit code itself.
#pragma once

#include <memory>

#include "cli/verb.h"
#include "core/communicator/communicator.h"

namespace lf::cli {

// What the program ends with: 0 done, 1 failed, 2 bad usage or configuration, 143 stopped by SIGTERM after
// saving.
struct Outcome {
  int exit_code = 0;
  // Of a verb of several ranks, which leave together, once each has said how it ended: a launcher ends all
  // when it sees the first one go.
  std::shared_ptr<Communicator> ranks = {};
};

void add_train(const Verb& app, Outcome& outcome);
void add_evaluate(const Verb& app, Outcome& outcome);
void add_generate(const Verb& app, Outcome& outcome);
void add_check(const Verb& app, Outcome& outcome);
void add_prepare(const Verb& app, Outcome& outcome);
void add_convert(const Verb& app, Outcome& outcome);
void add_predict(const Verb& app, Outcome& outcome);
void add_score(const Verb& app, Outcome& outcome);
void add_tokenize(const Verb& app, Outcome& outcome);
void add_inspect(const Verb& app, Outcome& outcome);
void add_plot(const Verb& app, Outcome& outcome);
void add_bench(const Verb& app, Outcome& outcome);
void add_env(const Verb& app, Outcome& outcome);

}  // namespace lf::cli

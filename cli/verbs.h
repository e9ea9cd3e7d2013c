// The verbs of the program, one file each. add_VERB registers the verb's options and what it does; a verb
// that did not end well throws (exit code 1, or 2 for a UsageError) or sets the exit code itself.
#pragma once

#include <CLI/CLI.hpp>

namespace lf::cli {

// What the program ends with: 0 done, 1 failed, 2 bad usage or configuration, 143 stopped by SIGTERM after
// saving.
struct Outcome {
  int exit_code = 0;
};

void add_train(CLI::App& app, Outcome& outcome);
void add_evaluate(CLI::App& app, Outcome& outcome);
void add_generate(CLI::App& app, Outcome& outcome);
void add_check(CLI::App& app, Outcome& outcome);
void add_prepare(CLI::App& app, Outcome& outcome);
void add_convert(CLI::App& app, Outcome& outcome);
void add_predict(CLI::App& app, Outcome& outcome);
void add_tokenize(CLI::App& app, Outcome& outcome);
void add_inspect(CLI::App& app, Outcome& outcome);
void add_plot(CLI::App& app, Outcome& outcome);
void add_bench(CLI::App& app, Outcome& outcome);
void add_env(CLI::App& app, Outcome& outcome);

}  // namespace lf::cli

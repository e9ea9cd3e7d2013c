#include "cli/ranks.h"

#include <cstdlib>
#include <exception>
#include <string>

#include "cli/launch.h"
#include "core/check.h"
#include "core/messages.h"
#include "trainers/ranks/same_run.h"

namespace lf::cli {
namespace {

// `advice`: what is said behind every error of ranks.
Alarm alarm(const std::string& advice) {
  return {.tell = [advice](const std::string& what) { messages::error(what + advice); },
          .end = [](int exit_code) { std::_Exit(exit_code); }};
}

}  // namespace

void on_ranks(Outcome& outcome, const std::string& advice, const std::function<RunConfig()>& read,
              const std::function<void(const RunConfig& config)>& body) {
  RunConfig config;
  std::exception_ptr failure;
  try {
    config = read();
  } catch (...) {
    failure = std::current_exception();
  }
  outcome.ranks = open_ranks(config.ranks, config.device, alarm(advice));
  Communicator& ranks = *outcome.ranks;
  const std::vector<std::string> arguments = own_arguments_without({});
  check_same(ranks, arguments.empty() ? "" : arguments.front(), "does something else");
  throw_together(ranks, failure);
  try {
    body(config);
  } catch (const OtherRankFailed&) {
    throw;
  } catch (const std::exception& error) {
    if (ranks.has_ended_together() || ranks.fail(error.what(), exit_code_of(error))) throw;
    throw OtherRankFailed(error.what(), exit_code_of(error));
  }
}

void answer_on_ranks(Outcome& outcome, int64_t processes, const std::function<RunConfig()>& read,
                     const std::function<void(Communicator& ranks)>& body) {
  if (processes > 1) become_ranks(processes);
  on_ranks(outcome, "", read, [&](const RunConfig&) {
    std::string words;
    for (const std::string& word : own_arguments_without({})) words += word + '\0';
    check_same(*outcome.ranks, words, "was given other arguments");
    if (outcome.ranks->rank() > 0) messages::show_from(messages::Level::kError);
    body(*outcome.ranks);
  });
}

void add_processes(const Verb& verb, int64_t* processes) {
  verb.option("--ranks", processes,
              "Start so many processes that divide the work (1), as `mpirun -n N longform` does")
      .within(1, 4096);
}

}  // namespace lf::cli

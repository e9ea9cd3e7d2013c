// What a verb does as one of several ranks: they open, fail and end together.
#pragma once

#include <functional>
#include <string>

#include "cli/verbs.h"
#include "trainers/config/run_config.h"

namespace lf::cli {

// Reads a configuration, opens the ranks that a launcher of MPI has started with this process, or this one
// alone, and runs `body` on each, for which they are outcome.ranks. An error ends all; one of them says it,
// and behind what is said of a lost rank comes `advice`.
void on_ranks(Outcome& outcome, const std::string& advice, const std::function<RunConfig()>& read,
              const std::function<void(const RunConfig& config)>& body);

// The same for a verb that answers: rank 0 alone says what it has to, and the others errors of their own. The
// launcher starts `processes` of this command where they are more than one.
void answer_on_ranks(Outcome& outcome, int64_t processes, const std::function<RunConfig()>& read,
                     const std::function<void(Communicator& ranks)>& body);

// --ranks of such a verb.
void add_processes(const Verb& verb, int64_t* processes);

}  // namespace lf::cli

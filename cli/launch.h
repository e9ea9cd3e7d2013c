// Starting Longform again, as several ranks or as a process of its own.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace lf::cli {

// The words behind `longform` on this process's command line, without these options and the value of each.
std::vector<std::string> own_arguments_without(const std::vector<std::string>& options);

// `longform` with the arguments; started by MPI's launcher (LF_MPIRUN names one) where there are more ranks.
std::vector<std::string> command_of(const std::vector<std::string>& arguments, int64_t ranks);

// Puts the command in this process's place; where that fails, says so and ends.
[[noreturn]] void become(const std::vector<std::string>& command);

// This process goes on as so many ranks, which get its command line without --ranks; signals then are the
// launcher's. UsageError where a launcher has started it.
[[noreturn]] void become_ranks(int64_t ranks);

}  // namespace lf::cli

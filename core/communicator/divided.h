// Work on a list that ranks divide between them, with results as if one had done it all.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/communicator/communicator.h"

namespace lf {

// Numbers of every rank, on every rank.
std::vector<std::vector<double>> gather_numbers(Communicator& ranks, const std::vector<double>& mine);

// Has compute(i), a list of numbers, for each i of [0, count): i is rank i modulo the ranks'. On every rank
// take(i, numbers) is then called for all of them in their order, and after each round, in which every rank
// has computed one, goes_on(how many have been taken): false ends it.
template <class Compute, class Take, class GoesOn>
void divide(Communicator& ranks, int64_t count, Compute&& compute, Take&& take, GoesOn&& goes_on) {
  for (int64_t first = 0; first < count; first += ranks.size()) {
    std::vector<double> mine;
    if (first + ranks.rank() < count) mine = compute(first + ranks.rank());
    const std::vector<std::vector<double>> all = gather_numbers(ranks, mine);
    int64_t taken = first;
    for (; taken < first + ranks.size() && taken < count; ++taken)
      take(taken, all[static_cast<size_t>(taken - first)]);
    if (!goes_on(taken)) return;
  }
}

}  // namespace lf

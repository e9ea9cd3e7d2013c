// Work on a list that ranks divide between them, with results as if one had done it all.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/communicator/rank_grid.h"

namespace lf {

// Numbers of every rank, on every rank.
std::vector<std::vector<double>> gather_numbers(Communicator& ranks, const std::vector<double>& mine);

// Has compute(i), a list of numbers, for each i of [0, count): i is group i modulo the groups', whose ranks
// all compute it, each of its slice. On every rank take(i, numbers) is then called for all of them in their
// order, and for an i in the order of slices; and after each round, in which every group has computed one,
// goes_on(how many have been taken): false ends it.
template <class Compute, class Take, class GoesOn>
void divide(const RankGrid& ranks, int64_t count, Compute&& compute, Take&& take, GoesOn&& goes_on) {
  for (int64_t first = 0; first < count; first += ranks.groups()) {
    std::vector<double> mine;
    if (first + ranks.group() < count) mine = compute(first + ranks.group());
    const std::vector<std::vector<double>> all = gather_numbers(ranks.all(), mine);
    auto rank = all.begin();
    int64_t taken = first;
    for (; taken < first + ranks.groups() && taken < count; ++taken)
      for (int slice = 0; slice < ranks.slices(); ++slice) take(taken, *rank++);
    if (!goes_on(taken)) return;
  }
}

}  // namespace lf

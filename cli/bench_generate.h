// longform bench generate, a verb below bench.
#pragma once

#include "cli/verb.h"

namespace lf::cli {

void add_generate_bench(const Verb& bench);

}  // namespace lf::cli

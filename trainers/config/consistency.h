// Rules that join several keys: what each key allows by itself is in the field lists.
#pragma once

#include "trainers/config/node.h"
#include "trainers/config/run_config.h"

namespace lf {

// Notes every contradiction between keys at the key it is about; root tells where keys were written. Keys
// that already have a problem are not judged again.
void check_consistency(const RunConfig& config, const Node& root, Problems& problems);

}  // namespace lf

// Ranks that are not there, for plans of what one of many would do.
#pragma once

#include <memory>

#include "core/communicator/communicator.h"

namespace lf {

// The first of so many ranks, of which there are no others. Exchanges count their bytes and bring zeros;
// every rank says what this one says.
std::shared_ptr<Communicator> imagined(int size);

}  // namespace lf

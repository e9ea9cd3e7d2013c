// The records that ranks are to answer: rank 0's.
#pragma once

#include <functional>
#include <vector>

#include "core/communicator/communicator.h"
#include "data/records.h"

namespace lf {

// What read() returns on rank 0, on every rank; the others need no file. An error of read() ends all.
std::vector<Record> shared_records(Communicator& ranks, const std::function<std::vector<Record>()>& read);

}  // namespace lf

// Ranks as threads of one process, each with a GPU of its own, over the stand-in of NCCL.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "tests/core/communicator/ranks_in_threads.h"

namespace lf {

inline void run_ranks_on_devices(int ranks, const std::function<void(std::shared_ptr<Communicator>)>& body,
                                 const Patience& patience = {},
                                 const Alarm& alarm = {[](const std::string&) {}, [](int) {}}) {
  run_ranks(
      ranks,
      [&](const std::shared_ptr<Communicator>& host) {
        const std::shared_ptr<Communicator> communicator = over_nccl(host, patience);
        body(communicator);
      },
      patience, alarm);
}

}  // namespace lf

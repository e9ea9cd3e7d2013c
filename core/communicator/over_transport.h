// A communicator made of a transport: everything is a few messages between pairs of ranks, so that sums have
// their order and who is missing is known.
#pragma once

#include <functional>
#include <memory>

#include "core/communicator/communication_thread.h"
#include "core/communicator/communicator.h"

namespace lf {

// `open` is called on the thread that carries out the exchanges. Other ranks are told of the activity of
// the calling thread, which must be the one that destroys it.
std::unique_ptr<Communicator> over_transport(const std::function<std::unique_ptr<Transport>()>& open,
                                             const Patience& patience, const Alarm& alarm);

}  // namespace lf

// Signals that a run answers: SIGTERM, SIGINT, SIGHUP and SIGUSR2 save and stop, SIGUSR1 saves and goes on.
// (Launchers of MPI pass the SIGUSRs on to their ranks; at a SIGTERM they may kill them.)
//
// No handler is ever installed. A handler runs on the stack of whatever thread the kernel picks, and code
// that oneDNN generates keeps data below its stack pointer, where the handler's frame would overwrite them.
// So the signals are blocked in every thread, and one thread that computes nothing waits for them.
#pragma once

#include <memory>

#include "trainers/run_requests.h"

namespace lf {

// Blocks the signals in this thread and in all that it starts from here on; those that the parent has set to
// ignored stay so. Call it before any other thread exists; what arrives is kept for answer_signals().
void hold_signals();

// Starts the thread that waits for the held signals, until the process ends, and passes them on as requests.
// A stop before the run has begun ends the process at once with 128 + signal; a second SIGTERM or SIGINT ends
// it as it would without this file.
std::shared_ptr<RunRequests> answer_signals();

}  // namespace lf

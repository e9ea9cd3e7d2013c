// What liblongform_mpi.so offers. It is a library of its own so that a run of one process needs no MPI: the
// program loads it where a launcher of MPI started it. Both are built together.
#pragma once

#include "core/communicator/transport.h"

// Starts MPI, for the calling thread. Throws lf::Error.
extern "C" lf::Transport* longform_start_mpi();

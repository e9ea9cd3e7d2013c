// What rank 0 reads from a checkpoint and writes into one, between it and the other ranks.
#pragma once

#include "core/communicator/communicator.h"
#include "layers/module.h"
#include "trainers/optimizer/optimizer.h"
#include "trainers/run/run_state.h"
#include "trainers/tasks/evaluation.h"

namespace lf {

// The optimizer's state, whole, into rank 0's `whole`, which has its memory there, on the CPU; the others'
// is left alone.
void gather_state(Communicator& ranks, Optimizer& optimizer, OptimizerState& whole);

// Rank 0's parameters, run state and optimizer state, to all: of the last each rank takes its share. `whole`
// is read on rank 0 only.
void share_state(Communicator& ranks, const ParameterBlock& block, RunState& state,
                 const OptimizerState& whole, Optimizer& optimizer);

// Rank 0's metrics, on every rank: processors of different kinds may differ in the last bits, and all must
// decide alike.
void share_metrics(Communicator& ranks, Evaluation& score);

}  // namespace lf

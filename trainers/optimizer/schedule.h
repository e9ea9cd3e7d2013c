// The learning rate: a pure function of the stage and of the update's number in it.
#pragma once

#include "trainers/config/sections.h"
#include "trainers/config/stages.h"

namespace lf {

// The rate of update number `step` (0, 1, ...) of the stage: linear warm-up from 0 over warmup_steps()
// updates, then the schedule's course to the stage's planned end. A stage without a planned end keeps its
// rate.
double learning_rate(const ScheduleSection& schedule, const Stage& stage, int64_t step);

}  // namespace lf

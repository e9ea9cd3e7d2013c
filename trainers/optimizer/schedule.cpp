#include "trainers/optimizer/schedule.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace lf {

double learning_rate(const ScheduleSection& schedule, const Stage& stage, int64_t step) {
  const int64_t warmup = warmup_steps(schedule, stage), planned = planned_steps(stage);
  if (step < warmup) return stage.learning_rate * static_cast<double>(step + 1) / static_cast<double>(warmup);
  if (planned <= warmup || schedule.kind == ScheduleChoice::constant) return stage.learning_rate;
  const double done =
      std::min(1.0, static_cast<double>(step - warmup) / static_cast<double>(planned - warmup));
  const double end = stage.learning_rate * schedule.end_factor, fall = stage.learning_rate - end;
  switch (schedule.kind) {
    case ScheduleChoice::linear:
      return end + fall * (1 - done);
    case ScheduleChoice::cosine:
      return end + fall * 0.5 * (1 + std::cos(std::numbers::pi * done));
    case ScheduleChoice::polynomial:
      return end + fall * std::pow(1 - done, schedule.power);
    case ScheduleChoice::constant:
      break;
  }
  return stage.learning_rate;
}

}  // namespace lf

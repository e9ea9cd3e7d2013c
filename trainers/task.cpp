#include "trainers/task.h"

#include <numbers>

#include "trainers/tasks/char_lm_task.h"

namespace lf {

double Score::bits() const { return mean() / std::numbers::ln2; }

double Score::bits_without_newlines() const {
  return (nats - newline_nats) / static_cast<double>(targets - newline_targets) / std::numbers::ln2;
}

const char* name(Split split) {
  switch (split) {
    case Split::train:
      return "train";
    case Split::validation:
      return "validation";
    case Split::test:
      return "test";
  }
  return "unknown";
}

std::unique_ptr<Task> make_task(const RunConfig& config, const Communicator& communicator) {
  switch (config.task) {
    case TaskChoice::char_lm:
      return std::make_unique<CharLMTask>(config, communicator);
  }
  throw Error("unknown task");
}

}  // namespace lf

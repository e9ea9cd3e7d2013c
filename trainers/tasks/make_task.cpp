#include "trainers/tasks/make_task.h"

#include "trainers/tasks/char_lm_task.h"
#include "trainers/tasks/masked_lm_task.h"

namespace lf {

std::unique_ptr<Task> make_task(const RunConfig& config, const Communicator& communicator) {
  require(device_of(config));
  switch (config.task) {
    case TaskChoice::char_lm:
      return std::make_unique<CharLMTask>(config, communicator);
    case TaskChoice::masked_lm:
      return std::make_unique<MaskedLMTask>(config, communicator);
  }
  throw Error("unknown task");
}

}  // namespace lf

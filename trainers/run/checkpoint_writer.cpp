#include "trainers/run/checkpoint_writer.h"

#include <pthread.h>

#include <chrono>
#include <cmath>
#include <exception>
#include <nlohmann/json.hpp>
#include <utility>

#include "core/check.h"
#include "core/messages.h"
#include "core/seconds.h"
#include "core/threads.h"

namespace lf {

CheckpointWriter::CheckpointWriter(std::string folder, const RunLock& lock, const ParameterBlock& block)
    : folder_(std::move(folder)),
      lock_(lock),
      values_(Tensor::zeros(block.values.shape(), block.values.dtype())),
      optimizer_{Tensor::zeros_like(values_), Tensor::zeros_like(values_), 0},
      files_(checkpoint_files(block, values_, optimizer_)) {}

CheckpointWriter::~CheckpointWriter() {
  try {
    wait();
  } catch (const std::exception& error) {
    messages::warning(error.what());
  }
}

void CheckpointWriter::start(int64_t step, nlohmann::ordered_json state, const Retention& retention) {
  CHECK(!writing_.valid(), "checkpoint of step ", step, ": the one before is still being written");
  const auto write = [this, step, retention](const nlohmann::ordered_json& of_run) {
    pthread_setname_np(pthread_self(), "checkpoint");
    use_threads(1);  // the other CPUs are training's
    Written written{.step = step, .seconds = 0, .checkpoint = {}};
    written.seconds =
        seconds_of([&] { written.checkpoint = save_run(folder_, step, files_, of_run, retention); });
    return written;
  };
  writing_ = std::async(std::launch::async, write, std::move(state));
}

void CheckpointWriter::poll() {
  if (!writing_.valid()) return;
  if (writing_.wait_for(std::chrono::seconds(0)) == std::future_status::ready) wait();
}

void CheckpointWriter::wait() {
  if (!writing_.valid()) return;
  try {
    const auto [step, seconds, checkpoint] = writing_.get();
    messages::warnings(checkpoint.warnings);
    messages::detail(text("step ", step, ": saved ", checkpoint.folder, ", written in ",
                          std::round(seconds * 1000), " ms"));
  } catch (const Error&) {
    lock_.check_held();  // a folder that was taken away meanwhile explains every other error
    throw;
  }
}

}  // namespace lf

// The micro-batches of a stage's updates, in order, read ahead on a thread of their own.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <exception>
#include <memory>
#include <mutex>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "trainers/optimizer/shares.h"
#include "trainers/tasks/task.h"

namespace lf {

// How an update's examples are cut into micro-batches: of stage.micro_batch examples at most and, where the
// stage has one, within the budget of stage.micro_batch_tokens tokens, which a single example may exceed.
std::vector<ExampleRange> micro_batches_of(const Task& task, const Stage& stage, int64_t first_example);

// Of a micro-batch.
int64_t tokens_of(const Task& task, const Stage& stage, const ExampleRange& range);

class MicroBatches {
 public:
  // From example `first_example` of the stage on. Micro-batch i of an update belongs to rank i modulo the
  // ranks, so what an update holds does not depend on their number. The task must outlive this object.
  MicroBatches(const Task& task, const Stage& stage, int64_t first_example, Rank rank = {});
  ~MicroBatches();
  MicroBatches(const MicroBatches&) = delete;
  MicroBatches& operator=(const MicroBatches&) = delete;

  // Goes on to the next update; what this rank's micro-batches of it hold, known before they are all read: a
  // loss is divided once, by the weight of them all. An error met while reading is thrown here or by next().
  const std::vector<Examples>& next_update();
  // The update's next micro-batch of this rank.
  std::unique_ptr<TaskBatch> next();

  // Of the update: what this rank's micro-batches hold, and how many there are over all ranks.
  const std::vector<Examples>& mine() const { return update_.mine; }
  int64_t over_all_ranks() const { return update_.over_all_ranks; }
  // Which of the update's micro-batches this rank's i-th is.
  int64_t position(int64_t i) const { return i * rank_.count + rank_.index; }
  // "examples 12, 13, 14" of this rank's i-th micro-batch.
  std::string describe(int64_t i) const;

  // Seconds spent waiting for data so far.
  double wait_seconds() const { return wait_seconds_; }

  // At most so many micro-batches are held beside the one in use.
  static constexpr size_t kMostAhead = 4;

 private:
  struct Update {
    std::vector<Examples> mine;
    int64_t over_all_ranks = 0;
  };

  void read_ahead(const std::stop_token& stop);
  bool read_update(const std::stop_token& stop, int64_t first_example);
  bool wait_for_room(const std::stop_token& stop, size_t batches);
  template <class Item>
  Item take(std::deque<Item>& items);

  const Task& task_;
  const Stage stage_;
  const int64_t first_example_;
  const Rank rank_;

  Update update_;  // the current one
  double wait_seconds_ = 0;

  std::mutex mutex_;
  std::condition_variable_any changed_;
  std::deque<Update> updates_;                      // whose micro-batches are being read
  std::deque<std::unique_ptr<TaskBatch>> batches_;  // read, not taken yet
  std::exception_ptr error_;                        // which ended the reading
  std::jthread reader_;                             // last: it uses everything above
};

}  // namespace lf

#include "trainers/tasks/micro_batches.h"

#include <algorithm>
#include <utility>

#include "core/check.h"
#include "core/seconds.h"

namespace lf {

std::vector<ExampleRange> micro_batches_of(const Task& task, const Stage& stage, int64_t first_example) {
  std::vector<ExampleRange> result;
  int64_t tokens = 0;
  for (int64_t example = first_example; example < first_example + stage.batch_size; ++example) {
    const int64_t more = stage.micro_batch_tokens > 0 ? task.tokens(stage, example) : 0;
    const bool fits = !result.empty() && result.back().count < stage.micro_batch &&
                      (stage.micro_batch_tokens == 0 || tokens + more <= stage.micro_batch_tokens);
    if (!fits) {
      result.push_back({example, 0});
      tokens = 0;
    }
    result.back().count += 1;
    tokens += more;
  }
  return result;
}

int64_t tokens_of(const Task& task, const Stage& stage, const ExampleRange& range) {
  int64_t tokens = 0;
  for (int64_t i = 0; i < range.count; ++i) tokens += task.tokens(stage, range.first + i);
  return tokens;
}

MicroBatches::MicroBatches(const Task& task, const Stage& stage, int64_t first_example, Rank rank)
    : task_(task), stage_(stage), first_example_(first_example), rank_(rank) {
  CHECK(rank.index >= 0 && rank.index < rank.count, "micro-batches: rank ", rank.index, " of ", rank.count);
  reader_ = std::jthread([this](const std::stop_token& stop) { read_ahead(stop); });
}

MicroBatches::~MicroBatches() = default;

// What next_update() and next() wait for; what ended the reading comes after everything that was read.
template <class Item>
Item MicroBatches::take(std::deque<Item>& items) {
  std::unique_lock lock(mutex_);
  wait_seconds_ += seconds_of([&] { changed_.wait(lock, [&] { return !items.empty() || error_; }); });
  if (items.empty()) std::rethrow_exception(error_);
  Item item = std::move(items.front());
  items.pop_front();
  changed_.notify_all();
  return item;
}

const std::vector<Examples>& MicroBatches::next_update() {
  update_ = take(updates_);
  return update_.mine;
}

std::unique_ptr<TaskBatch> MicroBatches::next() { return take(batches_); }

std::string MicroBatches::describe(int64_t i) const {
  std::string ids;
  for (const int64_t id : update_.mine.at(static_cast<size_t>(i)).ids)
    ids += text(ids.empty() ? "" : ", ", id);
  return "examples " + ids;
}

void MicroBatches::read_ahead(const std::stop_token& stop) {
  try {
    for (int64_t first = first_example_; read_update(stop, first);) first += stage_.batch_size;
  } catch (...) {
    const std::lock_guard lock(mutex_);
    error_ = std::current_exception();
    changed_.notify_all();
  }
}

// Reads one update; false when reading is to end. A small one is read whole before it is announced; of a
// large one it is first found out what its micro-batches hold, so that they need not be held all at once.
bool MicroBatches::read_update(const std::stop_token& stop, int64_t first_example) {
  const std::vector<ExampleRange> all = micro_batches_of(task_, stage_, first_example);
  Update update{{}, std::ssize(all)};
  std::vector<ExampleRange> mine;
  for (auto i = static_cast<size_t>(rank_.index); i < all.size(); i += static_cast<size_t>(rank_.count))
    mine.push_back(all[i]);
  const bool small = mine.size() <= kMostAhead;
  if (!wait_for_room(stop, small ? mine.size() : 1)) return false;
  std::vector<std::unique_ptr<TaskBatch>> read;
  for (const ExampleRange& range : mine) {
    if (stop.stop_requested()) return false;
    if (small) read.push_back(task_.read(stage_, range));
    update.mine.push_back(small ? read.back()->about : task_.about(stage_, range));
  }
  {
    const std::lock_guard lock(mutex_);
    updates_.push_back(std::move(update));
    changed_.notify_all();
  }
  for (size_t i = 0; i < mine.size(); ++i) {
    if (!small && !wait_for_room(stop, 1)) return false;
    std::unique_ptr<TaskBatch> batch = small ? std::move(read[i]) : task_.read(stage_, mine[i]);
    const std::lock_guard lock(mutex_);
    batches_.push_back(std::move(batch));
    changed_.notify_all();
  }
  return !stop.stop_requested();
}

// False when reading is to end.
bool MicroBatches::wait_for_room(const std::stop_token& stop, size_t batches) {
  std::unique_lock lock(mutex_);
  return changed_.wait(
      lock, stop, [&] { return updates_.size() < kMostAhead && batches_.size() + batches <= kMostAhead; });
}

}  // namespace lf

#include "trainers/tasks/char_lm_task.h"

#include <algorithm>

#include "core/hash.h"
#include "core/kernels/kernels.h"
#include "core/profile.h"
#include "data/characters/evaluation_windows.h"
#include "trainers/tasks/char_lm_estimate.h"
#include "trainers/tasks/device_notices.h"

namespace lf {
namespace {

// (rows, length) i32 inputs and targets of a batch or of evaluation windows.
struct TokenPair {
  Tensor inputs, targets;
};

// The windows' tokens, one window per row; targets before score_from are -1, which cross_entropy ignores.
TokenPair read_windows(const TokenFile& tokens, const std::vector<EvaluationWindow>& windows, size_t first,
                       int64_t rows) {
  const int64_t length = windows[first].length;
  TokenPair pair{Tensor::empty({rows, length}, DType::i32), Tensor::empty({rows, length}, DType::i32)};
  std::vector<int32_t> buffer(static_cast<size_t>(length + 1));
  for (int64_t row = 0; row < rows; ++row) {
    const EvaluationWindow& window = windows[first + static_cast<size_t>(row)];
    tokens.copy(window.begin, buffer);
    std::copy(buffer.begin(), buffer.end() - 1, pair.inputs.data<int32_t>() + row * length);
    int32_t* targets = pair.targets.data<int32_t>() + row * length;
    for (int64_t i = 0; i < length; ++i)
      targets[i] = i < window.score_from ? -1 : buffer[static_cast<size_t>(i + 1)];
  }
  return pair;
}

// The token that stands for a newline byte; -2, which no target is, where there is none.
int32_t newline_token(const TokenFile& tokens) {
  const std::vector<uint8_t>& symbols = tokens.header().symbols;
  const auto found = std::find(symbols.begin(), symbols.end(), uint8_t{'\n'});
  return found == symbols.end() ? -2 : static_cast<int32_t>(found - symbols.begin());
}

}  // namespace

Score score_tokens(const CharLM& model, const CharLMPattern& pattern, DType compute, const TokenFile& tokens,
                   const Protocol& protocol, const std::function<void(int64_t, int64_t)>& progress) {
  const NoGrad no_grad;
  const int64_t count = protocol.tokens ? std::min(protocol.tokens, tokens.count()) : tokens.count();
  const std::vector<EvaluationWindow> windows =
      evaluation_windows(count, protocol.sequence_length, protocol.step);
  const int32_t newline = newline_token(tokens);
  Score score;
  for (size_t first = 0; first < windows.size();) {
    int64_t rows = 1;
    while (rows < protocol.batch_size && first + static_cast<size_t>(rows) < windows.size() &&
           windows[first + static_cast<size_t>(rows)].length == windows[first].length) {
      ++rows;
    }
    const TokenPair pair = read_windows(tokens, windows, first, rows);
    const Tensor losses =
        model.losses(pair.inputs, pair.targets, pattern, {.training = false, .compute = compute})
            .value()
            .to(Device::cpu);
    // Row by row, so that the order of additions does not depend on the batch size.
    for (int64_t row = 0; row < rows; ++row) {
      const EvaluationWindow& window = windows[first + static_cast<size_t>(row)];
      score.nats += kernels::sum(losses.slice(row, row + 1));
      score.targets += window.length - window.score_from;
      const int32_t* targets = pair.targets.data<int32_t>() + row * window.length;
      const std::vector<double> values = losses.slice(row, row + 1).to_doubles();
      for (int64_t i = window.score_from; i < window.length; ++i) {
        if (targets[i] != newline) continue;
        score.newline_nats += values[static_cast<size_t>(i)];
        score.newline_targets += 1;
      }
    }
    first += static_cast<size_t>(rows);
    if (progress) progress(static_cast<int64_t>(first), static_cast<int64_t>(windows.size()));
  }
  return score;
}

const CharLMTask& as_char_lm(const Task& task, std::string_view verb) {
  const auto* char_lm = dynamic_cast<const CharLMTask*>(&task);
  CHECK(char_lm, verb, " needs a run of task: char_lm");
  return *char_lm;
}

CharLMTask::CharLMTask(const RunConfig& config, const Communicator& communicator)
    : config_(config),
      communicator_(communicator),
      corpus_(open_corpus_files(config.data)),
      model_(char_lm_shape(config, corpus_.train->vocabulary_size())),
      parameters_(pack(model_, DType::f32, device_of(config))) {
  initialise(model_, parameters_, config.model.initializer_range, static_cast<uint64_t>(config.seed));
}

std::string CharLMTask::vocabulary_hash() const { return lf::content_hash(corpus_.train->header().symbols); }

void CharLMTask::use_stage(const Stage& stage) {
  stage_ = stage;
  pattern_ = char_lm_pattern(config_, stage);
}

void CharLMTask::begin_stage(const Stage& stage, int64_t stage_index, int64_t first_example) {
  use_stage(stage);
  waited_ = data_wait_seconds();
  // Each stage cuts the stream to its own length and draws its own order.
  const auto seed = static_cast<uint64_t>(config_.seed) + (static_cast<uint64_t>(stage_index) << 32);
  const SequenceOrder order(corpus_.train->count(), stage.sequence_length, seed);
  const int64_t rows = stage.micro_batch, ranks = communicator_.size();
  reader_.emplace(*corpus_.train, order, first_example + communicator_.rank() * rows, rows, ranks * rows);
}

Fetched CharLMTask::fetch() {
  const int64_t mine = stage_.accumulation() / communicator_.size();
  batches_.clear();
  int64_t targets = 0;
  for (int64_t i = 0; i < mine; ++i) {
    batches_.push_back(reader_->next());
    targets += batches_.back().rows * batches_.back().length;
  }
  return {.targets = targets, .tokens = targets};
}

Tensor CharLMTask::forward_backward(int64_t i, double factor, uint64_t step) {
  Phase phase("forward");
  const Batch& batch = batches_[static_cast<size_t>(i)];
  const Shape shape{batch.rows, batch.length};
  const Pass pass{.training = true,
                  .compute = compute_dtype(config_),
                  .seed = static_cast<uint64_t>(config_.seed),
                  .step = step};
  const Var loss = sum(
      model_.losses(Tensor::from(shape, batch.inputs), Tensor::from(shape, batch.targets), pattern_, pass));
  phase.next("backward");
  backward(scale(loss, factor));
  return loss.value();
}

double CharLMTask::update_flops(const Stage& stage) const {
  return lf::update_flops(model_.shape, char_lm_pattern(config_, stage), stage);
}

std::string CharLMTask::describe(int64_t i) const {
  std::string ids;
  for (const int64_t id : batches_[static_cast<size_t>(i)].example_ids)
    ids += text(ids.empty() ? "" : ", ", id);
  return "examples " + ids;
}

Score CharLMTask::evaluate(Split split, const Protocol& protocol,
                           const std::function<void(int64_t, int64_t)>& progress) {
  const TokenFile& tokens = split == Split::test         ? *corpus_.test
                            : split == Split::validation ? *corpus_.validation
                                                         : *corpus_.train;
  return score_tokens(model_, pattern_, compute_dtype(config_), tokens, protocol, progress);
}

std::vector<std::string> CharLMTask::notices() const {
  return device_notices(config_, model_.shape.head_width, model_.shape.relative_positions);
}

double CharLMTask::data_wait_seconds() const { return waited_ + (reader_ ? reader_->wait_seconds() : 0.0); }

}  // namespace lf

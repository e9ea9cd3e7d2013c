#include "trainers/tasks/char_lm_task.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "autograd/sequence_slices.h"
#include "core/choices.h"
#include "core/communicator/divided.h"
#include "core/hash.h"
#include "core/kernels/kernels.h"
#include "data/characters/evaluation_windows.h"
#include "trainers/tasks/char_lm_text.h"
#include "trainers/tasks/device_notices.h"
#include "trainers/tasks/evaluation.h"

namespace lf {
namespace {

// (rows, length) i32 inputs and targets of a batch or of evaluation windows.
struct TokenPair {
  Tensor inputs, targets;
};

constexpr int32_t kIgnored = -1;  // a target, by cross_entropy

// This rank's slices of rows; all of them where the pass cuts none.
TokenPair own_part(const TokenPair& whole, const Pass& pass) {
  if (!pass.slices) return whole;
  const auto own = [&](const Tensor& x) {
    const Tensor part = pass.slices->own(x.view({x.elements()}));
    return part.view({x.dim(0), part.elements() / x.dim(0)});
  };
  return {own(whole.inputs), own(whole.targets)};
}

// The windows' tokens, one window per row; targets before score_from are ignored.
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
      targets[i] = i < window.score_from ? kIgnored : buffer[static_cast<size_t>(i + 1)];
  }
  return pair;
}

struct CharBatch : TaskBatch {
  Batch tokens;
};

// The token that stands for a newline byte; -2, which no target is, where there is none.
int32_t newline_token(const TokenFile& tokens) {
  const std::vector<uint8_t>& symbols = tokens.header().symbols;
  const auto found = std::find(symbols.begin(), symbols.end(), uint8_t{'\n'});
  return found == symbols.end() ? -2 : static_cast<int32_t>(found - symbols.begin());
}

}  // namespace

Score score_tokens(const CharLM& model, const CharLMPattern& pattern, DType compute, const TokenFile& tokens,
                   const Protocol& protocol, const RankGrid& ranks, const ScoreProgress& progress) {
  const NoGrad no_grad;
  const int64_t count = protocol.tokens ? std::min(protocol.tokens, tokens.count()) : tokens.count();
  const std::vector<EvaluationWindow> windows =
      evaluation_windows(count, protocol.sequence_length, protocol.step);
  const int32_t newline = newline_token(tokens);
  std::vector<ExampleRange> batches;  // of windows of one length
  for (int64_t first = 0; first < std::ssize(windows); first += batches.back().count) {
    batches.push_back({first, 1});
    const auto length = [&](int64_t window) { return windows[static_cast<size_t>(window)].length; };
    int64_t& rows = batches.back().count;
    while (rows < protocol.batch_size && first + rows < std::ssize(windows) &&
           length(first + rows) == length(first))
      ++rows;
  }
  // Row by row, so that the order of additions does not depend on the batch size: nats, targets, and those of
  // newlines.
  const auto score_batch = [&](int64_t number) {
    const auto [first, rows] = batches[static_cast<size_t>(number)];
    const TokenPair whole = read_windows(tokens, windows, static_cast<size_t>(first), rows);
    const Pass pass = Pass{.training = false, .compute = compute, .sequence_ranks = ranks.sequence()}.over(
        std::vector<int64_t>(static_cast<size_t>(rows), whole.inputs.dim(1)));
    const TokenPair pair = own_part(whole, pass);
    const Tensor losses = model.losses(pair.inputs, pair.targets, pattern, pass).value().to(Device::cpu);
    std::vector<double> numbers;
    for (int64_t row = 0; row < rows; ++row) {
      const int32_t* const targets = pair.targets.data<int32_t>() + row * pair.targets.dim(1);
      const std::vector<double> values = losses.slice(row, row + 1).to_doubles();
      double scored = 0, newline_nats = 0, newlines = 0;
      for (size_t i = 0; i < values.size(); ++i) {
        scored += targets[i] != kIgnored;
        if (targets[i] != newline) continue;
        newline_nats += values[i];
        newlines += 1;
      }
      numbers.insert(numbers.end(),
                     {kernels::sum(losses.slice(row, row + 1)), scored, newline_nats, newlines});
    }
    return numbers;
  };
  Score score;
  divide(
      ranks, std::ssize(batches), score_batch,
      [&](int64_t, const std::vector<double>& numbers) {
        for (size_t i = 0; i < numbers.size(); i += 4) {
          score.nats += numbers[i];
          score.targets += static_cast<int64_t>(numbers[i + 1]);
          score.newline_nats += numbers[i + 2];
          score.newline_targets += static_cast<int64_t>(numbers[i + 3]);
        }
      },
      [&](int64_t taken) {
        const ExampleRange& last = batches[static_cast<size_t>(taken) - 1];
        return !progress || progress(last.first + last.count, std::ssize(windows));
      });
  return score;
}

CharLMTask::CharLMTask(const RunConfig& config, TaskNeeds needs)
    : config_(config),
      corpus_(needs.data || needs.alphabet.empty() ? open_corpus_files(config.data, needs.alphabet)
                                                   : CorpusFiles()),
      alphabet_(needs.alphabet.empty() ? corpus_.train->header().symbols : needs.alphabet),
      model_(char_lm_shape(config, std::ssize(alphabet_))),
      parameters_(pack(model_, DType::f32, device_of(config), needs.gradients())) {
  if (needs.weights)
    initialise(model_, parameters_, config.model.initializer_range, static_cast<uint64_t>(config.seed));
}

std::string CharLMTask::vocabulary_hash() const { return lf::content_hash(alphabet_); }

// Each stage cuts the stream to its own length.
SequenceOrder CharLMTask::order(const Stage& stage) const {
  return SequenceOrder(corpus_.train->count(), stage.sequence_length, order_seed(config_, stage));
}

Examples CharLMTask::about(const Stage& stage, ExampleRange range) const {
  Examples about;
  for (int64_t i = 0; i < range.count; ++i) about.ids.push_back(range.first + i);
  about.tokens = range.count * stage.sequence_length;
  about.weight = static_cast<double>(about.tokens);
  return about;
}

std::unique_ptr<TaskBatch> CharLMTask::read(const Stage& stage, ExampleRange range) const {
  auto batch = std::make_unique<CharBatch>();
  batch->about = about(stage, range);
  batch->tokens = make_batch(*corpus_.train, order(stage), range.first, range.count);
  return batch;
}

Var CharLMTask::loss(const TaskBatch& batch, const Stage& stage, const Pass& pass) {
  const Batch& tokens = dynamic_cast<const CharBatch&>(batch).tokens;
  const Shape shape{tokens.rows, tokens.length};
  const Pass part = pass.over(std::vector<int64_t>(static_cast<size_t>(tokens.rows), tokens.length));
  const TokenPair mine =
      own_part({Tensor::from(shape, tokens.inputs), Tensor::from(shape, tokens.targets)}, part);
  return sum(model_.losses(mine.inputs, mine.targets, char_lm_pattern(config_, stage), part));
}

Score CharLMTask::score(Split split, const Protocol& protocol, const Stage& stage, const RankGrid& ranks,
                        const ScoreProgress& progress) const {
  const TokenFile& tokens = split == Split::test         ? *corpus_.test
                            : split == Split::validation ? *corpus_.validation
                                                         : *corpus_.train;
  return score_tokens(model_, char_lm_pattern(config_, stage), compute_dtype(config_), tokens, protocol,
                      ranks, progress);
}

Evaluation CharLMTask::evaluate(Split split, Effort effort, const Stage& stage, const RankGrid& ranks,
                                const ScoreProgress& progress) {
  const Protocol how = char_lm_protocol(config_, effort, stage);
  Evaluation result = evaluation_of(score(split, how, stage, ranks, progress), unit(), how);
  result.details["newlines"] = choice_name(corpus_.corpus.newlines);
  result.details["scored"] =
      "the last step targets of each sequence, the first sequence whole; every character once";
  return result;
}

std::unique_ptr<TextModel> CharLMTask::text_model(const Stage& stage) const {
  return std::make_unique<CharLMText>(model_, char_lm_pattern(config_, stage), alphabet_);
}

nlohmann::ordered_json CharLMTask::facts() const {
  nlohmann::ordered_json result = {{"vocabulary", model_.shape.vocabulary},
                                   {"characters",
                                    {{"train", corpus_.train->count()},
                                     {"validation", corpus_.validation->count()},
                                     {"test", corpus_.test->count()}}},
                                   {"warnings", corpus_.corpus.warnings}};
  if (config_.evaluation.sequence_length > corpus_.test->count()) {
    result["warnings"].push_back(text("evaluation.sequence_length ", config_.evaluation.sequence_length,
                                      " exceeds the test split of ", corpus_.test->count(),
                                      " characters: it is scored in one piece"));
  }
  return result;
}

std::vector<std::string> CharLMTask::notices() const {
  return device_notices(config_, {model_.shape.head_width}, model_.shape.relative_positions);
}

}  // namespace lf

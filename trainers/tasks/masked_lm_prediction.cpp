#include "trainers/tasks/masked_lm_prediction.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <nlohmann/json.hpp>
#include <numeric>
#include <optional>
#include <span>
#include <utility>

#include "core/check.h"
#include "data/tokenizer/byte_level_tokenizer.h"
#include "trainers/tasks/attention_prediction.h"

namespace lf {
namespace {

void add_best_tokens(const float* logits, int64_t vocabulary, int64_t count, MaskPrediction& result) {
  std::vector<int32_t> order(static_cast<size_t>(vocabulary));
  std::iota(order.begin(), order.end(), 0);
  count = std::min(count, vocabulary);
  std::partial_sort(order.begin(), order.begin() + count, order.end(), [&](int32_t a, int32_t b) {
    return logits[a] != logits[b] ? logits[a] > logits[b] : a < b;
  });
  const double largest = logits[order.front()];
  double sum = 0;
  for (int64_t v = 0; v < vocabulary; ++v) sum += std::exp(logits[v] - largest);
  for (int64_t i = 0; i < count; ++i) {
    const int32_t id = order[static_cast<size_t>(i)];
    result.ids.push_back(id);
    result.probabilities.push_back(std::exp(logits[id] - largest) / sum);
  }
}

std::ptrdiff_t labelled(const Record& record) {
  return std::count_if(record.labels.begin(), record.labels.end(), [](int32_t label) { return label >= 0; });
}

// Each record's mean over its labels.
std::vector<Tensor> mean_losses(const MaskedLM& model, std::span<const Record> records) {
  std::vector<int32_t> targets;
  for (const Record& record : records) {
    CHECK(labelled(record) > 0, "a loss needs labels, at least one that is not -100");
    targets.insert(targets.end(), record.labels.begin(), record.labels.end());
  }
  const EncoderInput input = encoder_input(records);
  const std::vector<double> losses =
      model.losses(input, Tensor::from(input.ids.shape(), targets), {}).value().to_doubles();
  std::vector<Tensor> means;
  auto begin = losses.begin();
  for (const Record& record : records) {
    const auto end = begin + labelled(record);
    const double mean = std::accumulate(begin, end, 0.0) / static_cast<double>(labelled(record));
    CHECK(std::isfinite(mean), "the loss is ", mean, ": the model's weights are of no use");
    means.push_back(Tensor::full({1}, DType::f32, mean));
    begin = end;
  }
  return means;
}

nlohmann::ordered_json mask_answer(const std::string& id, const std::vector<MaskPrediction>& masks,
                                   const ByteLevelTokenizer& tokenizer) {
  using nlohmann::ordered_json;
  ordered_json line = {{"id", id}, {"masks", ordered_json::array()}};
  for (const MaskPrediction& p : masks) {
    ordered_json candidates = ordered_json::array();
    for (size_t i = 0; i < p.ids.size(); ++i) {
      candidates.push_back({{"token_id", p.ids[i]},
                            {"token", tokenizer.decode(std::vector{p.ids[i]})},
                            {"probability", p.probabilities[i]}});
    }
    line["masks"].push_back({{"row", p.row}, {"position", p.position}, {"candidates", candidates}});
  }
  return line;
}

std::optional<Prediction> prediction_named(const std::string& what) {
  if (what == "hidden") return Prediction::hidden;
  if (what == "logits") return Prediction::logits;
  if (what == "loss") return Prediction::loss;
  if (what.empty() || what == "fill-mask") return std::nullopt;
  throw UsageError("--what is " + what + "; needed hidden, logits, loss, attention or fill-mask");
}

void write_tensors(const MaskedLM& model, const std::vector<Record>& records, Prediction what,
                   PredictionSink& sink) {
  std::vector<TensorSpec> specs;
  for (const Record& record : records) specs.push_back(prediction_spec(model, record, what));
  sink.begin_tensors(specs);
  // Logits of a whole vocabulary are large.
  const int64_t most_tokens = what == Prediction::hidden ? kPredictedAtOnce : 1;
  in_batches(
      records, most_tokens, sink, [&](std::span<const Record> batch) { return predict(model, batch, what); },
      [&](std::span<const Record> batch, const std::vector<Tensor>& values) {
        for (size_t n = 0; n < batch.size(); ++n) {
          sink.tensor(values[n]);
          sink.note(text(batch[n].where, ": ", prediction_spec(model, batch[n], what).name,
                         what == Prediction::loss ? text(" = ", values[n].item(), " nats") : std::string()));
        }
      });
}

}  // namespace

TensorSpec prediction_spec(const MaskedLM& model, const Record& record, Prediction what) {
  const EncoderShape& shape = model.encoder.shape;
  switch (what) {
    case Prediction::hidden:
      return {record.id + ".last_hidden_state", DType::f32, {record.rows, record.length, shape.width}};
    case Prediction::logits:
      return {record.id + ".logits", DType::f32, {record.rows, record.length, shape.vocabulary}};
    case Prediction::loss:
      break;
  }
  return {record.id + ".loss", DType::f32, {1}};
}

std::vector<Tensor> predict(const MaskedLM& model, std::span<const Record> records, Prediction what) {
  if (what == Prediction::loss) return mean_losses(model, records);
  const Var hidden = model.encoder(encoder_input(records), {});
  const Tensor y = (what == Prediction::hidden ? hidden : model.logits(hidden)).value().to(Device::cpu);
  std::vector<Tensor> values;
  int64_t row = 0;
  for (const Record& record : records) {
    const Tensor own = y.slice(row, row + tokens_of(record));
    values.push_back(own.view(prediction_spec(model, record, what).shape));
    row += tokens_of(record);
  }
  return values;
}

std::vector<std::vector<MaskPrediction>> fill_masks(const MaskedLM& model, std::span<const Record> records,
                                                    int32_t mask_id, int64_t count) {
  std::vector<int32_t> places;
  int32_t first = 0;
  std::vector<std::vector<MaskPrediction>> result(records.size());
  for (size_t n = 0; n < records.size(); ++n) {
    const Record& record = records[n];
    for (size_t i = 0; i < record.ids.size(); ++i) {
      // A record without masks never reaches the model, which would have said so.
      CHECK(record.ids[i] >= 0 && record.ids[i] < model.encoder.shape.vocabulary, "id ", record.ids[i],
            " at place ", i, "; the model knows 0 to ", model.encoder.shape.vocabulary - 1);
      if (record.ids[i] != mask_id) continue;
      places.push_back(first + static_cast<int32_t>(i));
      const auto at = static_cast<int64_t>(i);
      result[n].push_back({.row = at / record.length, .position = at % record.length});
    }
    first += static_cast<int32_t>(tokens_of(record));
  }
  if (places.empty()) return result;
  const Var hidden = model.encoder(encoder_input(records), {});
  const Tensor rows = Tensor::from({std::ssize(places)}, places);
  const Tensor logits = model.logits(select_rows(hidden, rows)).value().to(Device::cpu);
  const float* row = logits.data<float>();
  for (std::vector<MaskPrediction>& masks : result) {
    for (MaskPrediction& mask : masks) {
      add_best_tokens(row, logits.dim(1), count, mask);
      row += logits.dim(1);
    }
  }
  return result;
}

void predict_masked_lm(const MaskedLM& model, const std::string& tokenizer_folder,
                       std::vector<Record> records, const PredictionRequest& request, PredictionSink& sink) {
  const bool attention = request.what == "attention";
  const std::optional<Prediction> what = attention ? std::nullopt : prediction_named(request.what);
  const bool has_text = any_text(records);
  std::optional<ByteLevelTokenizer> tokenizer;
  if (has_text || !(what || attention)) tokenizer.emplace(tokenizer_folder);
  if (has_text) tokenize(records, *tokenizer);
  if (attention) return predict_attention(attention_of(model.encoder, DType::f32), records, sink);
  if (what) return write_tensors(model, records, *what, sink);
  const std::optional<int32_t> mask_id = tokenizer->special_ids().mask;
  CHECK(mask_id, tokenizer_folder, ": its tokenizer has no <mask> token");
  in_batches(
      records, kPredictedAtOnce, sink,
      [&](std::span<const Record> batch) { return fill_masks(model, batch, *mask_id, request.top); },
      [&](std::span<const Record> batch, const std::vector<std::vector<MaskPrediction>>& masks) {
        for (size_t n = 0; n < batch.size(); ++n) {
          if (masks[n].empty()) sink.note(text("warning: ", batch[n].where, ": has no <mask>"));
          sink.line(mask_answer(batch[n].id, masks[n], *tokenizer));
        }
      });
}

}  // namespace lf

#include "trainers/tasks/masked_lm_prediction.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <numeric>
#include <optional>
#include <utility>

#include "core/check.h"
#include "data/tokenizer/byte_level_tokenizer.h"

namespace lf {
namespace {

MaskPrediction best_tokens(const float* logits, int64_t vocabulary, int64_t count) {
  std::vector<int32_t> order(static_cast<size_t>(vocabulary));
  std::iota(order.begin(), order.end(), 0);
  count = std::min(count, vocabulary);
  std::partial_sort(order.begin(), order.begin() + count, order.end(), [&](int32_t a, int32_t b) {
    return logits[a] != logits[b] ? logits[a] > logits[b] : a < b;
  });
  const double largest = logits[order.front()];
  double sum = 0;
  for (int64_t v = 0; v < vocabulary; ++v) sum += std::exp(logits[v] - largest);
  MaskPrediction result;
  for (int64_t i = 0; i < count; ++i) {
    const int32_t id = order[static_cast<size_t>(i)];
    result.ids.push_back(id);
    result.probabilities.push_back(std::exp(logits[id] - largest) / sum);
  }
  return result;
}

Tensor mean_loss(const MaskedLM& model, const Record& record) {
  const bool any = std::any_of(record.labels.begin(), record.labels.end(), [](int32_t l) { return l >= 0; });
  CHECK(any, record.where, ": a loss needs labels, at least one that is not -100");
  return at_record(record, [&] {
    const std::vector<double> losses =
        model.losses(encoder_input(record), target_tensor(record), {}).value().to_doubles();
    const double mean =
        std::accumulate(losses.begin(), losses.end(), 0.0) / static_cast<double>(losses.size());
    CHECK(std::isfinite(mean), "the loss is ", mean, ": the model's weights are of no use");
    return Tensor::full({1}, DType::f32, mean);
  });
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
  throw UsageError("--what is " + what + "; needed hidden, logits, loss or fill-mask");
}

void write_tensors(const MaskedLM& model, const std::vector<Record>& records, Prediction what,
                   PredictionSink& sink) {
  std::vector<TensorSpec> specs;
  for (const Record& record : records) specs.push_back(prediction_spec(model, record, what));
  sink.begin_tensors(specs);
  for (size_t i = 0; i < records.size(); ++i) {
    const Tensor values = predict(model, records[i], what);
    sink.tensor(values);
    sink.note(text(records[i].where, ": ", specs[i].name,
                   what == Prediction::loss ? text(" = ", values.item(), " nats") : std::string()));
  }
}

}  // namespace

Tensor target_tensor(const Record& record) {
  return Tensor::from({record.rows, record.length}, record.labels);
}

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

Tensor predict(const MaskedLM& model, const Record& record, Prediction what) {
  if (what == Prediction::loss) return mean_loss(model, record);
  return at_record(record, [&] {
    const Var hidden = model.encoder(encoder_input(record), {});
    return (what == Prediction::hidden ? hidden : model.logits(hidden)).value().to(Device::cpu);
  });
}

std::vector<MaskPrediction> fill_masks(const MaskedLM& model, const Record& record, int32_t mask_id,
                                       int64_t count) {
  return at_record(record, [&] {
    std::vector<int32_t> places;
    for (size_t i = 0; i < record.ids.size(); ++i) {
      // A record without masks never reaches the model, which would have said so.
      CHECK(record.ids[i] >= 0 && record.ids[i] < model.encoder.shape.vocabulary, "id ", record.ids[i],
            " at place ", i, "; the model knows 0 to ", model.encoder.shape.vocabulary - 1);
      if (record.ids[i] == mask_id) places.push_back(static_cast<int32_t>(i));
    }
    std::vector<MaskPrediction> result;
    if (places.empty()) return result;
    const Var hidden = model.encoder(encoder_input(record), {});
    const Var rows = reshape(hidden, {record.rows * record.length, hidden.dim(-1)});
    const auto number = static_cast<int64_t>(places.size());
    const Tensor logits =
        model.logits(select_rows(rows, Tensor::from({number}, places))).value().to(Device::cpu);
    for (int64_t i = 0; i < number; ++i) {
      result.push_back(best_tokens(logits.data<float>() + i * logits.dim(1), logits.dim(1), count));
      result.back().row = places[static_cast<size_t>(i)] / record.length;
      result.back().position = places[static_cast<size_t>(i)] % record.length;
    }
    return result;
  });
}

void predict_masked_lm(const MaskedLM& model, const std::string& tokenizer_folder,
                       std::vector<Record> records, const PredictionRequest& request, PredictionSink& sink) {
  const std::optional<Prediction> what = prediction_named(request.what);
  const bool has_text = any_text(records);
  std::optional<ByteLevelTokenizer> tokenizer;
  if (has_text || !what) tokenizer.emplace(tokenizer_folder);
  if (has_text) tokenize(records, *tokenizer);
  if (what) return write_tensors(model, records, *what, sink);
  const std::optional<int32_t> mask_id = tokenizer->special_ids().mask;
  CHECK(mask_id, tokenizer_folder, ": its tokenizer has no <mask> token");
  for (const Record& record : records) {
    const std::vector<MaskPrediction> masks = fill_masks(model, record, *mask_id, request.top);
    if (masks.empty()) sink.note(text("warning: ", record.where, ": has no <mask>"));
    sink.line(mask_answer(record.id, masks, *tokenizer));
  }
}

}  // namespace lf

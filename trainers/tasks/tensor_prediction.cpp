#include "trainers/tasks/tensor_prediction.h"

#include <span>

#include "trainers/tasks/attention_prediction.h"
#include "trainers/tasks/encoder_records.h"

namespace lf {
namespace {

TensorSpec tensor_of(const TensorModel& model, const Record& record, bool hidden) {
  if (hidden)
    return {record.id + ".last_hidden_state",
            DType::f32,
            {record.rows, record.length, model.encoder.shape.width}};
  Shape shape{record.rows, model.classes};
  if (model.of_tokens) shape = {record.rows, record.length, model.classes};
  return {record.id + ".logits", DType::f32, shape};
}

}  // namespace

void predict_tensors(const TensorModel& model, const std::string& what, const std::vector<Record>& records,
                     PredictionSink& sink) {
  if (what == "attention")
    return predict_attention(attention_of(model.encoder, model.compute), records, sink);
  const bool hidden = what == "hidden", of_tokens = hidden || model.of_tokens;
  std::vector<TensorSpec> specs;
  for (const Record& record : records) specs.push_back(tensor_of(model, record, hidden));
  sink.begin_tensors(specs);
  const auto compute_batch = [&](std::span<const Record> batch) {
    const Pass pass{.training = false, .compute = model.compute};
    const EncoderInput input = encoder_input(batch);
    const Var y = hidden ? model.encoder(input, pass) : model.logits(input, pass);
    return cast(y, DType::f32).value().to(Device::cpu);
  };
  const auto answer_batch = [&](std::span<const Record> batch, const Tensor& y) {
    int64_t row = 0;
    for (const Record& record : batch) {
      const int64_t rows = of_tokens ? tokens_of(record) : record.rows;
      sink.tensor(y.slice(row, row + rows).view(tensor_of(model, record, hidden).shape));
      row += rows;
    }
  };
  in_batches(records, kPredictedAtOnce, sink, compute_batch, answer_batch);
}

}  // namespace lf

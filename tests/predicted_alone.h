// What a masked language model says of one record, as `longform predict` asks for it.
#pragma once

#include <span>
#include <vector>

#include "trainers/tasks/masked_lm_prediction.h"

namespace lf {

inline Tensor predicted_alone(const MaskedLM& model, const Record& record, Prediction what) {
  const NoGrad no_grad;
  Tensor values;
  answer_batch(
      std::span(&record, 1), [&](std::span<const Record> batch) { return predict(model, batch, what); },
      [&](std::span<const Record>, const std::vector<Tensor>& predicted) { values = predicted[0]; });
  return values;
}

inline std::vector<MaskPrediction> filled_alone(const MaskedLM& model, const Record& record, int32_t mask_id,
                                                int64_t count) {
  const NoGrad no_grad;
  std::vector<MaskPrediction> masks;
  answer_batch(
      std::span(&record, 1),
      [&](std::span<const Record> batch) { return fill_masks(model, batch, mask_id, count); },
      [&](std::span<const Record>, const auto& filled) { masks = filled[0]; });
  return masks;
}

}  // namespace lf

#include "layers/transformer_block.h"

namespace lf {

Var transformer_block(NormPlace place, const BlockParts& parts, const Var& x,
                      const std::function<Var(const Var&)>& attend, const BlockDropout& drop) {
  if (place == NormPlace::before) {
    const Var attended = attend(parts.attention_norm(x));
    const auto [h, normed] = parts.output_norm.of_sum(x, attended, drop.attention_output);
    return add_dropout(h, parts.feed_forward(normed, drop.inner), drop.output);
  }
  const Var h = parts.attention_norm.of_sum(x, attend(x), drop.attention_output).norm;
  return parts.output_norm.of_sum(h, parts.feed_forward(h, drop.inner), drop.output).norm;
}

}  // namespace lf

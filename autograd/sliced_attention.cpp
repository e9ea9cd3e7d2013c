#include "autograd/sliced_attention.h"

#include "autograd/attention.h"
#include "autograd/sliced_window.h"
#include "core/kernels/kernels.h"
#include "core/profile.h"

namespace lf {
namespace {

using kernels::AttentionCall;
using kernels::RelativeTensors;

// q, k and v (N, H, K) of the inputs, apart.
std::vector<Tensor> apart(const std::vector<Var>& inputs, const Shape& rows) {
  if (inputs.size() == 3) {
    return {inputs[0].value().view(rows), inputs[1].value().view(rows), inputs[2].value().view(rows)};
  }
  const Tensor& packed = inputs[0].value();
  Tensor y = Tensor::empty({3, rows[0], rows[1], rows[2]}, packed.dtype(), packed.device());
  kernels::swap_axes(packed, 1, rows[0], 3, rows[1] * rows[2], y);
  return {y.slice(0, 1).view(rows), y.slice(1, 2).view(rows), y.slice(2, 3).view(rows)};
}

// The gradients of the inputs, whose shapes are given, from those of q, k and v.
std::vector<Tensor> as_inputs(const std::vector<Tensor>& gradients, const std::vector<Shape>& shapes) {
  if (shapes.size() == 3) {
    return {gradients[0].view(shapes[0]), gradients[1].view(shapes[1]), gradients[2].view(shapes[2])};
  }
  const int64_t N = gradients[0].dim(0), width = gradients[0].dim(1) * gradients[0].dim(2);
  Tensor together = Tensor::empty({3, N, width}, gradients[0].dtype(), gradients[0].device());
  for (int64_t i = 0; i < 3; ++i)
    together.slice(i, i + 1).copy_from(gradients[static_cast<size_t>(i)].view({1, N, width}));
  Tensor packed = Tensor::empty(shapes[0], together.dtype(), together.device());
  kernels::swap_axes(together, 1, 3, N, width, packed);
  return {packed};
}

kernels::TokenTensors tokens_of(const WindowPart& part, const std::vector<Tensor>& qkv) {
  return {.q = part.of(qkv[0]), .k = part.of(qkv[1]), .v = part.of(qkv[2])};
}

// What forward leaves for backward: extended tensors, and lse (H, rows) of every part.
struct Attended {
  std::vector<WindowPart> parts;
  std::vector<Tensor> qkv, lse;
  Tensor context;
  RelativeTensors relative;
};

std::vector<Tensor> sliced_backward(const SlicedWindow& window, const Attended& x, const Tensor& dcontext,
                                    const std::vector<Shape>& shapes) {
  const Tensor dextended = window.extended(dcontext);
  std::vector<Tensor> gradients;
  for (const Tensor& each : x.qkv) gradients.push_back(Tensor::like(each));
  const bool is_relative = x.relative.r.defined();
  RelativeTensors sums, of_part;
  if (is_relative) {
    sums = {Tensor::zeros_like(x.relative.u), Tensor::zeros_like(x.relative.v),
            Tensor::zeros_like(x.relative.r)};
    of_part = {Tensor::like(sums.u), Tensor::like(sums.v), Tensor::like(sums.r)};
  }
  for (size_t n = 0; n < x.parts.size(); ++n) {
    const WindowPart& part = x.parts[n];
    if (part.rows == 0) continue;
    kernels::window_attention_backward(part.call, tokens_of(part, x.qkv), x.relative, part.of(x.context),
                                       x.lse[n], part.of(dextended), tokens_of(part, gradients), of_part);
    if (!is_relative) continue;
    kernels::accumulate(of_part.u, sums.u);
    kernels::accumulate(of_part.v, sums.v);
    kernels::accumulate(of_part.r, sums.r);
  }
  Tensor dq = Tensor::like(dcontext);
  window.take_own(gradients[0], dq);
  const std::vector<Tensor> dkv = window.exchange().give_back({gradients[1], gradients[2]});
  std::vector<Tensor> result = as_inputs({dq, dkv[0], dkv[1]}, shapes);
  if (is_relative) result.insert(result.end(), {sums.u, sums.v, sums.r});
  return result;
}

}  // namespace

Var sliced_window_attention(const std::vector<Var>& inputs, const Shape& shape, const AttentionCall& call,
                            const std::shared_ptr<const SequenceSlices>& slices, const RelativeTerm* term) {
  const int64_t H = shape[-2], K = shape[-1];
  const Shape own_rows{call.tokens(), H, K};
  const auto window = std::make_shared<const SlicedWindow>(slices, call);
  const std::vector<Tensor> own = apart(inputs, own_rows);
  std::vector<Tensor> sent{own[1], own[2]};
  if (call.mask.defined()) sent.push_back(call.mask.view({call.tokens()}));
  const std::vector<Tensor> fetched = window->exchange().fetch(sent);
  Attended x{.parts = window->parts(call.mask.defined() ? fetched[2] : Tensor()),
             .qkv = {window->extended(own[0]), fetched[0], fetched[1]},
             .context = Tensor::like(fetched[0]),
             .relative = tensors_of(term)};
  for (const WindowPart& part : x.parts) {
    x.lse.push_back(sums_like({H, part.rows}, x.context));
    if (part.rows == 0) continue;
    Tensor context = part.of(x.context);
    kernels::window_attention(part.call, tokens_of(part, x.qkv), x.relative, context, x.lse.back());
  }
  const Tensor context = Tensor::empty(own_rows, x.context.dtype(), x.context.device());
  window->take_own(x.context, context);
  std::vector<Var> all = inputs;
  if (term) all.insert(all.end(), {term->u, term->v, term->r});
  std::vector<Shape> shapes;
  for (const Var& input : inputs) shapes.push_back(input.shape());
  return tape().record("window_attention", context.view(shape), all, [=](const Tensor& dcontext) {
    return sliced_backward(*window, x, dcontext.view(own_rows), shapes);
  });
}

}  // namespace lf

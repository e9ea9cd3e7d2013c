#include "layers/module.h"

#include <xxhash.h>

#include <algorithm>

#include "core/kernels/convert.h"
#include "core/parallel.h"
#include "core/plan_kernel.h"
#include "core/random.h"

namespace lf {

namespace {

constexpr int64_t kElementsOf64Bytes = 16;  // between which parameters begin

}  // namespace

Tensor Parameter::as(DType dtype) const {
  if (value.dtype() == dtype) return value;
  if (!changes || changes->count == 0) return cast(value, dtype);
  if (copy->made != changes->count || copy->value.dtype() != dtype)
    *copy = {cast(value, dtype), changes->count};
  return copy->value;
}

int64_t lay_out(std::vector<PackedParameter>& parameters, int64_t& decaying) {
  int64_t end = 0;
  for (const bool decays : {true, false}) {
    for (PackedParameter& p : parameters) {
      if (p.decays != decays) continue;
      p.offset = end;
      end += (p.shape.elements() + kElementsOf64Bytes - 1) / kElementsOf64Bytes * kElementsOf64Bytes;
    }
    if (decays) decaying = end;
  }
  return end;
}

void train_only(ParameterBlock& block, const std::function<bool(const std::string&)>& chosen) {
  std::vector<ParameterBlock::Trained> ranges;
  for (const PackedParameter& p : block.parameters) {
    if (chosen(p.name)) ranges.push_back({p.offset, p.offset + p.shape.elements(), p.decays});
  }
  std::sort(ranges.begin(), ranges.end(), [](const auto& a, const auto& b) { return a.begin < b.begin; });
  // Neighbours become one: a loop over few long ranges is what the flat block is for.
  block.trained.clear();
  for (const ParameterBlock::Trained& range : ranges) {
    const bool joins = !block.trained.empty() && block.trained.back().decays == range.decays &&
                       range.begin - block.trained.back().end < kElementsOf64Bytes;
    if (joins)
      block.trained.back().end = range.end;
    else
      block.trained.push_back(range);
  }
}

namespace {

// In CPU memory.
void draw(const RandomKey& key, double mean, double range, Tensor& value) {
  visit_float(value.dtype(), [&]<class T>() {
    T* out = value.data<T>();
    parallel_for(value.elements(), 1 << 12, [&](int64_t begin, int64_t end) {
      for (int64_t k = begin; k < end; ++k) {
        out[k] = static_cast<T>(static_cast<float>(mean + range * normal(key, static_cast<uint64_t>(k))));
      }
    });
  });
}

}  // namespace

void initialise(const ParameterBlock& block, const PackedParameter& parameter, Initial kind, double range,
                uint64_t seed) {
  Tensor value = Tensor::empty(parameter.shape, block.values.dtype()), place = block.value(parameter);
  if (kind == Initial::zero || kind == Initial::one) {
    place.copy_from(Tensor::full(value.shape(), value.dtype(), kind == Initial::one ? 1.0 : 0.0));
    return;
  }
  const double mean = kind == Initial::normal_around_one ? 1.0 : 0.0;
  // The name's hash takes the step's place, so that no parameter depends on which others there are.
  const std::string& name = parameter.name;
  const RandomKey key{seed, kInitialUse, XXH3_64bits(name.data(), name.size())};
  const auto draw_into = [&](Tensor& host, Tensor& to) {
    draw(key, mean, range, host);
    to.copy_from(host);
  };
  if (place.device() != Device::plan) {
    draw_into(value, place);
    return;
  }
  plan_kernel(
      "draw",
      [&](Device, Tensor& to) {
        Tensor host = Tensor::empty(to.shape(), to.dtype());
        draw_into(host, to);
      },
      place);
}

}  // namespace lf

#include "layers/finite.h"

#include <algorithm>
#include <atomic>
#include <cmath>

#include "core/check.h"
#include "core/parallel.h"

namespace lf {
namespace {

constexpr int64_t kGrain = 1 << 16;  // elements that are worth a thread
constexpr size_t kNamed = 3;

int64_t count_not_finite(const Tensor& tensor) {
  const Tensor host = tensor.to(Device::cpu);
  std::atomic<int64_t> count = 0;
  visit_float(host.dtype(), [&]<class T>() {
    const T* values = host.data<T>();
    parallel_for(host.elements(), kGrain, [&](int64_t begin, int64_t end) {
      count += std::count_if(values + begin, values + end,
                             [](T value) { return !std::isfinite(static_cast<Accumulator<T>>(value)); });
    });
  });
  return count;
}

}  // namespace

std::vector<NotFinite> not_finite(const std::vector<NamedTensor>& tensors) {
  std::vector<NotFinite> result;
  for (const NamedTensor& t : tensors) {
    const int64_t count = is_float(t.tensor.dtype()) ? count_not_finite(t.tensor) : 0;
    if (count > 0) result.push_back({t.name, count, t.tensor.elements()});
  }
  return result;
}

std::string list_of(const std::vector<NotFinite>& tensors) {
  std::string list;
  for (size_t i = 0; i < std::min(tensors.size(), kNamed); ++i) {
    const NotFinite& t = tensors[i];
    list += text(list.empty() ? "" : ", ", t.name, " (", t.count, " of ", t.elements, " values)");
  }
  return tensors.size() > kNamed ? text(list, " and ", tensors.size() - kNamed, " more") : list;
}

std::string not_finite_warning(const std::string& where, const std::vector<NotFinite>& tensors) {
  return text(where, ": ", tensors.size(), tensors.size() == 1 ? " tensor is" : " tensors are",
              " not finite (NaN or infinite), so what they compute is of no use: ", list_of(tensors));
}

void warn_if_not_finite(const std::string& where, const std::vector<NamedTensor>& tensors,
                        std::vector<std::string>& warnings) {
  const std::vector<NotFinite> found = not_finite(tensors);
  if (!found.empty()) warnings.push_back(not_finite_warning(where, found));
}

void warn_if_not_finite(const std::string& where, const ParameterBlock& parameters,
                        std::vector<std::string>& warnings) {
  const Tensor values = parameters.values.to(Device::cpu);
  std::vector<NamedTensor> tensors;
  for (const PackedParameter& p : parameters.parameters)
    tensors.push_back({p.name, values.window(p.offset, p.shape)});
  warn_if_not_finite(where, tensors, warnings);
}

}  // namespace lf

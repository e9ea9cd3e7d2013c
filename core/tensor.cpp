#include "core/tensor.h"

#include <cstring>
#include <type_traits>

#include "core/device_memory.h"
#include "core/parallel.h"
#include "core/plan_kernel.h"

namespace lf {

int64_t Shape::operator[](int64_t axis) const {
  const int64_t index = axis < 0 ? axis + rank() : axis;
  CHECK(index >= 0 && index < rank(), "shape ", *this, " has no axis ", axis);
  return dims_[static_cast<size_t>(index)];
}

int64_t Shape::elements() const {
  int64_t product = 1;
  for (const int64_t dim : dims_) {
    CHECK(!__builtin_mul_overflow(product, dim, &product), "shape ", *this,
          " has more elements than 64 bits count");
  }
  return product;
}

Shape Shape::with_last(int64_t length) const {
  Shape result = *this;
  CHECK(rank() > 0, "a scalar has no last axis");
  result.dims_.back() = length;
  return result;
}

std::ostream& operator<<(std::ostream& out, const Shape& shape) {
  out << '(';
  for (int64_t i = 0; i < shape.rank(); ++i) out << (i ? ", " : "") << shape[i];
  return out << ')';
}

Tensor Tensor::empty(const Shape& shape, DType dtype, Device device) {
  for (const int64_t dim : shape.dims()) CHECK(dim >= 0, "tensor shape ", shape, " has a negative axis");
  Tensor result;
  result.shape_ = shape;
  result.dtype_ = dtype;
  result.elements_ = shape.elements();
  result.storage_ = std::make_shared<Storage>(result.bytes(), device,
                                              [&shape, dtype] { return text(shape, ' ', lf::name(dtype)); });
  return result;
}

Tensor Tensor::zeros(const Shape& shape, DType dtype, Device device) {
  Tensor result = empty(shape, dtype, device);
  result.fill_zero();
  return result;
}

Tensor Tensor::full(const Shape& shape, DType dtype, double value, Device device) {
  if (device != Device::cpu) return full(shape, dtype, value).to(device);
  Tensor result = empty(shape, dtype);
  visit_float(dtype, [&]<class T>() {
    std::fill_n(result.data<T>(), result.elements(), static_cast<T>(static_cast<Accumulator<T>>(value)));
  });
  return result;
}

Tensor Tensor::view(const Shape& shape) const {
  CHECK(shape.elements() == elements_, "cannot view ", shape_, " as ", shape, ": ", elements_, " and ",
        shape.elements(), " elements");
  Tensor result = *this;
  result.shape_ = shape;
  return result;
}

Tensor Tensor::slice(int64_t begin, int64_t end) const {
  CHECK(shape_.rank() > 0 && 0 <= begin && begin <= end && end <= dim(0), "slice [", begin, ", ", end,
        ") is outside ", shape_);
  std::vector<int64_t> dims = shape_.dims();
  const int64_t row = dim(0) ? elements_ / dim(0) : 0;
  dims[0] = end - begin;
  return window(begin * row, Shape(dims));
}

Tensor Tensor::window(int64_t offset, const Shape& shape) const {
  CHECK(offset >= 0 && offset + shape.elements() <= elements_, "elements ", offset, " to ",
        offset + shape.elements(), " are outside ", shape_);
  Tensor result = *this;
  result.shape_ = shape;
  result.elements_ = shape.elements();
  result.offset_ = offset_ + offset * size_of(dtype_);
  return result;
}

Tensor Tensor::clone() const {
  Tensor result = like(*this);
  result.copy_from(*this);
  return result;
}

void Tensor::copy_from(const Tensor& other) {
  CHECK(shape_ == other.shape_ && dtype_ == other.dtype_, "cannot copy ", other.shape_, ' ',
        name(other.dtype_), " into ", shape_, ' ', name(dtype_));
  const bool planned = device() == Device::plan, from_planned = other.device() == Device::plan;
  if (planned && !from_planned) return;
  if (planned) {
    return plan_kernel(
        "copy", [](Device, const Tensor& from, Tensor& to) { to.copy_from(from); }, other, *this);
  }
  if (from_planned) return fill_zero();
  if constexpr (kHasCuda) {
    const bool to_device = device() == Device::cuda, from_device = other.device() == Device::cuda;
    if (to_device && from_device) return cuda::copy_on_device(raw(), other.raw(), bytes());
    if (to_device) return cuda::copy_to_device(raw(), other.raw(), bytes());
    if (from_device) return cuda::copy_to_host(raw(), other.raw(), bytes());
  }
  std::memcpy(raw(), other.raw(), static_cast<size_t>(bytes()));
}

namespace {
// Whether a plan's tensor and one elsewhere are the same tensor of the device that is imitated.
bool is_same_memory(const Tensor& x, Device device) {
  const Device elsewhere = device == Device::plan ? x.device() : device;
  return Plan::of_thread().imitated() == elsewhere;
}
}  // namespace

Tensor Tensor::to(Device device) const {
  if (this->device() == device) return *this;
  const bool planned = this->device() == Device::plan || device == Device::plan;
  if (planned && is_same_memory(*this, device)) {
    Tensor result = *this;
    result.storage_ = std::make_shared<Storage>(storage_, device);
    if (device != Device::plan) result.fill_zero();
    return result;
  }
  Tensor result = empty(shape_, dtype_, device);
  result.copy_from(*this);
  return result;
}

void Tensor::fill_zero() {
  if (device() == Device::plan)
    return plan_kernel(
        "fill_zero", [](Device, Tensor& x) { x.fill_zero(); }, *this);
  if constexpr (kHasCuda) {
    if (device() == Device::cuda) return cuda::fill_bytes(raw(), 0, bytes());
  }
  std::memset(raw(), 0, static_cast<size_t>(bytes()));
}

void Tensor::refuse_elements() const {
  throw Error(text("tensor ", shape_, ' ', name(dtype_),
                   device() == Device::plan ? " is planned: it has no elements, only its size is counted"
                                            : " is on the device; the CPU needs a copy"));
}

double Tensor::item() const {
  CHECK(elements_ == 1, "item: ", shape_, " has ", elements_, " elements, needed one");
  return to_doubles()[0];
}

namespace {
template <class T>
void widen(const T* values, std::vector<double>& result) {
  for (size_t i = 0; i < result.size(); ++i) {
    if constexpr (std::is_same_v<T, bf16>) {
      result[i] = static_cast<float>(values[i]);
    } else {
      result[i] = static_cast<double>(values[i]);
    }
  }
}
}  // namespace

std::vector<double> Tensor::to_doubles() const {
  if (device() != Device::cpu) return to(Device::cpu).to_doubles();
  std::vector<double> result(static_cast<size_t>(elements_));
  switch (dtype_) {
    case DType::f32:
      widen(data<float>(), result);
      break;
    case DType::bf16:
      widen(data<bf16>(), result);
      break;
    case DType::f64:
      widen(data<double>(), result);
      break;
    case DType::i32:
      widen(data<int32_t>(), result);
      break;
    case DType::i64:
      widen(data<int64_t>(), result);
      break;
    case DType::u8:
      widen(data<uint8_t>(), result);
      break;
    case DType::u16:
      widen(data<uint16_t>(), result);
      break;
  }
  return result;
}

}  // namespace lf

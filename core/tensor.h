// Tensor: shape + dtype + device + reference-counted storage. Contiguous and row-major, always; views are
// reshapes and leading-axis slices. There are no strides, no broadcasting and no promotion: a mixture is an
// error that names both.
#pragma once

#include <algorithm>
#include <initializer_list>
#include <memory>
#include <ostream>
#include <span>
#include <utility>
#include <vector>

#include "core/dtype.h"
#include "core/storage.h"

namespace lf {

// The lengths of a tensor's axes, slowest first. () is a scalar.
class Shape {
 public:
  Shape() = default;
  Shape(std::initializer_list<int64_t> dims) : dims_(dims) {}
  explicit Shape(std::vector<int64_t> dims) : dims_(std::move(dims)) {}

  int64_t rank() const { return static_cast<int64_t>(dims_.size()); }
  // Negative axes count from the end.
  int64_t operator[](int64_t axis) const;
  int64_t elements() const;
  const std::vector<int64_t>& dims() const { return dims_; }
  // This shape with its last axis replaced.
  Shape with_last(int64_t length) const;
  bool operator==(const Shape&) const = default;

 private:
  std::vector<int64_t> dims_;
};

std::ostream& operator<<(std::ostream& out, const Shape& shape);  // "(2, 8)"

class Tensor {
 public:
  Tensor() = default;  // undefined: holds nothing

  static Tensor empty(const Shape& shape, DType dtype, Device device = Device::cpu);
  static Tensor zeros(const Shape& shape, DType dtype, Device device = Device::cpu);
  static Tensor full(const Shape& shape, DType dtype, double value, Device device = Device::cpu);
  static Tensor like(const Tensor& other) { return empty(other.shape(), other.dtype(), other.device()); }
  static Tensor zeros_like(const Tensor& other) {
    return zeros(other.shape(), other.dtype(), other.device());
  }
  template <class T>
  static Tensor from(const Shape& shape, std::span<const T> values);  // copies; the counts must agree
  template <class T>
  static Tensor from(const Shape& shape, const std::vector<T>& values) {
    return from(shape, std::span<const T>(values));
  }

  bool defined() const { return storage_ != nullptr; }
  // Whether no other tensor shares this one's memory: what it holds may then be overwritten.
  bool is_sole_owner() const { return storage_.use_count() == 1; }
  const Shape& shape() const { return shape_; }
  int64_t dim(int64_t axis) const { return shape_[axis]; }
  int64_t elements() const { return elements_; }
  DType dtype() const { return dtype_; }
  Device device() const { return storage_->device(); }
  int64_t bytes() const { return elements_ * size_of(dtype_); }

  std::byte* raw() const {
    if (device() == Device::plan) refuse_elements();
    return storage_->data() + offset_;
  }
  // The elements, in CPU memory; T must be the tensor's dtype.
  template <class T>
  T* data() const;
  // The elements, in the device's memory: for CUDA kernels only.
  template <class T>
  T* device_data() const;

  // The same elements under another shape of as many elements.
  Tensor view(const Shape& shape) const;
  // Rows [begin, end) of the first axis, sharing this tensor's memory.
  Tensor slice(int64_t begin, int64_t end) const;
  // `shape.elements()` elements from element `offset` on, sharing this tensor's memory.
  Tensor window(int64_t offset, const Shape& shape) const;

  Tensor clone() const;
  void copy_from(const Tensor& other);  // shape and dtype must agree; devices may differ
  Tensor to(Device device) const;       // itself when it is there already; from Device::plan zeros
  void fill_zero();

  // The value of a one-element float tensor.
  double item() const;
  // Every element as double (float and integer dtypes), for tests and reports; zeros on Device::plan.
  std::vector<double> to_doubles() const;

 private:
  [[noreturn]] void refuse_elements() const;

  Shape shape_;
  DType dtype_ = DType::f32;
  int64_t elements_ = 0, offset_ = 0;  // offset in bytes
  std::shared_ptr<Storage> storage_;
};

template <class T>
T* Tensor::data() const {
  if (device() != Device::cpu) refuse_elements();
  CHECK(dtype_ == DTypeOf<T>::value, "tensor ", shape_, " holds ", name(dtype_), ", asked for as ",
        name(DTypeOf<T>::value));
  return reinterpret_cast<T*>(raw());
}

template <class T>
T* Tensor::device_data() const {
  if (device() == Device::plan) refuse_elements();
  CHECK(device() == Device::cuda, "tensor ", shape_, " is in CPU memory; the device needs a copy");
  CHECK(dtype_ == DTypeOf<T>::value, "tensor ", shape_, " holds ", name(dtype_), ", asked for as ",
        name(DTypeOf<T>::value));
  return reinterpret_cast<T*>(raw());
}

template <class T>
Tensor Tensor::from(const Shape& shape, std::span<const T> values) {
  CHECK(shape.elements() == static_cast<int64_t>(values.size()), "tensor ", shape, " needs ",
        shape.elements(), " values, got ", values.size());
  Tensor result = empty(shape, DTypeOf<T>::value);
  std::copy(values.begin(), values.end(), result.data<T>());
  return result;
}

}  // namespace lf

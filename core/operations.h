// Arithmetic that kernels were asked for, counted as it is asked for, on every device and on Device::plan:
// what a model needs follows from its code.
#pragma once

#include <cstdint>

namespace lf {

// Of one thread; a multiply-add counts two.
struct Operations {
  double products = 0;   // of matrices
  double attention = 0;  // of queries with the keys that they see
  // Of both, in forward passes that backward ran again: a price of memory, not of the model.
  double again = 0;

  double model() const { return products + attention; }
  double all() const { return model() + again; }
};

// What this thread has asked for so far.
const Operations& operations();

void count_products(double operations);
void count_attention(double operations);

// While alive, operations count as asked for again.
class CountsAgain {
 public:
  CountsAgain();
  ~CountsAgain();
  CountsAgain(const CountsAgain&) = delete;
  CountsAgain& operator=(const CountsAgain&) = delete;

 private:
  bool before_;
};

// While alive, operations are not counted.
class Uncounted {
 public:
  Uncounted();
  ~Uncounted();
  Uncounted(const Uncounted&) = delete;
  Uncounted& operator=(const Uncounted&) = delete;

 private:
  Operations before_;
};

}  // namespace lf

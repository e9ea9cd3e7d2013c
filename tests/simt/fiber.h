// A thread of control with its own stack, switched to and from by hand.
#pragma once

#include <cstddef>
#include <functional>

namespace lf::simt {

class Fiber {
 public:
  Fiber();
  ~Fiber();
  Fiber(const Fiber&) = delete;
  Fiber& operator=(const Fiber&) = delete;

  // Prepares to run `entry` from its start; a former entry that did not finish is forgotten, not unwound.
  void start(void (*entry)());
  // Runs until the fiber calls leave() or its entry returns (then finished() is true).
  void enter();
  bool finished() const { return finished_; }

  // From inside the running fiber: back to whoever entered it.
  static void leave();

 private:
  static void main();

  std::byte* stack_ = nullptr;
  void* stack_pointer_ = nullptr;
  void (*entry_)() = nullptr;
  bool finished_ = true;
  void* fake_stack_ = nullptr;  // AddressSanitizer's
};

}  // namespace lf::simt

// Where a run's time goes: named phases that nest, how often each was entered and for how long. On the CPU
// its clock is read; on CUDA the stream notes when it gets to a phase's beginning and end, so that nothing is
// waited for. In a build with CUDA every phase is also an NVTX range, for Nsight Systems.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "core/activity.h"
#include "core/device.h"
#include "core/device_marks.h"

namespace lf {

// A phase's share of a profile.
struct PhaseTime {
  std::string name;
  int64_t calls = 0;
  double seconds = 0;            // of all calls, inner phases included
  std::vector<PhaseTime> inner;  // in the order in which they were first entered
};

// Counts the phases of the thread that made it, from then on until it is destroyed or another is made.
class Profile {
 public:
  explicit Profile(Device device);
  ~Profile();
  Profile(const Profile&) = delete;
  Profile& operator=(const Profile&) = delete;

  // What was counted so far, without the phases that are still open; the root's seconds are those since the
  // profile was made. Waits for the device.
  PhaseTime times();

  // A phase begins or ends; see Phase.
  void enter(const char* name);
  void leave() noexcept;

  // This thread's profile; null: phases are not counted.
  static Profile* current() { return current_; }

 private:
  struct Node;
  // A phase that was entered; one of `started` and `mark` is used.
  struct Open {
    Node* node;
    double started;
    cuda::Mark mark;
  };
  // A phase whose time the device has yet to say.
  struct Pending {
    Node* node;
    cuda::Mark begin, end;
  };

  cuda::Mark mark() noexcept;
  void settle(size_t most) noexcept;
  static PhaseTime time_of(const Node& node);

  static inline constinit thread_local Profile* current_ = nullptr;

  Device device_;
  Profile* before_;
  std::unique_ptr<Node> root_;
  double started_ = 0;
  std::vector<Open> open_;
  std::deque<Pending> pending_;  // oldest first
  std::vector<cuda::Mark> spare_;
};

// A phase of the enclosing one, from here to the end of the scope, which the thread's Activity shows as well.
// `name` must be a literal. Where nobody looks it costs two comparisons.
class Phase {
 public:
  explicit Phase(const char* name) { begin(name); }
  ~Phase() { end(); }
  Phase(const Phase&) = delete;
  Phase& operator=(const Phase&) = delete;

  // Ends this phase here and, for next(), begins another.
  void end() noexcept {
    if (!open_) return;
    open_ = false;
    if (Activity* const activity = Activity::current(); activity && outer_) activity->enter(outer_);
    if (profile_) profile_->leave();
    if constexpr (kHasCuda) cuda::end_range();
  }
  void next(const char* name) {
    end();
    begin(name);
  }

 private:
  void begin(const char* name) {
    profile_ = Profile::current();
    if (profile_) profile_->enter(name);
    if (Activity* const activity = Activity::current()) outer_ = activity->enter(name);
    if constexpr (kHasCuda) cuda::begin_range(name);
    open_ = true;
  }

  Profile* profile_ = nullptr;
  const char* outer_ = nullptr;  // the phase around it, as the activity has it
  bool open_ = false;
};

}  // namespace lf

// Phases: how they nest and add up, and what they cost where nothing is profiled.
#include "core/profile.h"

#include <gtest/gtest.h>

#include <chrono>
#include <string_view>
#include <thread>

#include "autograd/ops.h"
#include "tests/testing.h"

namespace lf {
namespace {

void sleep_milliseconds(int n) { std::this_thread::sleep_for(std::chrono::milliseconds(n)); }

const PhaseTime& inner(const PhaseTime& time, std::string_view name) {
  for (const PhaseTime& phase : time.inner) {
    if (phase.name == name) return phase;
  }
  throw Error(text("no phase ", name, " in ", time.name));
}

std::vector<std::string> names(const PhaseTime& time) {
  std::vector<std::string> result;
  for (const PhaseTime& phase : time.inner) result.push_back(phase.name);
  return result;
}

TEST(Profile, PhasesNestAndAddUp) {
  Profile profile(Device::cpu);
  for (int i = 0; i < 3; ++i) {
    Phase phase("first");
    {
      const Phase deeper("deeper");
      sleep_milliseconds(3);
    }
    sleep_milliseconds(2);
    phase.next("second");
    sleep_milliseconds(4);
    phase.end();
    sleep_milliseconds(1);
  }
  const PhaseTime times = profile.times();
  EXPECT_EQ(names(times), (std::vector<std::string>{"first", "second"}));
  const PhaseTime& first = inner(times, "first");
  const PhaseTime& deeper = inner(first, "deeper");
  EXPECT_EQ(first.calls, 3);
  EXPECT_EQ(deeper.calls, 3);
  EXPECT_GE(deeper.seconds, 0.009);
  EXPECT_GE(first.seconds, deeper.seconds + 0.006);
  EXPECT_GE(inner(times, "second").seconds, 0.012);
  EXPECT_GE(times.seconds, first.seconds + inner(times, "second").seconds + 0.003);
}

// The same name in another phase is another entry; from another literal it is the same.
TEST(Profile, PathsAreKeptApart) {
  const std::string copy = "forward";
  Profile profile(Device::cpu);
  for (const char* outer : {"forward", "backward", copy.c_str()}) {
    const Phase phase(outer);
    const Phase a("linear"), b("linear");
  }
  const PhaseTime times = profile.times();
  EXPECT_EQ(inner(inner(times, "forward"), "linear").calls, 2);
  EXPECT_EQ(inner(inner(inner(times, "forward"), "linear"), "linear").calls, 2);
  EXPECT_EQ(inner(inner(times, "backward"), "linear").calls, 1);
}

TEST(Profile, ThrownPhasesEnd) {
  Profile profile(Device::cpu);
  try {
    const Phase outer("outer"), deeper("deeper");
    throw Error("planned");
  } catch (const Error&) {
  }
  { const Phase after("after"); }
  EXPECT_EQ(names(profile.times()), (std::vector<std::string>{"outer", "after"}));
}

// An inner profile takes over for a while; a phase ends where it began.
TEST(Profile, OnesOwnThreadAndScopeOnly) {
  EXPECT_EQ(Profile::current(), nullptr);
  { const Phase uncounted("uncounted"); }
  Profile outer(Device::cpu);
  {
    Phase phase("outer");
    Profile deeper(Device::cpu);
    { const Phase counted("deeper"); }
    phase.end();
    EXPECT_EQ(names(deeper.times()), (std::vector<std::string>{"deeper"}));
  }
  std::thread([] { const Phase uncounted("elsewhere"); }).join();
  { const Phase counted("again"); }
  EXPECT_EQ(names(outer.times()), (std::vector<std::string>{"outer", "again"}));
}

// What an open phase has taken is not told, but what was done inside it is.
TEST(Profile, OpenPhasesAreNotCounted) {
  Profile profile(Device::cpu);
  const Phase open("open");
  { const Phase done("done"); }
  const PhaseTime times = profile.times();
  EXPECT_EQ(inner(times, "open").calls, 0);
  EXPECT_EQ(inner(inner(times, "open"), "done").calls, 1);
}

TEST(Profile, OperationsAreNamedForwardAndBackward) {
  const Tensor x = random_tensor({4, 8}, DType::f32, 1);
  const Var weight = Var::leaf(random_tensor({8, 8}, DType::f32, 2));
  Profile profile(Device::cpu);
  Phase phase("forward");
  const auto layer = [&](const Var& in) { return scale(linear(in, weight), 2); };
  const Var loss = sum(recompute(layer, x));
  phase.next("backward");
  backward(loss);
  phase.end();
  const PhaseTime times = profile.times();
  EXPECT_EQ(names(inner(times, "forward")), (std::vector<std::string>{"linear", "scale", "sum"}));
  // The second run of the layer is told apart from the gradients, which are where they would be without it.
  const PhaseTime& back = inner(times, "backward");
  EXPECT_EQ(names(back), (std::vector<std::string>{"sum", "recompute", "scale", "linear"}));
  EXPECT_EQ(names(inner(back, "recompute")), (std::vector<std::string>{"linear", "scale"}));
}

}  // namespace
}  // namespace lf

// The host executor: runs a CUDA kernel's own source on the CPU, one fiber per CUDA thread. Warp operations
// and barriers are rendezvous; lanes that meet at different operations, or threads that leave before a
// barrier, are errors. A seeded scheduler lets warps run ahead of each other as far as barriers allow, shared
// memory starts as NaN, and asynchronous copies arrive only when they are waited for: so a missing barrier or
// wait shows as a wrong result.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <type_traits>

namespace lf::simt {

struct Index3 {
  unsigned x = 1, y = 1, z = 1;
  constexpr Index3(unsigned x_ = 1, unsigned y_ = 1, unsigned z_ = 1) : x(x_), y(y_), z(z_) {}
};

// Runs the kernel for every block, one after the other. `block` is one-dimensional and a multiple of 32.
// Throws Error for a deadlock, divergence at a rendezvous or an operation that hardware would refuse.
void run(const Index3& grid, const Index3& block, size_t shared_bytes, const std::function<void()>& kernel);

// The most shared memory of a block since the last call.
size_t take_most_shared_bytes();

// Seeds the order in which warps and lanes run from the next launch on (default 1).
void seed_scheduler(uint64_t seed);

// --- what kernels call, from inside run ---
const Index3& thread_index();
const Index3& block_index();
const Index3& block_size();
const Index3& grid_size();
std::byte* shared_memory();
size_t shared_bytes();

void block_barrier();
void warp_barrier(unsigned lanes);

// Meets the other 31 lanes; the last to arrive calls `execute` once, with every lane's `arguments` in order
// of lanes. Lanes that bring different names have diverged.
using WarpArguments = std::array<void*, 32>;
void meet(const char* operation, void* arguments, void (*execute)(const WarpArguments& lanes));
void require_all_lanes(unsigned lanes, const char* operation);

// Remembers 16 bytes to copy (or zeros) until the thread waits for their group.
void copy_later(void* shared, const void* global, bool valid);
void commit_copies();
void wait_for_copies(int pending);

// Stops the kernel with an Error.
[[noreturn]] void fail(std::string what);

template <class T, class F>
T shuffle(unsigned lanes, T value, F&& source, const char* operation) {
  static_assert(std::is_trivially_copyable_v<T>);
  struct Arguments {
    T value, result;
    int from;
  };
  require_all_lanes(lanes, operation);
  Arguments mine{value, value, source(static_cast<int>(thread_index().x % 32))};
  meet(operation, &mine, [](const WarpArguments& all) {
    for (void* lane : all) {
      auto* to = static_cast<Arguments*>(lane);
      to->result = static_cast<Arguments*>(all[static_cast<size_t>(to->from)])->value;
    }
  });
  return mine.result;
}

// The lanes whose value equals the caller's.
template <class T>
unsigned match_any(unsigned lanes, T value) {
  struct Arguments {
    T value;
    unsigned equal;
  };
  require_all_lanes(lanes, "match_any");
  Arguments mine{value, 0};
  meet("match_any", &mine, [](const WarpArguments& all) {
    for (void* lane : all) {
      auto* to = static_cast<Arguments*>(lane);
      for (unsigned i = 0; i < 32; ++i)
        to->equal |= static_cast<unsigned>(static_cast<Arguments*>(all[i])->value == to->value) << i;
    }
  });
  return mine.equal;
}

}  // namespace lf::simt

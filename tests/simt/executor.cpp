#include "tests/simt/executor.h"

#include <algorithm>
#include <cstring>
#include <deque>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "core/check.h"
#include "tests/simt/device_memory.h"
#include "tests/simt/fiber.h"

namespace lf::simt {
namespace {

constexpr unsigned kWarp = 32;
constexpr unsigned kMostThreads = 1024;

struct Copy {
  void* to;
  const void* from;
  bool valid;
};

struct Thread {
  Fiber fiber;
  Index3 index;
  uint64_t waiting_for_barrier = 0;  // the barrier's number, 0: for none
  std::vector<Copy> open_copies;
  std::deque<std::vector<Copy>> groups;
};

struct Warp {
  unsigned first = 0;  // thread
  unsigned arrived = 0;
  uint64_t meetings = 0;
  const char* operation = nullptr;
  WarpArguments arguments{};
};

// The launch under way. Threads and their stacks are kept from launch to launch.
struct Launch {
  std::vector<std::unique_ptr<Thread>> threads;
  std::vector<Warp> warps;
  Index3 grid, block, block_index;
  std::vector<std::byte> shared;
  const std::function<void()>* kernel = nullptr;
  Thread* current = nullptr;
  unsigned at_barrier = 0;
  uint64_t barriers = 0;
  std::optional<std::string> failure;
  std::mt19937_64 random{1};
};

Launch& launch() {
  static auto* the_launch = new Launch;
  return *the_launch;
}

std::string place(const Thread& thread) {
  const Launch& l = launch();
  return text("thread ", thread.index.x, " of block (", l.block_index.x, ", ", l.block_index.y, ", ",
              l.block_index.z, ')');
}

Warp& warp_of(const Thread& thread) { return launch().warps[thread.index.x / kWarp]; }

bool can_run(const Thread& thread) {
  return !thread.fiber.finished() && thread.waiting_for_barrier == launch().barriers;
}

void thread_main() { (*launch().kernel)(); }

void start_block(const Index3& block_index) {
  Launch& l = launch();
  l.block_index = block_index;
  std::fill(l.shared.begin(), l.shared.end(), std::byte{0xFF});
  l.at_barrier = 0;
  for (Warp& warp : l.warps) {
    warp.arrived = 0;
    warp.operation = nullptr;
  }
  for (unsigned i = 0; i < l.block.x; ++i) {
    Thread& thread = *l.threads[i];
    thread.waiting_for_barrier = l.barriers;
    thread.open_copies.clear();
    thread.groups.clear();
    thread.fiber.start(&thread_main);
  }
}

// Runs each of the warp's threads that can until it waits. True if any ran.
bool step(Warp& warp) {
  Launch& l = launch();
  const auto offset = static_cast<unsigned>(l.random() % kWarp);
  bool any = false;
  for (unsigned i = 0; i < kWarp && !l.failure; ++i) {
    Thread& thread = *l.threads[warp.first + (i + offset) % kWarp];
    if (!can_run(thread)) continue;
    const uint64_t meetings = warp.meetings;
    l.current = &thread;
    thread.fiber.enter();
    any |= thread.fiber.finished() || thread.waiting_for_barrier != l.barriers || warp.meetings != meetings;
  }
  return any;
}

// A few steps of one warp, then perhaps another's turn: sometimes one runs as far ahead as barriers allow.
void run_block() {
  Launch& l = launch();
  while (!l.failure) {
    std::vector<Warp*> runnable;
    for (Warp& warp : l.warps) {
      for (unsigned i = 0; i < kWarp; ++i) {
        if (can_run(*l.threads[warp.first + i])) {
          runnable.push_back(&warp);
          break;
        }
      }
    }
    if (runnable.empty()) break;
    std::shuffle(runnable.begin(), runnable.end(), l.random);
    bool any = false;
    for (Warp* warp : runnable) {
      while (!l.failure && step(*warp)) {
        any = true;
        if (l.random() % 8 == 0) break;
      }
    }
    if (!any && !l.failure) {
      l.failure = text("warps wait for lanes that never come, at ",
                       runnable.front()->operation ? runnable.front()->operation : "nothing", " in block (",
                       l.block_index.x, ", ", l.block_index.y, ", ", l.block_index.z, ')');
    }
  }
  const bool all_finished = std::all_of(l.threads.begin(), l.threads.begin() + l.block.x,
                                        [](const auto& thread) { return thread->fiber.finished(); });
  if (!l.failure && !all_finished) l.failure = "threads wait at a barrier that others never reach";
}

void prepare(const Index3& grid, const Index3& block, size_t shared_bytes) {
  Launch& l = launch();
  CHECK(block.y == 1 && block.z == 1 && block.x % kWarp == 0 && block.x > 0 && block.x <= kMostThreads,
        "host executor: a block of ", block.x, " x ", block.y, " x ", block.z, " threads");
  l.grid = grid;
  l.block = block;
  l.shared = std::vector<std::byte>(shared_bytes);
  while (l.threads.size() < block.x) l.threads.push_back(std::make_unique<Thread>());
  l.warps.assign(block.x / kWarp, {});
  for (unsigned i = 0; i < block.x; ++i) l.threads[i]->index = {i, 0, 0};
  for (unsigned i = 0; i < l.warps.size(); ++i) l.warps[i].first = i * kWarp;
  l.failure.reset();
}

void perform(const std::vector<Copy>& copies) {
  for (const Copy& copy : copies) {
    if (copy.valid) {
      std::memcpy(copy.to, copy.from, 16);
    } else {
      std::memset(copy.to, 0, 16);
    }
  }
}

}  // namespace

namespace {
size_t most_shared_bytes = 0;
}
size_t take_most_shared_bytes() { return std::exchange(most_shared_bytes, size_t{0}); }

void run(const Index3& grid, const Index3& block, size_t shared_bytes, const std::function<void()>& kernel) {
  const DeviceAccess access;
  most_shared_bytes = std::max(most_shared_bytes, shared_bytes);
  Launch& l = launch();
  prepare(grid, block, shared_bytes);
  l.kernel = &kernel;
  for (unsigned z = 0; z < grid.z && !l.failure; ++z) {
    for (unsigned y = 0; y < grid.y && !l.failure; ++y) {
      for (unsigned x = 0; x < grid.x && !l.failure; ++x) {
        start_block({x, y, z});
        run_block();
      }
    }
  }
  l.current = nullptr;
  if (l.failure) throw Error("host executor: " + *l.failure);
}

void seed_scheduler(uint64_t seed) { launch().random.seed(seed); }

const Index3& thread_index() { return launch().current->index; }
const Index3& block_index() { return launch().block_index; }
const Index3& block_size() { return launch().block; }
const Index3& grid_size() { return launch().grid; }
std::byte* shared_memory() { return launch().shared.data(); }
size_t shared_bytes() { return launch().shared.size(); }

void fail(std::string what) {
  Launch& l = launch();
  l.failure = place(*l.current) + ": " + what;
  std::string().swap(what);  // nobody unwinds this stack
  Fiber::leave();
  __builtin_unreachable();  // run() never enters this fiber again
}

void block_barrier() {
  Launch& l = launch();
  Thread& thread = *l.current;
  if (warp_of(thread).arrived != 0)
    fail(text("at a barrier while its warp is at ", warp_of(thread).operation));
  const uint64_t barrier = l.barriers;
  if (++l.at_barrier == l.block.x) {
    l.at_barrier = 0;
    ++l.barriers;
    for (unsigned i = 0; i < l.block.x; ++i) l.threads[i]->waiting_for_barrier = l.barriers;
    return;
  }
  thread.waiting_for_barrier = barrier + 1;
  while (l.barriers == barrier) Fiber::leave();
}

void require_all_lanes(unsigned lanes, const char* operation) {
  if (lanes != 0xffffffffu) fail(text(operation, ": only all 32 lanes together are supported"));
}

void meet(const char* operation, void* arguments, void (*execute)(const WarpArguments& lanes)) {
  Thread& thread = *launch().current;
  Warp& warp = warp_of(thread);
  if (warp.arrived == 0) warp.operation = operation;
  if (std::strcmp(warp.operation, operation) != 0) {
    fail(text("at ", operation, " while other lanes of its warp are at ", warp.operation));
  }
  warp.arguments[thread.index.x % kWarp] = arguments;
  const uint64_t meeting = warp.meetings;
  if (++warp.arrived == kWarp) {
    execute(warp.arguments);
    warp.arrived = 0;
    ++warp.meetings;
    return;
  }
  while (warp.meetings == meeting) Fiber::leave();
}

void warp_barrier(unsigned lanes) {
  require_all_lanes(lanes, "syncwarp");
  meet("syncwarp", nullptr, [](const WarpArguments&) {});
}

void copy_later(void* shared, const void* global, bool valid) {
  const Launch& l = launch();
  const auto* begin = l.shared.data();
  const auto* to = static_cast<const std::byte*>(shared);
  if (to < begin || to + 16 > begin + l.shared.size()) fail("cp.async: outside shared memory");
  if (reinterpret_cast<uintptr_t>(shared) % 16 != 0)
    fail("cp.async: the shared address is not aligned to 16");
  if (valid && reinterpret_cast<uintptr_t>(global) % 16 != 0)
    fail("cp.async: the global address is not aligned to 16");
  l.current->open_copies.push_back({shared, global, valid});
}

void commit_copies() {
  Thread& thread = *launch().current;
  thread.groups.push_back(std::move(thread.open_copies));
  thread.open_copies.clear();
}

void wait_for_copies(int pending) {
  Thread& thread = *launch().current;
  while (std::ssize(thread.groups) > pending) {
    perform(thread.groups.front());
    thread.groups.pop_front();
  }
}

}  // namespace lf::simt

#include "core/kernels/amx.h"

#if defined(__x86_64__) && defined(__linux__)
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdint>
#endif

namespace lf::kernels {
namespace {

#if defined(__x86_64__) && defined(__linux__)
bool processor_names_tiles() {
  unsigned a = 0, b = 0, c = 0, d = 0;
  constexpr unsigned kBf16 = 1u << 22, kTiles = 1u << 24;
  return __get_cpuid_count(7, 0, &a, &b, &c, &d) != 0 && (d & kBf16) != 0 && (d & kTiles) != 0;
}

// The state of the tiles is among what a change of threads saves.
bool system_keeps_tiles() {
  unsigned a = 0, b = 0, c = 0, d = 0;
  constexpr unsigned kSystemUsesXsave = 1u << 27;
  if (__get_cpuid(1, &a, &b, &c, &d) == 0 || (c & kSystemUsesXsave) == 0) return false;
  uint32_t low = 0, high = 0;
  __asm__("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  constexpr uint32_t kTileState = 3u << 17;
  return (low & kTileState) == kTileState;
}

// See "Using XSTATE features in user space applications" of the kernel's documentation.
bool system_gives_leave() {
  constexpr int64_t kAskForState = 0x1023, kTileData = 18;
  return ::syscall(SYS_arch_prctl, kAskForState, kTileData) == 0;
}
#endif

}  // namespace

bool amx_runs() {
#if defined(__x86_64__) && defined(__linux__)
  static const bool runs = processor_names_tiles() && system_keeps_tiles() && system_gives_leave();
  return runs;
#else
  return false;
#endif
}

}  // namespace lf::kernels

#include "tests/simt/fiber.h"

#include <sys/mman.h>
#include <ucontext.h>

#include <cstdint>

#include "core/check.h"

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif

// x86-64 switches with a dozen instructions; elsewhere the C library does, with a system call each time.
#if defined(__x86_64__)
// Saves the registers that a call preserves, stores the stack pointer at *from, and goes on at `to`.
extern "C" void lf_switch_stack(void** from, void* to);
asm(R"(
.text
.globl lf_switch_stack
.type lf_switch_stack, @function
lf_switch_stack:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
.size lf_switch_stack, .-lf_switch_stack
)");
#endif

namespace lf::simt {
namespace {

constexpr size_t kStackBytes = 256 * 1024;

Fiber* running = nullptr;
void* outside = nullptr;  // the stack pointer (or context) of whoever entered the running fiber

#if defined(__SANITIZE_ADDRESS__)
void* outside_fake_stack = nullptr;
const void* outside_stack = nullptr;
size_t outside_stack_bytes = 0;
#endif

#if !defined(__x86_64__)
void lf_switch_stack(void** from, void* to) {
  ucontext_t here;
  *from = &here;
  swapcontext(&here, static_cast<ucontext_t*>(to));
}
#endif

}  // namespace

Fiber::Fiber() {
  void* memory = ::mmap(nullptr, kStackBytes, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
  CHECK(memory != MAP_FAILED, "host executor: no memory for a stack");
  ::mprotect(memory, 4096, PROT_NONE);  // an overflow must not run into a neighbour
  stack_ = static_cast<std::byte*>(memory);
}

Fiber::~Fiber() { ::munmap(stack_, kStackBytes); }

void Fiber::main() {
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_finish_switch_fiber(nullptr, &outside_stack, &outside_stack_bytes);
#endif
  running->entry_();
  running->finished_ = true;
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_start_switch_fiber(nullptr, outside_stack, outside_stack_bytes);
#endif
  lf_switch_stack(&running->stack_pointer_, outside);
}

void Fiber::start(void (*entry)()) {
  entry_ = entry;
  finished_ = false;
  fake_stack_ = nullptr;
#if defined(__SANITIZE_ADDRESS__)
  ASAN_UNPOISON_MEMORY_REGION(stack_ + 4096, kStackBytes - 4096);  // of an entry that did not finish
#endif
#if defined(__x86_64__)
  // As lf_switch_stack leaves a stack: six registers, then where to go on; the stack is 16-byte aligned
  // before a call.
  auto* top = reinterpret_cast<void**>(stack_ + kStackBytes);
  *--top = nullptr;
  *--top = reinterpret_cast<void*>(&Fiber::main);
  for (int i = 0; i < 6; ++i) *--top = nullptr;
  stack_pointer_ = top;
#else
  auto* context = reinterpret_cast<ucontext_t*>(stack_ + 4096);
  ::getcontext(context);
  context->uc_stack.ss_sp = stack_ + 8192;
  context->uc_stack.ss_size = kStackBytes - 8192;
  context->uc_link = nullptr;
  ::makecontext(context, &Fiber::main, 0);
  stack_pointer_ = context;
#endif
}

void Fiber::enter() {
  Fiber* const before = running;
  running = this;
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_start_switch_fiber(&outside_fake_stack, stack_, kStackBytes);
#endif
  lf_switch_stack(&outside, stack_pointer_);
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_finish_switch_fiber(outside_fake_stack, nullptr, nullptr);
#endif
  running = before;
}

void Fiber::leave() {
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_start_switch_fiber(&running->fake_stack_, outside_stack, outside_stack_bytes);
#endif
  lf_switch_stack(&running->stack_pointer_, outside);
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_finish_switch_fiber(running->fake_stack_, &outside_stack, &outside_stack_bytes);
#endif
}

}  // namespace lf::simt

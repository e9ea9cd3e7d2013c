// Linked into programs with sanitizers: leaks that are not ours.

extern "C" const char* __lsan_default_suppressions();

// LLVM's OpenMP keeps what it has of a thread that has ended.
extern "C" const char* __lsan_default_suppressions() { return "leak:libomp.so"; }

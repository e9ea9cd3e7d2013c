// Named places at which a test makes the program die or meet a full disk. A testing tool, driven by the
// environment variable LF_FAILPOINT and idle without it:
//   NAME            the process kills itself (SIGKILL) when it reaches the place
//   NAME:3          the third time it reaches it
//   NAME=enospc     writing fails there once as if the disk were full; NAME:3=enospc likewise
//   NAME=until:PATH the thread that reaches it creates PATH.reached and stays there until PATH exists;
//                   NAME:3=until:PATH likewise
#pragma once

namespace lf {

namespace internal {
struct ArmedFailpoint;
extern ArmedFailpoint* armed_failpoint;  // null unless LF_FAILPOINT is set
int reach_failpoint(const char* name);
}  // namespace internal

// Marks a place. Returns 0, or the error number that the caller must treat as the answer of the system call
// it is about to make. Throws UsageError when LF_FAILPOINT cannot be understood.
inline int failpoint(const char* name) {
  return internal::armed_failpoint ? internal::reach_failpoint(name) : 0;
}

// Reads LF_FAILPOINT again and counts from zero; the program does it once by itself when it starts.
void read_failpoint_environment();

}  // namespace lf

// Intel's matrix tiles (AMX), which multiply bf16 some ten times as fast as the same cores' vectors.
#pragma once

namespace lf::kernels {

// Whether this process may use them: the processor has them, the system keeps their state, and gave leave,
// for which this asks at the first call. Virtual machines are known that name them and do not let them run.
bool amx_runs();

}  // namespace lf::kernels

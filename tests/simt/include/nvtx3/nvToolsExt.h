// A stand-in for the two calls of NVTX that Longform makes; see tests/simt/ranges.h. Test only.
#pragma once

int nvtxRangePushA(const char* message);
int nvtxRangePop();

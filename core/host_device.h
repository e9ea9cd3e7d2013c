// Marks functions that run on the host and, where there is CUDA, on the device as well.
#pragma once

#ifdef __CUDACC__
#define LF_HOST_DEVICE __host__ __device__
#else
#define LF_HOST_DEVICE
#endif

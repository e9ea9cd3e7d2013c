#include "core/kernels/attention/choice.h"

#include "core/check.h"
#include "core/device.h"
#include "core/kernels/attention/shares.h"

namespace lf {

std::string why_plain_attention(DType dtype, int64_t K, bool relative, int64_t shared_bytes) {
  if (dtype != DType::bf16) return text("it computes in ", name(dtype), "; tensor cores take bf16");
  if (!kernels::cuda::has_tensor_core_width(K))
    return text("heads are ", K, " wide; tensor cores take 32, 64, 96 and 128");
  if constexpr (kHasCuda) {
    const int64_t needed = kernels::cuda::tensor_core_shared_bytes(K, relative);
    if (shared_bytes > 0 && needed > shared_bytes) {
      return text("heads of ", K, relative ? " with relative positions" : "", " need ", needed,
                  " bytes of shared memory, and the device has ", shared_bytes);
    }
  }
  return "";
}

}  // namespace lf

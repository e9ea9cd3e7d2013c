// What the device is asked for beside results: by which thread, how much of it, how often.
#include <gtest/gtest.h>

#include <utility>

#include "autograd/attention_pattern.h"
#include "autograd/ops.h"
#include "core/cuda/architectures.h"
#include "core/cuda/runtime.h"
#include "core/device_memory.h"
#include "core/kernels/attention/choice.h"
#include "core/kernels/kernels.h"
#include "tests/simt/tests/attention_problem.h"
#include "tests/simt/tests/device_tensors.h"

#ifdef LF_SIMULATED_CUDA
#include "core/kernels/attention/cuda/tensor_cores.h"
#include "tests/simt/device_memory.h"
#include "tests/simt/executor.h"
#include "tests/simt/tests/run_again.h"
#endif

namespace lf {
namespace {

TEST(DeviceCode, RunsOnItsGenerationFromItsOwnDeviceOn) {
  const cuda::BuiltCode code = cuda::parse_architectures("80-real 86-real 89-real 90");
  for (const auto& [major, minor] : {std::pair{8, 0}, {8, 6}, {8, 7}, {8, 9}, {9, 0}})
    EXPECT_TRUE(code.runs_on(major, minor)) << major << '.' << minor;
  for (const auto& [major, minor] : {std::pair{7, 5}, {10, 0}, {12, 0}})
    EXPECT_FALSE(code.runs_on(major, minor)) << major << '.' << minor;
  EXPECT_FALSE(cuda::parse_architectures("86-real").runs_on(8, 0));
  EXPECT_EQ(cuda::describe(code),
            "code for sm_80, sm_86, sm_89 and sm_90, PTX of compute_90 for newer devices");
  EXPECT_EQ(cuda::describe(cuda::parse_architectures("90-virtual")), "PTX of compute_90 for newer devices");
}

TEST(DeviceCode, IsNotedWhereThereIsNone) {
  kernels::sum(straight(random_tensor({3}, DType::f32, 1)));
  const std::string notice = cuda::first_use_notice(), compiled = cuda::compiled_since();
  const cuda::DeviceProperties& d = cuda::device();  // may be newer than all of the build's code
  if (cuda::built_code().runs_on(d.major, d.minor)) {
    EXPECT_EQ(notice, "");
    EXPECT_EQ(compiled, "");
  } else {
    EXPECT_EQ(notice.find(text(d.name, " has compute capability ", d.major, '.', d.minor, ", ")), 0);
    EXPECT_PRED_FORMAT2(::testing::IsSubstring, cuda::describe(cuda::built_code()), notice);
#ifdef LF_SIMULATED_CUDA  // elsewhere another test may have told of it
    EXPECT_EQ(compiled.find("compiled "), 0) << compiled;
#endif
  }
  EXPECT_EQ(cuda::compiled_since(), "");
}

TEST(DeviceAttentionChoice, SaysWhyKernelsArePlain) {
  EXPECT_EQ(why_plain_attention(DType::bf16, 64, true, 0), "");
  EXPECT_EQ(why_plain_attention(DType::f32, 64, false, 0), "it computes in f32; tensor cores take bf16");
  EXPECT_EQ(why_plain_attention(DType::bf16, 48, false, 0),
            "heads are 48 wide; tensor cores take 32, 64, 96 and 128");
  const int64_t needed = kernels::cuda::tensor_core_shared_bytes(128, true);
  EXPECT_EQ(why_plain_attention(DType::bf16, 128, true, needed), "");
  EXPECT_EQ(why_plain_attention(DType::bf16, 128, true, needed - 1),
            text("heads of 128 with relative positions need ", needed,
                 " bytes of shared memory, and the device has ", needed - 1));
  EXPECT_EQ(why_plain_attention(DType::bf16, 128, false, 99 * 1024), "");
}

#ifdef LF_SIMULATED_CUDA

AttentionCase relative_case(int64_t K) {
  AttentionCase c{"relative", 1, 70, 1, K, 20, 0};
  c.relative = true;
  return c;
}

// r is copied 16 bytes at a time as the other tensors are.
TEST(DeviceAttentionChoice, LooksAtEveryAddress) {
  alignas(16) static bf16 memory[16];
  const TokenView<const bf16> view{memory, 8};
  EXPECT_TRUE(kernels::cuda::has_tensor_cores<bf16>(32, 1.0, memory, view));
  EXPECT_TRUE(kernels::cuda::has_tensor_cores<bf16>(32, 1.0, nullptr, view));
  EXPECT_FALSE(kernels::cuda::has_tensor_cores<bf16>(32, 1.0, memory + 1, view));
}

TEST(DeviceCode, IsNotedOnANewerDevice) {
  EXPECT_EQ(run_again("DeviceCode.IsNotedWhereThereIsNone", "LF_SIMT_CAPABILITY=12.0"), "");
}

TEST(DeviceAttentionChoice, KnowsTheMostSharedMemoryOfAllKernels) {
  for (const int64_t K : {32, 64, 96, 128}) {
    for (const bool relative : {false, true}) {
      AttentionCase c = relative_case(K);
      c.relative = relative;
      AttentionProblem problem(c);
      simt::take_most_shared_bytes();
      run_window(problem, true);
      EXPECT_EQ(static_cast<int64_t>(simt::take_most_shared_bytes()),
                kernels::cuda::tensor_core_shared_bytes(K, relative))
          << K << ' ' << relative;
    }
  }
}

TEST(DeviceTimers, AreReleasedWhereWhatTheyTimeThrows) {
  cuda::milliseconds_of([] {});
  const int64_t before = simt::live_events();
  EXPECT_THROW(cuda::milliseconds_of([] { throw Error("no"); }), Error);
  EXPECT_EQ(simt::live_events(), before);
}

// Layers of a model, forward and backward, share a batch's lists.
TEST(DeviceAttentionLists, AreBroughtOnceForABatch) {
  const Var qkv = Var::leaf(straight(random_tensor({2, 20, 3, 2, 32}, DType::bf16, 1)));
  const Tensor up = straight(random_tensor({2, 20, 2, 32}, DType::bf16, 2));
  const auto uploads_with = [&](int64_t global, uint8_t valid) {
    AttentionPattern pattern;
    pattern.left = pattern.right = 3;
    pattern.dilation = {1, 2};
    std::vector<uint8_t> mask(40, 1);
    mask[39] = valid;
    pattern.key_mask = Tensor::from({2, 20}, mask);
    auto tokens = std::make_shared<GlobalTokens>();
    tokens->offsets = {0, 1, 1};
    tokens->positions = {global};
    pattern.global_tokens = tokens;
    const int64_t before = simt::uploads();
    const Tensor rows = Tensor::zeros({1, 2, 32}, DType::bf16, Device::cuda);
    for (int layer = 0; layer < 2; ++layer) {
      const Var context = window_attention(qkv, pattern, nullptr);
      const Var q = Var::leaf(rows), k = Var::leaf(up), v = Var::leaf(up);
      tape().backward(global_attention(context, q, k, v, pattern), up);
      qkv.gradient()->sum = {};
    }
    return simt::uploads() - before;
  };
  EXPECT_EQ(uploads_with(3, 0), 2);  // of window and of dense attention
  EXPECT_EQ(uploads_with(3, 0), 0);
  EXPECT_EQ(uploads_with(4, 0), 2);
  EXPECT_EQ(uploads_with(4, 1), 2);
}

#endif

}  // namespace
}  // namespace lf

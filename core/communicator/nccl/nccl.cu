// One process for each GPU, their tensors summed by NCCL on the device.
#include <nccl.h>

#include <utility>

#include "core/communicator/communicator.h"
#include "core/cuda/runtime.h"
#include "core/loaded_library.h"
#include "core/nvidia_folders.h"

namespace lf {
namespace {

const LoadedLibrary& nccl() {
  static const LoadedLibrary library("NCCL", text("libnccl.so.", NCCL_MAJOR), nvidia_folders(),
                                     "install libnccl2, or pip install nvidia-nccl-cu12 or -cu13");
  return library;
}

// Loaded at the first call; see core/cuda/cublaslt.h.
#define LF_NCCL_FUNCTION(NAME) const LoadedFunction<nccl, decltype(::NAME)> NAME(#NAME)
LF_NCCL_FUNCTION(ncclAllReduce);
LF_NCCL_FUNCTION(ncclCommDestroy);
LF_NCCL_FUNCTION(ncclCommInitRank);
LF_NCCL_FUNCTION(ncclGetErrorString);
LF_NCCL_FUNCTION(ncclGetUniqueId);
#undef LF_NCCL_FUNCTION

void check(ncclResult_t status, const char* what) {
  CHECK(status == ncclSuccess, "NCCL: ", what, ": ", ncclGetErrorString(status),
        "; NCCL_DEBUG=WARN says more");
}

ncclDataType_t type_of(DType dtype) {
  switch (dtype) {
    case DType::f32:
      return ncclFloat32;
    case DType::bf16:
      return ncclBfloat16;
    case DType::f64:
      return ncclFloat64;
    default:
      throw Error(text("NCCL: sums are for f32, bf16 and f64, not for ", name(dtype)));
  }
}

// Rank 0's key to the group, carried to all by a sum in which the others' share is zero.
ncclUniqueId shared_key(Communicator& host) {
  ncclUniqueId key{};
  if (host.rank() == 0) check(ncclGetUniqueId(&key), "making a key for the group");
  std::vector<double> bytes(sizeof(key.internal));
  for (size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<unsigned char>(key.internal[i]);
  host.sum(bytes);
  for (size_t i = 0; i < bytes.size(); ++i)
    key.internal[i] = static_cast<char>(static_cast<unsigned char>(bytes[i]));
  return key;
}

class OverNccl : public Communicator {
 public:
  explicit OverNccl(std::unique_ptr<Communicator> host) : host_(std::move(host)) {
    cuda::device();
    check(ncclCommInitRank(&group_, host_->size(), shared_key(*host_), host_->rank()), "joining the group");
  }
  ~OverNccl() override { ncclCommDestroy(group_); }
  OverNccl(const OverNccl&) = delete;
  OverNccl& operator=(const OverNccl&) = delete;

  int rank() const override { return host_->rank(); }
  int size() const override { return host_->size(); }
  void sum(Tensor& x) override {
    if (x.device() == Device::cpu) return host_->sum(x);
    check(ncclAllReduce(x.raw(), x.raw(), static_cast<size_t>(x.elements()), type_of(x.dtype()), ncclSum,
                        group_, cuda::stream()),
          "summing a tensor");
  }
  void sum(std::vector<double>& values) override { host_->sum(values); }
  int64_t maximum(int64_t value) override { return host_->maximum(value); }
  void barrier() override { host_->barrier(); }

 private:
  std::unique_ptr<Communicator> host_;
  ncclComm_t group_ = nullptr;
};

}  // namespace

std::unique_ptr<Communicator> over_nccl(std::unique_ptr<Communicator> host) {
  return std::make_unique<OverNccl>(std::move(host));
}

}  // namespace lf

// One process for each GPU, their tensors summed by NCCL on the device.
#include <nccl.h>

#include <algorithm>
#include <utility>

#include "core/communicator/communicator.h"
#include "core/cuda/runtime.h"
#include "core/kernels/kernels.h"
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
LF_NCCL_FUNCTION(ncclBroadcast);
LF_NCCL_FUNCTION(ncclCommDestroy);
LF_NCCL_FUNCTION(ncclCommInitRank);
LF_NCCL_FUNCTION(ncclGetErrorString);
LF_NCCL_FUNCTION(ncclGetUniqueId);
LF_NCCL_FUNCTION(ncclGroupEnd);
LF_NCCL_FUNCTION(ncclGroupStart);
LF_NCCL_FUNCTION(ncclRecv);
LF_NCCL_FUNCTION(ncclReduce);
LF_NCCL_FUNCTION(ncclSend);
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

// Rank 0's key to the group.
ncclUniqueId shared_key(Communicator& host) {
  ncclUniqueId key{};
  if (host.rank() == 0) check(ncclGetUniqueId(&key), "making a key for the group");
  const std::string bytes = host.broadcast(std::string(key.internal, sizeof key.internal));
  std::copy(bytes.begin(), bytes.end(), key.internal);
  return key;
}

// What is started until its end is one operation: no rank waits for a part of it.
class Group {
 public:
  Group() { check(ncclGroupStart(), "starting a group of operations"); }
  void end() { check(ncclGroupEnd(), "starting the operations of a group"); }
};

class OverNccl : public Communicator {
 public:
  explicit OverNccl(std::shared_ptr<Communicator> host) : host_(std::move(host)) {
    cuda::device();
    check(ncclCommInitRank(&group_, host_->size(), shared_key(*host_), host_->rank()), "joining the group");
  }
  ~OverNccl() override { ncclCommDestroy(group_); }
  OverNccl(const OverNccl&) = delete;
  OverNccl& operator=(const OverNccl&) = delete;

  int rank() const override { return host_->rank(); }
  int size() const override { return host_->size(); }
  std::string host(int rank) const override { return host_->host(rank); }
  int64_t bytes_sent() const override { return host_->bytes_sent() + sent_; }
  double busy_seconds() const override { return host_->busy_seconds(); }
  double waited_seconds() const override { return host_->waited_seconds(); }
  bool fail(const std::string& why, int exit_code) override { return host_->fail(why, exit_code); }
  std::vector<std::string> gather(const std::string& words) override { return host_->gather(words); }

  // Everything goes onto the stream that computes: what follows there needs no other wait.
  Pending start_reduce_scatter(Tensor x, Bounds slices) override {
    if (x.device() == Device::cpu) return host_->start_reduce_scatter(x, slices);
    Group group;
    each_slice(x, slices, [&](int r, std::byte* begin, size_t count) {
      check(ncclReduce(begin, begin, count, type_of(x.dtype()), ncclSum, r, group_, cuda::stream()),
            "adding a slice");
    });
    group.end();
    return {};
  }
  Pending start_all_gather(Tensor x, Bounds slices) override {
    if (x.device() == Device::cpu) return host_->start_all_gather(x, slices);
    Group group;
    each_slice(x, slices, [&](int r, std::byte* begin, size_t count) {
      check(ncclBroadcast(begin, begin, count, type_of(x.dtype()), r, group_, cuda::stream()),
            "handing out a slice");
    });
    group.end();
    return {};
  }
  // Slices are exchanged, and added in the order of ranks by the owner.
  Pending start_accumulate(Tensor x, Tensor total, int ranks, Bounds slices) override {
    if (x.device() == Device::cpu) return host_->start_accumulate(x, total, ranks, slices);
    const int64_t begin = slices[static_cast<size_t>(rank())], end = slices[static_cast<size_t>(rank()) + 1];
    std::vector<Tensor> parts;
    for (int r = 0; r < ranks; ++r)
      parts.push_back(r == rank() ? x.slice(begin, end)
                                  : Tensor::empty({end - begin}, x.dtype(), x.device()));
    Group group;
    each_slice(x, slices, [&](int r, std::byte* theirs, size_t count) {
      if (r != rank() && rank() < ranks)
        check(ncclSend(theirs, count, type_of(x.dtype()), r, group_, cuda::stream()), "sending a slice");
    });
    for (int r = 0; r < ranks && begin < end; ++r) {
      if (r != rank())
        check(ncclRecv(parts[static_cast<size_t>(r)].raw(), static_cast<size_t>(end - begin),
                       type_of(x.dtype()), r, group_, cuda::stream()),
              "receiving a slice");
    }
    group.end();
    if (begin == end) return {};
    Tensor own = total.slice(begin, end);
    for (const Tensor& part : parts) kernels::accumulate(part, own);
    return {};
  }
  std::shared_ptr<Communicator> with(const std::vector<int>& members) override {
    return std::make_shared<OverNccl>(host_->with(members));
  }
  void broadcast(Tensor x) override {
    if (x.device() == Device::cpu) return host_->broadcast(x);
    check(ncclBroadcast(x.raw(), x.raw(), static_cast<size_t>(x.elements()), type_of(x.dtype()), 0, group_,
                        cuda::stream()),
          "handing out a tensor");
  }
  Pending start_send(int to, std::string bytes) override { return host_->start_send(to, std::move(bytes)); }
  std::string receive(int from) override { return host_->receive(from); }
  void exchange(const std::vector<Parcel>& sent, const std::vector<Parcel>& received) override {
    const auto on_host = [](const Parcel& parcel) { return parcel.content.device() == Device::cpu; };
    if (std::all_of(sent.begin(), sent.end(), on_host) &&
        std::all_of(received.begin(), received.end(), on_host))
      return host_->exchange(sent, received);
    Group group;
    for (const auto& [peer, content] : sent) {
      check(ncclSend(content.raw(), static_cast<size_t>(content.elements()), type_of(content.dtype()), peer,
                     group_, cuda::stream()),
            "sending a tensor");
    }
    for (const auto& [peer, content] : received) {
      check(ncclRecv(content.raw(), static_cast<size_t>(content.elements()), type_of(content.dtype()), peer,
                     group_, cuda::stream()),
            "receiving a tensor");
    }
    group.end();
  }

 private:
  // f(rank, its first byte of x, its number of elements) for every slice that has any.
  template <class F>
  void each_slice(const Tensor& x, const Bounds& slices, F&& f) {
    for (int r = 0; r < size(); ++r) {
      const int64_t begin = slices[static_cast<size_t>(r)], end = slices[static_cast<size_t>(r) + 1];
      if (begin == end) continue;
      f(r, x.raw() + begin * size_of(x.dtype()), static_cast<size_t>(end - begin));
      if (r != rank()) sent_ += (end - begin) * size_of(x.dtype());
    }
  }

  std::shared_ptr<Communicator> host_;
  ncclComm_t group_ = nullptr;
  int64_t sent_ = 0;
};

}  // namespace

std::unique_ptr<Communicator> over_nccl(std::shared_ptr<Communicator> host) {
  return std::make_unique<OverNccl>(std::move(host));
}

}  // namespace lf

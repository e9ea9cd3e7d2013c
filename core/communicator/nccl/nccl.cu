// One process for each GPU, their tensors exchanged by NCCL on the device.
#include <algorithm>
#include <utility>

#include "core/communicator/communicator.h"
#include "core/communicator/nccl/group.h"
#include "core/kernels/kernels.h"

namespace lf {
namespace {

ncclDataType_t type_of(DType dtype) {
  switch (dtype) {
    case DType::f32:
      return ncclFloat32;
    case DType::bf16:
      return ncclBfloat16;
    case DType::f64:
      return ncclFloat64;
    default:
      throw Error(text("NCCL: exchanges are of f32, bf16 and f64, not of ", name(dtype)));
  }
}

// A rank's slice of a flat block.
struct Slice {
  std::byte* begin;
  size_t elements;
  int64_t bytes;
};

Slice slice(const Tensor& x, const Bounds& slices, int rank) {
  const int64_t begin = slices[static_cast<size_t>(rank)],
                elements = slices[static_cast<size_t>(rank) + 1] - begin, size = size_of(x.dtype());
  return {x.raw() + begin * size, static_cast<size_t>(elements), elements * size};
}

class OverNccl : public Communicator {
 public:
  OverNccl(std::shared_ptr<Communicator> host, const Patience& patience)
      : host_(std::move(host)), patience_(patience), group_(host_, patience) {}

  int rank() const override { return host_->rank(); }
  int size() const override { return host_->size(); }
  std::string host(int rank) const override { return host_->host(rank); }
  int64_t bytes_sent() const override { return host_->bytes_sent() + sent_; }
  double busy_seconds() const override { return host_->busy_seconds() + group_.busy_seconds(); }
  double waited_seconds() const override { return host_->waited_seconds() + group_.waited_seconds(); }
  bool fail(const std::string& why, int exit_code) override { return host_->fail(why, exit_code); }
  void lose(const std::string& why) override { host_->lose(why); }
  bool has_failed() const override { return host_->has_failed(); }
  std::vector<std::string> gather(const std::string& words) override { return host_->gather(words); }

  Pending start_reduce_scatter(Tensor x, Bounds slices) override {
    if (x.device() == Device::cpu) return host_->start_reduce_scatter(x, slices);
    const ncclDataType_t type = type_of(x.dtype());
    return pending(group_.start(
        [&](ncclComm_t comm, cudaStream_t stream) {
          for (int r = 0; r < size(); ++r) {
            const Slice part = slice(x, slices, r);
            if (part.elements == 0) continue;
            check(ncclReduce(part.begin, part.begin, part.elements, type, ncclSum, r, comm, stream),
                  "adding a slice");
            if (r != rank()) sent_ += part.bytes;
          }
        },
        {x}));
  }
  Pending start_all_gather(Tensor x, Bounds slices) override {
    if (x.device() == Device::cpu) return host_->start_all_gather(x, slices);
    const ncclDataType_t type = type_of(x.dtype());
    sent_ += slice(x, slices, rank()).bytes * (size() - 1);
    return pending(group_.start(
        [&](ncclComm_t comm, cudaStream_t stream) {
          for (int r = 0; r < size(); ++r) {
            const Slice part = slice(x, slices, r);
            if (part.elements == 0) continue;
            check(ncclBroadcast(part.begin, part.begin, part.elements, type, r, comm, stream),
                  "handing out a slice");
          }
        },
        {x}));
  }
  // Slices are exchanged, and once they are waited for added in the order of ranks by the owner: on the
  // stream that computes, which until then knows nothing of them.
  Pending start_accumulate(Tensor x, Tensor total, int ranks, Bounds slices) override {
    if (x.device() == Device::cpu) return host_->start_accumulate(x, total, ranks, slices);
    const ncclDataType_t type = type_of(x.dtype());
    const int64_t begin = slices[static_cast<size_t>(rank())], end = slices[static_cast<size_t>(rank()) + 1];
    std::vector<Tensor> parts;
    for (int r = 0; r < ranks && begin < end; ++r)
      parts.push_back(r == rank() ? x.slice(begin, end)
                                  : Tensor::empty({end - begin}, x.dtype(), x.device()));
    std::vector<Tensor> memory = parts;
    memory.push_back(x);
    const auto exchange = group_.start(
        [&](ncclComm_t comm, cudaStream_t stream) {
          for (int r = 0; r < size() && rank() < ranks; ++r) {
            const Slice theirs = slice(x, slices, r);
            if (r == rank() || theirs.elements == 0) continue;
            check(ncclSend(theirs.begin, theirs.elements, type, r, comm, stream), "sending a slice");
            sent_ += theirs.bytes;
          }
          for (size_t r = 0; r < parts.size(); ++r) {
            if (static_cast<int>(r) == rank()) continue;
            check(ncclRecv(parts[r].raw(), static_cast<size_t>(end - begin), type, static_cast<int>(r), comm,
                           stream),
                  "receiving a slice");
          }
        },
        std::move(memory));
    return Pending([exchange, parts, own = total.slice(begin, end)]() mutable {
      exchange->join();
      for (const Tensor& part : parts) kernels::accumulate(part, own);
    });
  }
  std::shared_ptr<Communicator> with(const std::vector<int>& members) override {
    return std::make_shared<OverNccl>(host_->with(members), patience_);
  }
  void broadcast(Tensor x) override {
    if (x.device() == Device::cpu) return host_->broadcast(x);
    const auto elements = static_cast<size_t>(x.elements());
    const ncclDataType_t type = type_of(x.dtype());
    if (rank() == 0) sent_ += x.elements() * size_of(x.dtype()) * (size() - 1);
    group_
        .start(
            [&](ncclComm_t comm, cudaStream_t stream) {
              check(ncclBroadcast(x.raw(), x.raw(), elements, type, 0, comm, stream), "handing out a tensor");
            },
            {x})
        ->join();
  }
  Pending start_send(int to, std::string bytes) override { return host_->start_send(to, std::move(bytes)); }
  std::string receive(int from) override { return host_->receive(from); }
  void exchange(const std::vector<Parcel>& all_sent, const std::vector<Parcel>& all_received) override {
    // Masks are in host memory beside the device's keys and values.
    std::vector<Parcel> sent, received, sent_on_host, received_on_host;
    std::vector<Tensor> memory;
    for (const Parcel& parcel : all_sent)
      (parcel.content.device() == Device::cpu ? sent_on_host : sent).push_back(parcel);
    for (const Parcel& parcel : all_received)
      (parcel.content.device() == Device::cpu ? received_on_host : received).push_back(parcel);
    if (!sent_on_host.empty() || !received_on_host.empty()) host_->exchange(sent_on_host, received_on_host);
    for (const std::vector<Parcel>* parcels : {&sent, &received})
      for (const Parcel& parcel : *parcels) memory.push_back(parcel.content);
    if (memory.empty()) return;
    for (const Tensor& x : memory) type_of(x.dtype());
    const auto count = [](const Tensor& x) { return static_cast<size_t>(x.elements()); };
    group_
        .start(
            [&](ncclComm_t comm, cudaStream_t stream) {
              for (const auto& [peer, x] : sent) {
                check(ncclSend(x.raw(), count(x), type_of(x.dtype()), peer, comm, stream),
                      "sending a tensor");
                sent_ += x.elements() * size_of(x.dtype());
              }
              for (const auto& [peer, x] : received)
                check(ncclRecv(x.raw(), count(x), type_of(x.dtype()), peer, comm, stream),
                      "receiving a tensor");
            },
            std::move(memory))
        ->join();
  }

 private:
  static Pending pending(std::shared_ptr<NcclGroup::Exchange> exchange) {
    return Pending([exchange = std::move(exchange)] { exchange->join(); });
  }

  const std::shared_ptr<Communicator> host_;
  const Patience patience_;
  mutable NcclGroup group_;  // asked for times, it looks at the device
  int64_t sent_ = 0;
};

}  // namespace

std::unique_ptr<Communicator> over_nccl(std::shared_ptr<Communicator> host, const Patience& patience) {
  return std::make_unique<OverNccl>(std::move(host), patience);
}

}  // namespace lf

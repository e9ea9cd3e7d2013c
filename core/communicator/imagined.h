// Ranks that are not there, for plans of what one of many would do.
#pragma once

#include <cstdint>
#include <memory>
#include <utility>

#include "core/communicator/communicator.h"

namespace lf {

// The first of so many ranks, of which there are no others. Exchanges are counted and bring zeros; every rank
// says what this one says.
class ImaginedRanks : public Communicator {
 public:
  explicit ImaginedRanks(int size) : ImaginedRanks(size, std::make_shared<Counts>()) {}

  // So far, on this communicator and those that were made of it.
  int64_t exchanges() const { return counts_->exchanges; }
  int64_t bytes_sent() const override { return counts_->bytes; }

  int rank() const override { return 0; }
  int size() const override { return size_; }
  std::string host(int rank) const override;
  double busy_seconds() const override { return 0; }
  double waited_seconds() const override { return 0; }
  bool fail(const std::string&, int) override { return true; }
  void lose(const std::string&) override {}
  bool has_failed() const override { return false; }
  Pending start_reduce_scatter(Tensor x, Bounds slices) override;
  Pending start_all_gather(Tensor x, Bounds slices) override;
  Pending start_accumulate(Tensor x, Tensor total, int ranks, Bounds slices) override;
  std::shared_ptr<Communicator> with(const std::vector<int>& members) override;
  void broadcast(Tensor x) override;
  std::vector<std::string> gather(const std::string& words) override;
  void exchange(const std::vector<Parcel>& sent, const std::vector<Parcel>& received) override;
  Pending start_send(int to, std::string bytes) override;
  std::string receive(int) override { return ""; }

 private:
  struct Counts {
    int64_t exchanges = 0, bytes = 0;
  };
  ImaginedRanks(int size, std::shared_ptr<Counts> counts) : size_(size), counts_(std::move(counts)) {}
  void count(int64_t bytes);

  int size_;
  std::shared_ptr<Counts> counts_;
};

}  // namespace lf

// What the processes of a run exchange. Everything that ranks share goes through a Communicator, also when
// there is only one process, so that more processes change no caller.
#pragma once

#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "core/check.h"
#include "core/tensor.h"

namespace lf {

// What one rank saw since the last agreement; what any of them saw, all act on.
struct Agreement {
  bool finite = true, save = false, over_time = false;
  int signal = 0;
};

// Where every rank's slice of a flat block begins, in elements, and where the last one's ends.
using Bounds = std::vector<int64_t>;

// Another rank ended the run, or was lost. The program ends with this code; people have been told already.
class OtherRankFailed : public Error {
 public:
  OtherRankFailed(const std::string& what, int exit_code) : Error(what), exit_code_(exit_code) {}
  int exit_code() const { return exit_code_; }

 private:
  int exit_code_;
};

// The program's exit code where a rank was lost: what was saved is whole, and starting again goes on from it.
inline constexpr int kLostRank = 75;  // EX_TEMPFAIL of sysexits.h

// An exchange that goes on beside the caller's work.
class Pending {
 public:
  Pending() = default;
  explicit Pending(std::function<void()> wait) : wait_(std::move(wait)) {}
  // Returns when it is done; throws what it failed with.
  void wait() {
    if (wait_) std::exchange(wait_, nullptr)();
  }

 private:
  std::function<void()> wait_;
};

// Every member but the first and the last group must be called by all ranks, in the same order, with the same
// sizes. All of them throw OtherRankFailed when a rank is lost.
class Communicator {
 public:
  virtual ~Communicator() = default;

  virtual int rank() const = 0;
  virtual int size() const = 0;
  // The name of the rank's machine.
  virtual std::string host(int rank) const = 0;
  // Bytes that this rank has sent to others so far.
  virtual int64_t bytes_sent() const = 0;
  // Seconds that its exchanges have taken so far, waiting for other ranks included.
  virtual double busy_seconds() const = 0;
  // Seconds for which its computing has waited for exchanges so far.
  virtual double waited_seconds() const = 0;
  // Tells the others that this rank ends, and why, so that they end too. False: a lower rank has failed as
  // well, and speaks for all. Called at most once, and nothing else after it.
  virtual bool fail(const std::string& why, int exit_code) = 0;
  // Ends the run on all ranks, as where a rank is lost: exchanges that the communicator knows nothing of go
  // on no more. Called on any thread.
  virtual void lose(const std::string& why) = 0;
  // Whether the run has failed, here or elsewhere: no exchange can be relied upon to end. On any thread.
  virtual bool has_failed() const = 0;
  // All ranks know of a failure already: see throw_together().
  void ended_together() { ended_together_ = true; }
  bool has_ended_together() const { return ended_together_; }

  // Adds over ranks, in their order, into every rank's own slice of x; the rest of x is left undefined.
  virtual Pending start_reduce_scatter(Tensor x, Bounds slices) = 0;
  // Hands every rank's own slice of x to all.
  virtual Pending start_all_gather(Tensor x, Bounds slices) = 0;
  // total + x of rank 0 + x of rank 1 + ... , in this order, of the first `ranks` ranks, in every rank's own
  // slice of `total`.
  virtual Pending start_accumulate(Tensor x, Tensor total, int ranks, Bounds slices) = 0;
  // Replaces x by the sum over all ranks.
  Pending start_sum(const Tensor& x);
  void sum(const Tensor& x) { start_sum(x).wait(); }
  void sum(std::vector<double>& values);

  // A communicator of this rank and some others, in this order: every rank calls it, each named is given the
  // same list, and what they exchange with it overtakes what has been started with this one. Failures and
  // counts are this one's, which must outlive it.
  virtual std::shared_ptr<Communicator> with(const std::vector<int>& members) = 0;

  // Rank 0's values, to all.
  virtual void broadcast(Tensor x) = 0;
  // What every rank says, on every rank.
  virtual std::vector<std::string> gather(const std::string& words) = 0;
  std::string broadcast(const std::string& words) { return gather(rank() == 0 ? words : "").front(); }
  Agreement agree(const Agreement& mine);
  int64_t maximum(int64_t value);
  // Returns when every rank has arrived.
  void barrier() { gather(""); }
  // Sends tensors to some ranks while receiving others of known shapes: a halo.
  struct Parcel {
    int peer = 0;
    Tensor content;
  };
  virtual void exchange(const std::vector<Parcel>& sent, const std::vector<Parcel>& received) = 0;

  // Between two ranks, whatever the others do: bytes of any number, which the other one receives in the order
  // in which they were sent.
  virtual Pending start_send(int to, std::string bytes) = 0;
  virtual std::string receive(int from) = 0;

 private:
  bool ended_together_ = false;
};

// The communicator of a run of one process.
std::unique_ptr<Communicator> alone();

// Whether mpirun, srun or another launcher of MPI started this process.
bool started_by_mpi();
// What only a program may do; called on other threads than the one that computes.
struct Alarm {
  // Tells people that a rank is lost. One of the ranks that see it is told to.
  std::function<void(const std::string& what)> tell;
  // Ends the process: the run has failed on another rank, and this one computes on and waits for nobody.
  std::function<void(int exit_code)> end;
};
// How long a run waits for a rank that does not answer.
struct Patience {
  double silence = 15;  // seconds without a sign of life: the process is stopped, or its machine is cut off
  double stuck = 600;   // seconds in one phase, alive, while others wait for it
};
// All processes that were started together, through host memory, where tensors of a device are copied. At
// most one of these at a time; the first starts MPI, and MPI cannot be started again after it has gone.
// Loads liblongform_mpi.so and with it the system's MPI; an Error says what is missing.
std::unique_ptr<Communicator> over_mpi(const Patience& patience, const Alarm& alarm);

#ifdef LF_NCCL
// The same processes, one for each GPU: tensors on the device are summed there, in an order of NCCL's own
// that does not change from run to run; everything else goes through `host`. A UsageError names ranks that
// have one GPU together.
std::unique_ptr<Communicator> over_nccl(std::shared_ptr<Communicator> host, const Patience& patience);
#endif

// Throws on every rank if one of them has met an exception (null: it has not): the lowest of those its own,
// naming the rank unless all say the same or it is rank 0, the others OtherRankFailed.
void throw_together(Communicator& ranks, const std::exception_ptr& failure);

// Runs f on every rank; returns its result where it succeeded on all, or throws together. f must not exchange
// anything.
template <class F>
auto all_or_none(Communicator& ranks, F&& f) {
  std::exception_ptr failure;
  if constexpr (std::is_void_v<std::invoke_result_t<F>>) {
    try {
      f();
    } catch (...) {
      failure = std::current_exception();
    }
    throw_together(ranks, failure);
  } else {
    std::optional<std::invoke_result_t<F>> result;
    try {
      result.emplace(f());
    } catch (...) {
      failure = std::current_exception();
    }
    throw_together(ranks, failure);
    return std::move(*result);
  }
}

}  // namespace lf

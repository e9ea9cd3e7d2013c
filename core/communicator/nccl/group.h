// The ranks of a communicator as a group of NCCL's. What they exchange runs on a stream of its own, beside
// the one that computes, and is watched: where a rank is lost, or NCCL fails, it is cut off, so that nothing
// on the device or here waits for ever.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "core/activity.h"
#include "core/communicator/communicator.h"
#include "core/communicator/nccl/library.h"
#include "core/cuda/event.h"

namespace lf {

// Throws an Error with NCCL's words.
void check(ncclResult_t status, const char* what);

// Stretches of a stream, one behind the other: how long those took that have ended. For any thread.
class Stretches {
 public:
  struct Stretch {
    cuda::Event begin, end;
  };
  // Both ends have been recorded.
  void add(std::shared_ptr<const Stretch> stretch);
  double seconds();
  // For how long the device has been seen at one of them by now.
  double open_seconds();

 private:
  void look();

  std::mutex mutex_;
  std::deque<std::shared_ptr<const Stretch>> open_;
  double since_ = 0;  // when the oldest was first seen to have begun
  double seconds_ = 0;
};

class NcclGroup {
 public:
  // Called by all ranks of `host`.
  NcclGroup(std::shared_ptr<Communicator> host, const Patience& patience);
  // Leaves in order where all ranks do.
  ~NcclGroup();
  NcclGroup(const NcclGroup&) = delete;
  NcclGroup& operator=(const NcclGroup&) = delete;

  // Operations under way. The memory is kept for them: a block that is given back may be handed out at once
  // to what the computing stream does next, which must then come after them.
  class Exchange {
   public:
    Exchange(NcclGroup& group, std::vector<Tensor> memory) : group_(group), memory_(std::move(memory)) {}
    ~Exchange();
    Exchange(const Exchange&) = delete;
    Exchange& operator=(const Exchange&) = delete;

    // What the computing stream is given from here on comes after it. Nobody waits here, but where the run
    // has failed OtherRankFailed is thrown.
    void join();

   private:
    friend class NcclGroup;
    void order();

    NcclGroup& group_;
    std::vector<Tensor> memory_;
    std::shared_ptr<Stretches::Stretch> stretch_;  // null: nothing to come after
  };

  // Starts operations as one, so that no rank waits for a part of them, after all that the computing stream
  // has been given.
  using Operations = std::function<void(ncclComm_t, cudaStream_t)>;
  std::shared_ptr<Exchange> start(const Operations& operations, std::vector<Tensor> memory);

  double busy_seconds() { return exchanges_.seconds(); }
  // For which the computing stream has waited.
  double waited_seconds() { return waits_.seconds(); }

 private:
  // NCCL's object, which is cut off at the end unless it has left. One thread at a time uses it.
  class Handle {
   public:
    Handle() = default;
    ~Handle() { cut_off(); }
    Handle(const Handle&) = delete;
    Handle& operator=(const Handle&) = delete;
    void cut_off();

    std::mutex mutex;
    ncclComm_t comm = nullptr;  // null: there is none any more
  };
  struct Stream {
    Stream();
    ~Stream() { cudaStreamDestroy(stream); }
    Stream(const Stream&) = delete;
    Stream& operator=(const Stream&) = delete;

    cudaStream_t stream = nullptr;
  };

  ncclResult_t state();
  void settle(ncclResult_t status, const char* what, double patience);
  [[noreturn]] void end_run(const std::string& why);
  void watch();
  std::string trouble();
  bool sleep(double seconds, const std::function<bool()>& until);
  void leave();

  const std::shared_ptr<Communicator> host_;
  const Patience patience_;
  const Activity* const activity_;  // of the thread that computes; null: nobody counts its steps
  Stream stream_;
  Handle handle_;
  Stretches exchanges_, waits_;

  std::mutex mutex_;
  std::condition_variable wanted_;
  bool stopping_ = false;
  std::thread watch_;
};

}  // namespace lf

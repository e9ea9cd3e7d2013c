#include "core/communicator/nccl/group.h"

#include <pthread.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <exception>
#include <utility>

#include "core/communicator/peers.h"
#include "core/device_marks.h"
#include "core/format.h"
#include "core/seconds.h"

namespace lf {
namespace {

constexpr double kLook = 0.1;       // seconds between looks at NCCL and at the others
constexpr double kBetterWords = 1;  // for the host's side to find the rank whose end NCCL stumbles over
constexpr double kTelling = 10;     // for all ranks to be told
constexpr double kJoining = 120;    // for all ranks to come
constexpr double kLeaving = 10;     // for the last exchanges of all
constexpr auto kPause = std::chrono::microseconds(20);

std::string words(const char* what, ncclResult_t status) {
  return text("NCCL: ", what, ": ", ncclGetErrorString(status), "; NCCL_DEBUG=WARN says more");
}

// NCCL would refuse, in words that name no remedy.
void check_one_gpu_each(Communicator& host) {
  std::string mine;
  all_or_none(host, [&] {
    const cuda::DeviceProperties& device = cuda::device();
    std::array<char, 32> place{};
    cuda::check(cudaDeviceGetPCIBusId(place.data(), place.size(), device.index),
                "asking for the GPU's place");
    mine = text(Whereabouts::here().system, ' ', place.data(), ' ', device.name);
  });
  const std::vector<std::string> gpus = host.gather(mine);
  all_or_none(host, [&] {
    for (auto first = gpus.begin(); first != gpus.end(); ++first) {
      const auto second = std::find(first + 1, gpus.end(), *first);
      if (second == gpus.end()) continue;
      const int rank = static_cast<int>(first - gpus.begin());
      throw UsageError(text("ranks ", rank, " and ", second - gpus.begin(), " on ", host.host(rank),
                            " use the same GPU (", first->substr(first->find(' ') + 1),
                            "); start one rank per GPU: a rank takes the GPU of its local rank among those "
                            "that CUDA_VISIBLE_DEVICES shows"));
    }
  });
}

// Rank 0's key to the group.
ncclUniqueId shared_key(Communicator& host) {
  ncclUniqueId key{};
  all_or_none(host, [&] {
    int version = 0;
    check(ncclGetVersion(&version), "asking for the version");  // loads it on every rank
    if (host.rank() == 0) check(ncclGetUniqueId(&key), "making a key for the group");
  });
  const std::string bytes = host.broadcast(std::string(key.internal, sizeof key.internal));
  std::copy(bytes.begin(), bytes.end(), key.internal);
  return key;
}

}  // namespace

void check(ncclResult_t status, const char* what) {
  if (status != ncclSuccess && status != ncclInProgress) throw Error(words(what, status));
}

void Stretches::add(std::shared_ptr<const Stretch> stretch) {
  const std::lock_guard lock(mutex_);
  open_.push_back(std::move(stretch));
}

double Stretches::seconds() {
  const std::lock_guard lock(mutex_);
  look();
  return seconds_;
}

double Stretches::open_seconds() {
  const std::lock_guard lock(mutex_);
  look();
  return since_ == 0 ? 0 : seconds_now() - since_;
}

void Stretches::look() {
  for (; !open_.empty() && cuda::reached(open_.front()->end.get()); open_.pop_front()) {
    seconds_ += cuda::seconds_between(open_.front()->begin.get(), open_.front()->end.get());
    since_ = 0;
  }
  if (!open_.empty() && since_ == 0 && cuda::reached(open_.front()->begin.get())) since_ = seconds_now();
}

NcclGroup::Stream::Stream() {
  cuda::stream();  // the first is the one that computes
  cuda::check(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking), "making a stream");
}

void NcclGroup::Handle::cut_off() {
  const std::lock_guard lock(mutex);
  if (comm) ncclCommAbort(std::exchange(comm, nullptr));
}

NcclGroup::NcclGroup(std::shared_ptr<Communicator> host, const Patience& patience)
    : host_(std::move(host)), patience_(patience), activity_(Activity::current()) {
  check_one_gpu_each(*host_);
  const ncclUniqueId key = shared_key(*host_);
  ncclConfig_t config = NCCL_CONFIG_INITIALIZER;
  config.blocking = 0;  // NCCL's own waits would have no end where a rank is lost
  settle(ncclCommInitRankConfig(&handle_.comm, host_->size(), key, host_->rank(), &config),
         "joining the group", kJoining);
  if (host_->size() > 1) watch_ = std::thread([this] { watch(); });
}

NcclGroup::~NcclGroup() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wanted_.notify_all();
  if (watch_.joinable()) watch_.join();
  try {
    leave();
  } catch (const std::exception&) {  // a run that has failed: nobody is waited for
  }
}

void NcclGroup::leave() {
  if (std::uncaught_exceptions() > 0 || host_->has_failed()) return;
  host_->barrier();
  const std::lock_guard lock(handle_.mutex);
  if (!handle_.comm) return;
  const double until = seconds_now() + kLeaving;
  ncclResult_t status = ncclCommFinalize(handle_.comm);
  while (status == ncclInProgress && seconds_now() < until && !host_->has_failed()) {
    std::this_thread::sleep_for(kPause);
    if (ncclCommGetAsyncError(handle_.comm, &status) != ncclSuccess) return;
  }
  if (status == ncclSuccess) ncclCommDestroy(std::exchange(handle_.comm, nullptr));
}

std::shared_ptr<NcclGroup::Exchange> NcclGroup::start(const Operations& operations,
                                                      std::vector<Tensor> memory) {
  auto exchange = std::make_shared<Exchange>(*this, std::move(memory));
  auto stretch = std::make_shared<Stretches::Stretch>();
  cuda::Event ready;
  ready.record(cuda::stream());
  cuda::check(cudaStreamWaitEvent(stream_.stream, ready.get(), 0), "ordering streams");
  stretch->begin.record(stream_.stream);
  ncclResult_t status = ncclInProgress;
  {
    const std::lock_guard lock(handle_.mutex);
    if (handle_.comm) {
      check(ncclGroupStart(), "starting a group of operations");
      operations(handle_.comm, stream_.stream);
      status = ncclGroupEnd();
    }
  }
  settle(status, "starting an exchange", patience_.stuck);
  stretch->end.record(stream_.stream);  // not before: NCCL may only now have put its kernels onto the stream
  exchanges_.add(stretch);
  exchange->stretch_ = std::move(stretch);
  return exchange;
}

NcclGroup::Exchange::~Exchange() {
  try {
    order();
  } catch (const Error&) {  // the device has failed
  }
}

void NcclGroup::Exchange::order() {
  if (!stretch_) return;
  const auto stretch = std::exchange(stretch_, nullptr);
  auto wait = std::make_shared<Stretches::Stretch>();
  wait->begin.record(cuda::stream());
  cuda::check(cudaStreamWaitEvent(cuda::stream(), stretch->end.get(), 0), "ordering streams");
  wait->end.record(cuda::stream());
  group_.waits_.add(std::move(wait));
}

void NcclGroup::Exchange::join() {
  order();
  if (group_.host_->has_failed()) group_.host_->barrier();  // throws what has happened
}

// NCCL's word on what goes on by itself; an error, too, where the group was cut off.
ncclResult_t NcclGroup::state() {
  const std::lock_guard lock(handle_.mutex);
  ncclResult_t result = ncclSystemError;
  const ncclResult_t asking = handle_.comm ? ncclCommGetAsyncError(handle_.comm, &result) : result;
  return asking == ncclSuccess ? result : asking;
}

// Returns once NCCL has done what it returned `status` for, or ends the run.
void NcclGroup::settle(ncclResult_t status, const char* what, double patience) {
  const double started = seconds_now();
  while (status == ncclInProgress) {
    if (host_->has_failed()) end_run("");
    if (const double waited = seconds_now() - started; waited > patience)
      end_run(text("NCCL: ", what, ": not all ranks have come within ", format_duration(waited)));
    std::this_thread::sleep_for(kPause);
    status = state();
  }
  if (status != ncclSuccess) end_run(words(what, status));
}

// Tells all ranks, and throws OtherRankFailed as they do.
void NcclGroup::end_run(const std::string& why) {
  if (!host_->has_failed()) host_->lose(why);
  for (const double until = seconds_now() + kTelling; seconds_now() < until;) {
    if (host_->has_failed()) host_->barrier();
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  throw Error(why);
}

// Cut off is only what others know to have failed: whoever goes on with what it left behind in memory finds
// the run at its end at the next agreement.
void NcclGroup::watch() {
  pthread_setname_np(pthread_self(), "nccl");
  const auto failed = [this] { return host_->has_failed(); };
  std::string why;
  while (!failed() && why.empty()) {
    if (sleep(kLook, failed)) return;
    why = trouble();
  }
  if (!failed() && sleep(kBetterWords, failed)) return;
  if (!failed()) {
    host_->lose(why);
    if (sleep(kTelling, failed)) return;
  }
  handle_.cut_off();
}

// What is wrong with the exchanges; empty: nothing.
std::string NcclGroup::trouble() {
  const ncclResult_t status = state();
  if (status != ncclSuccess && status != ncclInProgress) return words("an exchange has failed", status);
  waits_.seconds();  // forgets those that have ended
  const double open = exchanges_.open_seconds();
  // Before the first step a corpus may be prepared for hours.
  const bool started = activity_ && activity_->step() > 0;
  if (!started || open <= patience_.stuck) return "";
  return text("an exchange between GPUs has not ended for ", format_duration(open),
              ": a rank does not come to it, or NCCL does not go on");
}

// True: the group is being left.
bool NcclGroup::sleep(double seconds, const std::function<bool()>& until) {
  std::unique_lock lock(mutex_);
  const double end = seconds_now() + seconds;
  while (!stopping_ && !until() && seconds_now() < end)
    wanted_.wait_for(lock, std::chrono::duration<double>(std::min(kLook / 4, seconds)));
  return stopping_;
}

}  // namespace lf

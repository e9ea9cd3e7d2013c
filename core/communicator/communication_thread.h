// The one thread of a process that talks to other ranks: it carries out exchanges one after the other, beside
// the thread that computes, sends signs of life, and finds out when a rank is lost.
#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <exception>
#include <functional>
#include <future>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "core/activity.h"
#include "core/communicator/communicator.h"
#include "core/communicator/peers.h"
#include "core/communicator/transport.h"

namespace lf {

class CommunicationThread {
 public:
  // Opens the transport on the new thread; throws what that throws. Signs of life tell others the activity,
  // of the thread that computes.
  CommunicationThread(const std::function<std::unique_ptr<Transport>()>& open, const Activity& activity,
                      Patience patience, Alarm alarm);
  // Waits for the others to come here too, unless the run has failed.
  ~CommunicationThread();
  CommunicationThread(const CommunicationThread&) = delete;
  CommunicationThread& operator=(const CommunicationThread&) = delete;

  int rank() const { return rank_; }
  int size() const { return size_; }
  const std::string& host(int rank) const { return hosts_[static_cast<size_t>(rank)]; }

  // What an exchange may do: called on the thread.
  class Wire {
   public:
    explicit Wire(CommunicationThread& thread) : thread_(thread) {}
    // Returns when all is sent and received; throws OtherRankFailed.
    void exchange(int channel, const std::vector<Message>& send, const std::vector<Message>& receive);

   private:
    CommunicationThread& thread_;
  };
  using Work = std::function<void(Wire&)>;

  // Does the work after all that was started before, or, if it is urgent, while others' messages are waited
  // for. Urgent work must not wait for ranks whose own waits for work that is not. What it needs must live in
  // it.
  enum class Haste { none, urgent };
  Pending start(Work work, Haste haste = Haste::none);

  bool fail(const std::string& why, int exit_code);
  void lose(const std::string& why);
  bool has_failed() const { return has_failed_; }
  int64_t bytes_sent() const { return bytes_sent_; }
  double busy_seconds() const { return busy_seconds_; }
  double waited_seconds() const { return waited_seconds_; }

 private:
  struct Job {
    Work work;
    std::promise<void> done;
  };

  void run(const std::function<std::unique_ptr<Transport>()>& open, std::promise<void> opened);
  void meet();
  void serve();
  std::pair<std::unique_ptr<Job>, Haste> next_job();
  void carry_out(std::unique_ptr<Job> job, Haste haste);
  void carry_out_urgent();
  void look_around(Transport::Transfer* transfer, double waiting_since);
  void take_notes();
  void send_sign_of_life(double now);
  void tell_all(const Note& note);
  void tell_own_failure();
  void tell_own_loss();
  bool speaks_for_all();
  void set_failure(const std::string& why, int exit_code);
  void throw_if_failed();

  const Patience patience_;
  const Alarm alarm_;
  const Activity& activity_;  // of the thread that computes

  int rank_ = 0, size_ = 1;
  std::vector<std::string> hosts_;
  std::atomic<int64_t> bytes_sent_ = 0;
  std::atomic<double> busy_seconds_ = 0, waited_seconds_ = 0;

  // Of the communication thread alone.
  std::unique_ptr<Transport> transport_;
  std::optional<Peers> peers_;
  double looked_ = 0, signed_ = 0, failed_at_ = 0;
  double changed_ = 0;  // when the activity last did
  int64_t changes_ = -1;
  std::optional<OtherRankFailed> failure_;
  bool told_own_failure_ = false, lower_rank_failed_ = false;
  int depth_ = 0;              // of jobs that are being carried out: an urgent one within another
  Haste haste_ = Haste::none;  // of the innermost one; an urgent one is not overtaken
  // Transfers that did not end, and the work whose memory they may still write.
  std::vector<std::unique_ptr<Transport::Transfer>> unfinished_;
  std::vector<std::unique_ptr<Job>> failed_jobs_;

  std::mutex mutex_;
  std::condition_variable wanted_;
  std::deque<std::unique_ptr<Job>> jobs_, urgent_jobs_;
  std::optional<Note> own_failure_;
  std::promise<bool> tells_;  // of the own failure
  std::optional<std::string> own_loss_;
  bool stopping_ = false;
  std::promise<void> closed_;  // the transport has ended

  std::atomic<bool> has_urgent_ = false;  // jobs
  std::atomic<bool> has_failed_ = false;
  std::atomic<bool> leaving_ = false;
  std::atomic<bool> ends_expected_ = false;  // ends of other processes: they leave, or the run has failed
  std::thread watch_;
  std::thread thread_;  // last: it uses everything above
};

}  // namespace lf

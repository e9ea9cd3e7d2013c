#include "core/communicator/communication_thread.h"

#include <pthread.h>
#include <sys/prctl.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstring>
#include <utility>

#include "core/seconds.h"

namespace lf {
namespace {

constexpr int kMeetingChannel = 0;
constexpr double kLook = 0.02, kSign = 0.2;  // seconds between looks around, and signs of life
constexpr auto kLinger = std::chrono::milliseconds(800);
constexpr double kGrace = 5;                 // for the thread that computes to notice a failure
constexpr double kLowerRanks = 0.5;          // for lower ranks to say that they have failed too
constexpr double kLeaving = 3;               // for the last messages of a rank that has ended already
constexpr double kOpening = 120;             // for all ranks to come
constexpr double kSpinBytesPerSecond = 2e9;  // while a transfer may be under way nobody sleeps
constexpr auto kPause = std::chrono::microseconds(20);

template <size_t N>
void copy_words(const std::string& words, char (&place)[N]) {
  std::memset(place, 0, N);
  std::memcpy(place, words.data(), std::min(words.size(), N - 1));
}

int64_t bytes_of(const std::vector<Message>& messages) {
  int64_t bytes = 0;
  for (const Message& message : messages) bytes += message.bytes;
  return bytes;
}

}  // namespace

CommunicationThread::CommunicationThread(const std::function<std::unique_ptr<Transport>()>& open,
                                         const Activity& activity, Patience patience, Alarm alarm)
    : patience_(patience), alarm_(std::move(alarm)), activity_(activity) {
  std::promise<void> opened;
  std::future<void> result = opened.get_future();
  thread_ =
      std::thread([this, open, promise = std::move(opened)]() mutable { run(open, std::move(promise)); });
  if (result.wait_for(std::chrono::duration<double>(kOpening)) != std::future_status::ready) {
    alarm_.tell(text("not all ranks have come within ", kOpening, " s"));
    alarm_.end(kLostRank);
  }
  try {
    result.get();
  } catch (...) {
    thread_.join();
    throw;
  }
}

CommunicationThread::~CommunicationThread() {
  try {
    leaving_ = ends_expected_ = true;
    char nothing = 0;
    start([&](Wire& wire) {
      std::vector<Message> all;
      for (int peer = 0; peer < size_; ++peer)
        if (peer != rank_) all.push_back({peer, &nothing, 1});
      std::vector<char> received(static_cast<size_t>(size_));
      std::vector<Message> from = all;
      for (size_t i = 0; i < from.size(); ++i) from[i].data = &received[i];
      wire.exchange(kMeetingChannel, all, from);
    }).wait();
  } catch (const std::exception&) {  // a run that has failed: nobody is waited for
  }
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wanted_.notify_all();
  // MPI waits for all ranks when it ends, also for one that was lost since they met above.
  const double most = patience_.silence + kLeaving;
  if (closed_.get_future().wait_for(std::chrono::duration<double>(most)) != std::future_status::ready) {
    alarm_.tell(text("the run was over, but ranks did not part within ", most, " s: one of them is lost"));
    alarm_.end(kLostRank);
  }
  thread_.join();
}

Pending CommunicationThread::start(Work work, Haste haste) {
  auto job = std::make_unique<Job>();
  job->work = std::move(work);
  auto done = std::make_shared<std::future<void>>(job->done.get_future());
  {
    const std::lock_guard lock(mutex_);
    const bool urgent = haste == Haste::urgent;
    (urgent ? urgent_jobs_ : jobs_).push_back(std::move(job));
    has_urgent_ = has_urgent_ || urgent;
  }
  wanted_.notify_all();
  return Pending([this, done] {
    waited_seconds_ = waited_seconds_ + seconds_of([&] { done->wait(); });
    done->get();
  });
}

bool CommunicationThread::fail(const std::string& why, int exit_code) {
  Note note{.kind = Note::Kind::kEnding, .from = rank_, .about = rank_, .exit_code = exit_code};
  note.step = activity_.step();
  copy_words(activity_.phase(), note.phase);
  copy_words(why, note.words);
  std::future<bool> tells = tells_.get_future();
  {
    const std::lock_guard lock(mutex_);
    own_failure_ = note;
  }
  wanted_.notify_all();
  if (tells.wait_for(std::chrono::duration<double>(kGrace)) != std::future_status::ready) return true;
  return tells.get();
}

void CommunicationThread::lose(const std::string& why) {
  {
    const std::lock_guard lock(mutex_);
    if (!own_loss_) own_loss_ = why;
  }
  wanted_.notify_all();
}

void CommunicationThread::run(const std::function<std::unique_ptr<Transport>()>& open,
                              std::promise<void> opened) {
  pthread_setname_np(pthread_self(), "ranks");
  ::prctl(PR_SET_TIMERSLACK, 1000, 0, 0, 0);  // pauses are of microseconds
  try {
    transport_ = open();
    rank_ = transport_->rank();
    size_ = transport_->size();
    meet();
  } catch (...) {
    transport_.reset();
    opened.set_exception(std::current_exception());
    return;
  }
  opened.set_value();
  watch_ = std::thread([this] { peers_->watch(ends_expected_, alarm_.tell); });
  serve();
  peers_->stop_watching();
  watch_.join();
  if (failure_ || told_own_failure_) {
    // A launcher ends all processes when it sees the first one end: the others first say what they have to.
    std::this_thread::sleep_for(kLinger);
    transport_->abandon();
  }
  transport_.reset();
  closed_.set_value();
}

void CommunicationThread::meet() {
  using Words = std::array<char, 512>;
  Words mine{};
  const std::string words = Whereabouts::here().words();
  std::copy_n(words.begin(), std::min(words.size(), mine.size() - 1), mine.begin());
  std::vector<Words> all(static_cast<size_t>(size_), mine);
  std::vector<Message> send, receive;
  for (int peer = 0; peer < size_; ++peer) {
    if (peer == rank_) continue;
    send.push_back({peer, mine.data(), static_cast<int64_t>(mine.size())});
    receive.push_back({peer, all[static_cast<size_t>(peer)].data(), static_cast<int64_t>(mine.size())});
  }
  Wire(*this).exchange(kMeetingChannel, send, receive);
  std::vector<Whereabouts> where;
  for (const Words& each : all) {
    where.push_back(Whereabouts::of(each.data()));
    hosts_.push_back(where.back().host);
  }
  peers_.emplace(rank_, patience_);
  peers_->meet(where);
}

void CommunicationThread::serve() {
  for (;;) {
    std::pair<std::unique_ptr<Job>, Haste> job;
    {
      std::unique_lock lock(mutex_);
      wanted_.wait_for(lock, std::chrono::duration<double>(kSign / 2), [&] {
        return !jobs_.empty() || !urgent_jobs_.empty() || stopping_ || (own_failure_ && !told_own_failure_);
      });
      job = next_job();
      if (!job.first && stopping_ && !(own_failure_ && !told_own_failure_)) return;
    }
    look_around(nullptr, 0);
    if (job.first) carry_out(std::move(job.first), job.second);
  }
}

// Called with the mutex held; null: there is none.
std::pair<std::unique_ptr<CommunicationThread::Job>, CommunicationThread::Haste>
CommunicationThread::next_job() {
  const Haste haste = urgent_jobs_.empty() ? Haste::none : Haste::urgent;
  std::deque<std::unique_ptr<Job>>& jobs = haste == Haste::urgent ? urgent_jobs_ : jobs_;
  if (jobs.empty()) return {};
  std::unique_ptr<Job> job = std::move(jobs.front());
  jobs.pop_front();
  has_urgent_ = !urgent_jobs_.empty();
  return {std::move(job), haste};
}

void CommunicationThread::carry_out(std::unique_ptr<Job> job, Haste haste) {
  const double started = seconds_now();
  const Haste outer = std::exchange(haste_, haste);
  ++depth_;
  std::exception_ptr failure;
  try {
    throw_if_failed();
    Wire wire(*this);
    job->work(wire);
  } catch (...) {
    failure = std::current_exception();
  }
  haste_ = outer;
  if (--depth_ == 0) busy_seconds_ = busy_seconds_ + seconds_now() - started;
  std::promise<void> done = std::move(job->done);
  if (failure_ || told_own_failure_) failed_jobs_.push_back(std::move(job));
  if (failure)
    done.set_exception(failure);
  else
    done.set_value();
}

// While the messages of another job are waited for.
void CommunicationThread::carry_out_urgent() {
  if (haste_ == Haste::urgent) return;
  std::pair<std::unique_ptr<Job>, Haste> job;
  {
    const std::lock_guard lock(mutex_);
    if (urgent_jobs_.empty()) return;
    job = next_job();
  }
  carry_out(std::move(job.first), job.second);
}

void CommunicationThread::Wire::exchange(int channel, const std::vector<Message>& send,
                                         const std::vector<Message>& receive) {
  std::unique_ptr<Transport::Transfer> transfer =
      thread_.transport_->start(channel, send.data(), send.size(), receive.data(), receive.size());
  const double started = seconds_now(),
               spins_until = started + 1e-4 +
                             static_cast<double>(bytes_of(send) + bytes_of(receive)) / kSpinBytesPerSecond;
  try {
    while (!transfer->done()) {
      thread_.look_around(transfer.get(), started);
      thread_.throw_if_failed();
      if (thread_.has_urgent_) thread_.carry_out_urgent();
      if (seconds_now() < spins_until)
        std::this_thread::yield();
      else
        std::this_thread::sleep_for(kPause);
    }
  } catch (...) {
    thread_.unfinished_.push_back(std::move(transfer));
    throw;
  }
  thread_.bytes_sent_ += bytes_of(send);
}

// Notes, signs of life and lost ranks, from time to time; `transfer`: what is waited for.
void CommunicationThread::look_around(Transport::Transfer* transfer, double waiting_since) {
  const double now = seconds_now();
  if (!peers_ || now - looked_ < kLook) return;
  looked_ = now;
  take_notes();
  tell_own_failure();
  if (now - signed_ >= kSign) send_sign_of_life(now);
  if (failure_) {
    if (now - failed_at_ > kGrace) alarm_.end(failure_->exit_code());
    return;
  }
  if (told_own_failure_ || (leaving_ && !(transfer && now - waiting_since > kLeaving))) return;
  tell_own_loss();
  if (failure_) return;
  const std::optional<Peers::Lost> lost = peers_->lost(transfer ? transfer->waits_for() : -1, waiting_since);
  if (!lost) return;
  if (lost->tells) alarm_.tell(lost->why);
  Note note{.kind = Note::Kind::kEnding, .from = rank_, .about = lost->rank, .exit_code = kLostRank};
  copy_words(lost->why, note.words);
  tell_all(note);
  set_failure(lost->why, kLostRank);
}

void CommunicationThread::take_notes() {
  while (const std::optional<Note> note = transport_->receive_note()) {
    if (note->kind == Note::Kind::kAlive) {
      peers_->heard(*note);
      continue;
    }
    if (note->about == note->from && note->from < rank_) lower_rank_failed_ = true;
    if (!failure_ && !told_own_failure_) set_failure(note->words, note->exit_code);
  }
}

void CommunicationThread::send_sign_of_life(double now) {
  signed_ = now;
  Note note{.kind = Note::Kind::kAlive, .from = rank_};
  note.step = activity_.step();
  const int64_t changes = activity_.changes();
  if (changes != changes_) changed_ = now;
  changes_ = changes;
  note.phase_seconds = now - changed_;
  copy_words(activity_.phase(), note.phase);
  for (const int peer : peers_->followers()) transport_->send_note(peer, note);
}

void CommunicationThread::tell_all(const Note& note) {
  for (int peer = 0; peer < size_; ++peer)
    if (peer != rank_) transport_->send_note(peer, note);
}

// Where several ranks fail at once, the lowest tells people: the others wait a little for its word.
void CommunicationThread::tell_own_failure() {
  std::optional<Note> note;
  {
    const std::lock_guard lock(mutex_);
    if (told_own_failure_ || !own_failure_) return;
    note = own_failure_;
  }
  told_own_failure_ = ends_expected_ = has_failed_ = true;
  tell_all(*note);
  tells_.set_value(speaks_for_all());
}

// What other exchanges of this rank have met: all ranks may meet it at once.
void CommunicationThread::tell_own_loss() {
  Note note{.kind = Note::Kind::kEnding, .from = rank_, .about = rank_, .exit_code = kLostRank};
  {
    const std::lock_guard lock(mutex_);
    if (!own_loss_) return;
    copy_words(text("rank ", rank_, " (", host(rank_), "): ", *own_loss_, "; the run ends"), note.words);
  }
  tell_all(note);
  set_failure(note.words, kLostRank);
  if (speaks_for_all()) alarm_.tell(note.words);
}

bool CommunicationThread::speaks_for_all() {
  const double until = seconds_now() + kLowerRanks;
  while (rank_ > 0 && !lower_rank_failed_ && seconds_now() < until) {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
    take_notes();
  }
  return !lower_rank_failed_;
}

void CommunicationThread::set_failure(const std::string& why, int exit_code) {
  failure_.emplace(why, exit_code);
  ends_expected_ = has_failed_ = true;
  failed_at_ = seconds_now();
}

void CommunicationThread::throw_if_failed() {
  if (failure_) throw OtherRankFailed(*failure_);
  if (told_own_failure_) throw Error("this rank has failed");
}

}  // namespace lf

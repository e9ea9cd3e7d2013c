#include "core/communicator/peers.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <sstream>
#include <utility>

#include "core/check.h"
#include "core/files.h"
#include "core/format.h"
#include "core/seconds.h"

namespace lf {
namespace {

// The number of processes' space, as the link /proc/self/ns/pid names it, of this boot of the machine.
std::string process_space() {
  std::array<char, 64> link{};
  const ssize_t length = ::readlink("/proc/self/ns/pid", link.data(), link.size());
  std::ostringstream boot;
  try {
    boot << read_text_file("/proc/sys/kernel/random/boot_id");
  } catch (const Error&) {  // then nobody is taken for a neighbour
    boot << "unknown" << ::getpid();
  }
  std::string words =
      boot.str() + std::string(link.data(), static_cast<size_t>(std::max<ssize_t>(length, 0)));
  std::erase_if(words, [](char c) { return c == '\n' || c == ' '; });
  return words;
}

constexpr const char* kEnded = "its process has ended";

bool has_ended(int process) {
  pollfd watched{process, POLLIN, 0};
  return process >= 0 && ::poll(&watched, 1, 0) == 1;
}

}  // namespace

Whereabouts Whereabouts::here() {
  std::array<char, 256> host{};
  ::gethostname(host.data(), host.size() - 1);
  return {host.data(), ::getpid(), process_space()};
}

std::string Whereabouts::words() const { return text(host, ' ', process, ' ', system); }

Whereabouts Whereabouts::of(const std::string& words) {
  std::istringstream in(words);
  Whereabouts result;
  in >> result.host >> result.process >> result.system;
  return result;
}

Peers::Peers(int rank, Patience patience)
    : rank_(rank), patience_(patience), wake_(::eventfd(0, EFD_CLOEXEC)) {}

Peers::~Peers() {
  for (const Peer& peer : peers_)
    if (peer.process >= 0) ::close(peer.process);
  ::close(wake_);
}

void Peers::meet(const std::vector<Whereabouts>& all) {
  const double now = seconds_now();
  const Whereabouts& own = all[static_cast<size_t>(rank_)];
  const int size = static_cast<int>(all.size());
  for (int rank = 0; rank < size; ++rank) {
    const Whereabouts& where = all[static_cast<size_t>(rank)];
    Peer peer{.where = where, .heard = now};
    // Ranks of a test are threads of one process.
    if (where.system == own.system && where.process != own.process)
      peer.process = static_cast<int>(::syscall(SYS_pidfd_open, static_cast<pid_t>(where.process), 0));
    peer.follows = rank != rank_ && (rank_ == 0 || (rank + 1) % size == rank_ || (rank_ + 1) % size == rank);
    peers_.push_back(std::move(peer));
  }
  judged_ = now;
}

std::vector<int> Peers::followers() const {
  std::vector<int> wanted = {0, (rank_ + 1) % size(), (rank_ + size() - 1) % size()};
  const std::string& here = peers_[static_cast<size_t>(rank_)].where.system;
  int beside = 0;
  for (int rank = 0; rank < size() && beside < 2; ++rank) {
    if (peers_[static_cast<size_t>(rank)].where.system != here) continue;
    wanted.push_back(rank);
    beside += 1;
  }
  std::vector<int> result;
  for (const int rank : wanted) {
    if (rank != rank_ && std::find(result.begin(), result.end(), rank) == result.end())
      result.push_back(rank);
  }
  return result;
}

void Peers::heard(const Note& note) {
  const std::lock_guard lock(mutex_);
  Peer& peer = peers_.at(static_cast<size_t>(note.from));
  peer.heard = seconds_now();
  peer.last = note;
}

std::optional<Peers::Lost> Peers::lost(int waits_for, double waiting_since) {
  const std::lock_guard lock(mutex_);
  const double now = seconds_now();
  // This process itself did not run for a while: what the others sent meanwhile has yet to be read.
  const bool slept = now - judged_ > patience_.silence / 4;
  if (now - judged_ > patience_.silence / 2) stood_still_ = now;
  judged_ = now;
  if (slept)
    for (Peer& peer : peers_) peer.heard = std::max(peer.heard, now - patience_.silence / 2);
  for (int rank = 0; rank < size(); ++rank) {
    Peer& peer = peers_[static_cast<size_t>(rank)];
    if (rank == rank_) continue;
    if (has_ended(peer.process)) return Lost{rank, lost_words(rank, kEnded), tells_of_end(rank)};
    const double silent = now - peer.heard;
    // Rank 0 judges the others and rank 1 judges it, the other neighbours only where these do not.
    const bool judges = rank_ == (rank == 0 ? 1 : 0);
    if (peer.follows && silent > patience_.silence * (judges ? 1 : 1.5))
      return Lost{rank, lost_words(rank, text("no sign of life for ", format_duration(silent))), true};
    // Before the first step a corpus may be prepared for hours.
    if (judges && rank == waits_for && peer.last.step > 0 && now - waiting_since > patience_.stuck &&
        peer.last.phase_seconds > patience_.stuck) {
      const std::string why = text("it has not gone on for ", format_duration(peer.last.phase_seconds),
                                   ", and others wait for it");
      return Lost{rank, lost_words(rank, why), true};
    }
  }
  return std::nullopt;
}

void Peers::watch(const std::atomic<bool>& expected, const std::function<void(const std::string&)>& tell) {
  std::vector<pollfd> watched{{wake_, POLLIN, 0}};
  std::vector<int> ranks{rank_};
  for (int rank = 0; rank < size(); ++rank) {
    watched.push_back({peers_[static_cast<size_t>(rank)].process, POLLIN, 0});  // -1 is never ready
    ranks.push_back(rank);
  }
  for (;;) {
    if (::poll(watched.data(), watched.size(), -1) < 0) continue;
    if (watched[0].revents != 0) return;
    for (size_t i = 1; i < watched.size(); ++i) {
      if (watched[i].revents == 0) continue;
      watched[i].fd = -1;
      const std::unique_lock lock(mutex_);
      if (!expected && tells_of_end(ranks[i])) tell(lost_words(ranks[i], kEnded));
    }
  }
}

void Peers::stop_watching() {
  const uint64_t one = 1;
  (void)!::write(wake_, &one, sizeof one);
}

// Whether people are to hear of it from this rank, and have not yet. A process that was stopped for long is
// itself what the others miss: where it finds them ended, they have said why.
bool Peers::tells_of_end(int rank) {
  const double now = seconds_now();
  if (now - judged_ > patience_.silence / 2) stood_still_ = now;
  return now - stood_still_ > patience_.silence && lowest_beside(rank) &&
         !std::exchange(peers_[static_cast<size_t>(rank)].told, true);
}

bool Peers::lowest_beside(int lost) const {
  for (int rank = 0; rank < rank_; ++rank) {
    const Peer& peer = peers_[static_cast<size_t>(rank)];
    if (rank != lost && peer.process >= 0 && !has_ended(peer.process)) return false;
  }
  return true;
}

std::string Peers::lost_words(int rank, const std::string& why) const {
  const Peer& peer = peers_.at(static_cast<size_t>(rank));
  std::string words =
      text("rank ", rank, " (", peer.where.host, ", process ", peer.where.process, ") is lost");
  if (peer.last.step > 0)
    words += text(", at step ", peer.last.step, " in ", peer.last.phase);
  else if (peer.last.phase[0] != 0)
    words += text(", before its first step in ", peer.last.phase);
  return text(words, ": ", why, "; the run ends");
}

}  // namespace lf

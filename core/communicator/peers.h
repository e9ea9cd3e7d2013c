// What a rank knows of the others: where they are, when they were last heard of, and whether they are lost.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "core/communicator/communicator.h"
#include "core/communicator/transport.h"

namespace lf {

// Where a process runs. Ranks exchange it as words when they meet.
struct Whereabouts {
  std::string host;
  int64_t process = 0;
  std::string system;  // names what numbers of processes are counted in: a boot of a machine, a container

  static Whereabouts here();
  std::string words() const;
  static Whereabouts of(const std::string& words);
};

// Used by the communication thread, but for watch().
class Peers {
 public:
  Peers(int rank, Patience patience);
  ~Peers();
  Peers(const Peers&) = delete;
  Peers& operator=(const Peers&) = delete;

  // Who is there. From here on processes on this machine are watched by the system.
  void meet(const std::vector<Whereabouts>& all);
  int size() const { return static_cast<int>(peers_.size()); }

  // To whom this rank sends signs of life: to its neighbours, to rank 0, and to those two of its machine that
  // tell people of an end there.
  std::vector<int> followers() const;
  void heard(const Note& note);

  // A rank that is lost, and why, in words; `waits_for`: the rank that this one has been waiting for since
  // `waiting_since`, or -1.
  struct Lost {
    int rank;
    std::string why;
    bool tells;  // people, or another one does
  };
  std::optional<Lost> lost(int waits_for, double waiting_since);

  // Waits for processes on this machine to end, until stop_watching(), and tells people of each unless
  // `expected` or a lower rank of this machine does. Called on a thread of its own: a launcher that sees the
  // end of a rank leaves the others some thousandths of a second to say which.
  void watch(const std::atomic<bool>& expected, const std::function<void(const std::string&)>& tell);
  void stop_watching();

 private:
  struct Peer {
    Whereabouts where;
    bool follows = false;  // sends signs of life to this rank
    int process = -1;      // a descriptor of it, where it is on this machine
    double heard = 0;      // seconds_now()
    bool told = false;     // people know that it has ended
    Note last;
  };

  std::string lost_words(int rank, const std::string& why) const;
  bool tells_of_end(int rank);
  bool lowest_beside(int lost) const;

  int rank_;
  Patience patience_;
  int wake_;  // a descriptor that ends watch()
  double judged_ = 0;
  double stood_still_ = -1e9;  // when this process last noticed that it had itself been stopped for long
  mutable std::mutex mutex_;
  std::vector<Peer> peers_;
};

}  // namespace lf
